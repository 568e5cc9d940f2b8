"""Docstrings start with a verb in the third person or with a noun, never with a bare question word."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


QUESTION_WORDS = _words("What Whether Where How Why Who Which When Whose")
IMPERATIVES = _words("""
    Accept Acquire Add Allow Append Apply Approve Ask Assign Attach Begin Bind Block Bring Build Calculate Call Cancel
    Catch Change Check Choose Clean Clear Close Collect Combine Compare Compose Compute Connect Convert Copy Count
    Create Cut Decide Decode Delete Describe Detach Detect Divide Drop Emit Encode End Ensure Estimate Evaluate
    Execute Expand Expect Explain Export Extend Extract Fail Fill Filter Find Finish Follow Forget Format Freeze
    Gather Generate Get Give Go Group Guess Handle Hold Ignore Import Index Insert Iterate Join Keep Kill Leave Let
    Limit List Load Lock Look Make Map Mark Match Measure Merge Move Name Normalise Note Notify Offer Open Order
    Parse Pass Pause Pick Point Prepare Print Probe Propose Provide Publish Put Raise Rank Read Rebuild Receive
    Record Refuse
    Register Reject Release Remember Remove Rename Render Repeat Replace Report Reserve Reset Resolve Restore Resume
    Retrieve Return Rewrite Run Save Say Score Search See Select Send Serve Set Settle Show Sign Skip Sort Spawn Spell
    Split Start Stop Store Strip Substitute Sum Switch Take Tell Terminate Test Track Translate Trim Try Turn Undo
    Unlock Update Use Validate Verify Wait Walk Warn Watch Weigh Wrap Write Yield
""")

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def faults_of(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and fault of each docstring in a module's source that starts with a wrong word."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Definition):
            continue
        for line, docstring in _docstrings(node):
            first = docstring.split(maxsplit=1)[0].rstrip(".,:;")
            if first in QUESTION_WORDS:
                yield line, f"starts with the question word {first!r}; start with a verb or a noun"
            elif first in IMPERATIVES and _is_plain_function(node):
                yield line, f"starts with the imperative {first!r}; write it in the third person"


def _docstrings(node: Definition) -> Iterator[tuple[int, str]]:
    """Yields line and text of a definition's docstring, and of those below its constants and fields."""
    before: ast.stmt | None = None
    for statement in node.body:
        if (before is None or isinstance(before, ast.Assign | ast.AnnAssign)) and isinstance(statement, ast.Expr):
            value = statement.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.strip():
                yield statement.lineno, value.value
        before = statement


def _is_plain_function(node: Definition) -> bool:
    """Returns True for functions and methods; a property is named by a noun, a command's docstring is its help."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return not any(
        name in ("property", "cached_property", "functools.cached_property") or name.startswith("click.")
        for name in decorators
    )


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ('def wait():\n    """Waits."""', []),
        ('def wait():\n    """Wait a while."""', [2]),
        ('class Clock:\n    async def wait(self):\n\n        """Wait."""', [4]),
        ('@property\ndef count(self):\n    """Count of things."""', []),
        ('@property\ndef count(self):\n    """How many things there are."""', [3]),
        ('@click.command("show")\ndef command():\n    """Show a thing."""', []),
        ('class Clock:\n    """What tells the time."""', [2]),
        ('"""Where clocks are."""', [1]),
        ('LIMIT = 5\n"""How many tries."""', [2]),
        ('LIMIT = 5\n"""Number of tries."""', []),
        ("def silent():\n    pass", []),
    ],
)
def test_the_check_finds_wrong_first_words(source: str, faults: list[int]) -> None:
    assert [line for line, _ in faults_of(source)] == faults


def test_docstrings_start_with_a_verb_or_a_noun() -> None:
    assert SOURCES
    found = [
        f"{path.relative_to(ROOT)}:{line}: {fault}"
        for path in SOURCES
        for line, fault in faults_of(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"{len(found)} docstrings:\n" + "\n".join(found)
