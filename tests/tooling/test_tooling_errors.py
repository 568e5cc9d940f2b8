"""The trees of errors that modules draw: each error of the module is in its own, at its place."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LINE = re.compile(r"^((?:│   |    )*)[├└]── (\w+)", re.MULTILINE)


def _drawn(module: ast.Module) -> dict[str, str]:
    """Returns the parent of each error in the tree of a module's docstring; that of the first ones is ""."""
    above: list[str] = []
    parents = {}
    for indent, name in _LINE.findall(ast.get_docstring(module) or ""):
        depth = len(indent) // 4
        parents[name] = above[depth - 1] if depth else ""
        above[depth:] = [name]
    return parents


DRAWN = [
    path
    for path in sorted(ROOT.glob("packages/*/src/**/errors.py"))
    if _drawn(ast.parse(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.parent.name)
def test_the_tree_is_that_of_the_classes(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    drawn = _drawn(module)
    classes = [each for each in module.body if isinstance(each, ast.ClassDef) and each.name.endswith("Error")]
    bases = {each.name: ast.unparse(each.bases[0]) for each in classes}
    assert {name: base if base in drawn else "" for name, base in bases.items() if base != "Exception"} == drawn
