"""Resolves calls across files by their imports.

A name alone is ambiguous: `quote(` may be the project's or the standard library's. Within a file a name is enough.
Across files the caller must import the name from a module on the definition's path, or call it through that module.
Of several definitions that this holds for, the one is meant whose path agrees best with the module as it is written.
In languages that share names within a folder, a caller in the definition's folder is enough. No call is of a
definition in a language of another family.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.language_families import family_of, may_call

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["imports_name", "nearness", "reaches"]

_FROM_IMPORT: Final = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)
_SCRIPT_IMPORT: Final = re.compile(r"""\bimport\s+([^;'"]*?)\s+from\s+['"]([^'"]+)['"]""")
_SCRIPT_REQUIRE: Final = re.compile(r"""\b(?:const|let|var)\s+([^=]+?)\s*=\s*require\(\s*['"]([^'"]+)['"]""")
_PYTHON_ALIAS: Final = re.compile(r"\bimport\s+(?:[\w.]+\s*,\s*)*([\w.]+)\s+as\s+(\w+)")
_SCRIPT_NAMESPACE: Final = re.compile(r"""\bimport\s+(?:\*\s+as\s+)?(\w+)\s+from\s+['"]([^'"]+)['"]""")
_SCRIPT_MODULE: Final = re.compile(r"""\b(?:const|let|var)\s+(\w+)\s*=\s*require\(\s*['"]([^'"]+)['"]""")
_PACKAGE_FILES: Final = frozenset({"__init__", "index"})
_EXACT: Final = 1_000
"""The nearness of the very file that a call names; no path has so many parts."""
_FOLDER_SCOPED: Final = frozenset({".go", ".java", ".rs", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx"})


def reaches(name: str, *, receiver: str, caller: str, caller_text: str, definition: str) -> bool:
    """Returns True if a call of a name certainly means a definition, if no other is nearer.

    Args:
        receiver: the expression before the dot and the name; "" for a bare call.
        caller: path of the file with the call.
        caller_text: text of that file.
        definition: path of the file with the definition.
    """
    return nearness(name, receiver=receiver, caller=caller, caller_text=caller_text, definition=definition) > 0


def nearness(name: str, *, receiver: str, caller: str, caller_text: str, definition: str) -> int:
    """Returns how near a definition is to a call of its name: 0 if the call does not reach it.

    The arguments are those of `reaches`.
    """
    if not may_call(caller, definition):
        return 0
    if caller == definition:
        return _EXACT
    here, there = PurePosixPath(caller), PurePosixPath(definition)
    if here.suffix in _FOLDER_SCOPED:
        return int(here.parent == there.parent or receiver.rpartition(".")[2] in _modules(there))
    if receiver:
        last = receiver.rpartition(".")[2]
        through = [_agreement(module, here, there) for alias, module in _aliases(caller_text) if alias == last]
        return max([int(last in _modules(there)), *through])
    word = re.compile(rf"\b{re.escape(name)}\b")
    named = [module for module, names in _imports(caller_text) if word.search(names)]
    return max((_agreement(module, here, there) for module in named), default=0)


def imports_name(name: str, text: str) -> bool:
    """Returns True if a text imports a name, from whatever module."""
    return any(re.search(rf"\b{re.escape(name)}\b", names) for _, names in _imports(text))


@lru_cache(maxsize=64)
def _aliases(text: str) -> list[tuple[str, str]]:
    """Returns the names that a text gives to whole modules, each with the module as it is written."""
    python = [(alias, module) for module, alias in _PYTHON_ALIAS.findall(text)]
    return [*python, *_SCRIPT_NAMESPACE.findall(text), *_SCRIPT_MODULE.findall(text)]


def _modules(file: PurePosixPath) -> set[str]:
    """Returns the names under which a file can be imported: its own, and those of the packages around it."""
    return {file.stem, *file.parent.parts} - _PACKAGE_FILES


@lru_cache(maxsize=64)
def _imports(text: str) -> list[tuple[str, str]]:
    """Returns the module as it is written and the imported names, for every import that lists names."""
    scripts = [*_SCRIPT_IMPORT.findall(text), *_SCRIPT_REQUIRE.findall(text)]
    return _FROM_IMPORT.findall(text) + [(module, names) for names, module in scripts]


def _agreement(module: str, caller: PurePosixPath, definition: PurePosixPath) -> int:
    """Returns how well a module, as a caller writes it, agrees with the path of a definition: 0 for not at all."""
    own = _without_package_file((*definition.parent.parts, definition.stem))
    if module.startswith("."):
        target = _relative(module, caller)
        inside = bool(module.strip("./")) and own[: len(target)] == target
        return _EXACT if own == target else int(inside)
    written = _absolute(module, caller)
    ends = [at for at, part in enumerate(own, 1) if part in written[-1:]]
    # A package may offer what its modules define; the module itself comes before them.
    return max((2 * _same_at_end(written, own[:at]) + (at == len(own)) for at in ends), default=0)


def _relative(module: str, caller: PurePosixPath) -> tuple[str, ...]:
    """Returns the path that a relative module stands for, from the root and without a suffix."""
    if "/" in module:
        path = posixpath.splitext(module)[0] if family_of(module) else module
    else:
        rest = module.lstrip(".")
        path = "/".join([*[".."] * (len(module) - len(rest) - 1), *rest.split(".")])
    whole = posixpath.normpath(posixpath.join(caller.parent.as_posix(), path))
    return _without_package_file(PurePosixPath(whole).parts)


def _absolute(module: str, caller: PurePosixPath) -> tuple[str, ...]:
    if family_of(caller.name) == "python":
        return tuple(module.split("."))
    path = PurePosixPath(module)
    return _without_package_file((*path.parent.parts, path.stem))


def _without_package_file(parts: tuple[str, ...]) -> tuple[str, ...]:
    return parts[:-1] if parts[-1:] and parts[-1] in _PACKAGE_FILES else parts


def _same_at_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Returns the number of equal parts at the end of two paths."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
