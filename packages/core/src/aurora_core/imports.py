"""Resolves calls across files by their imports.

A name alone is ambiguous: `quote(` may be the project's or the standard library's. Within a file a name is enough.
Across files the caller must import the name from a module on the definition's path, or call it through that module.
In languages that share names within a folder, a caller in the definition's folder is enough.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

__all__ = ["imports_name", "reaches"]

_FROM_IMPORT: Final = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)
_SCRIPT_IMPORT: Final = re.compile(r"""\bimport\s+([^;'"]*?)\s+from\s+['"]([^'"]+)['"]""")
_SCRIPT_REQUIRE: Final = re.compile(r"""\b(?:const|let|var)\s+([^=]+?)\s*=\s*require\(\s*['"]([^'"]+)['"]""")
_PYTHON_ALIAS: Final = re.compile(r"\bimport\s+(?:[\w.]+\s*,\s*)*([\w.]+)\s+as\s+(\w+)")
_SCRIPT_NAMESPACE: Final = re.compile(r"""\bimport\s+(?:\*\s+as\s+)?(\w+)\s+from\s+['"]([^'"]+)['"]""")
_SCRIPT_MODULE: Final = re.compile(r"""\b(?:const|let|var)\s+(\w+)\s*=\s*require\(\s*['"]([^'"]+)['"]""")
_FOLDER_SCOPED: Final = frozenset({".go", ".java", ".rs", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx"})


def reaches(name: str, *, receiver: str, caller: str, caller_text: str, definition: str) -> bool:
    """Returns True if a call of a name certainly means a definition.

    Args:
        receiver: the expression before the dot and the name; "" for a bare call.
        caller: path of the file with the call.
        caller_text: text of that file.
        definition: path of the file with the definition.
    """
    if caller == definition:
        return True
    here, there = PurePosixPath(caller), PurePosixPath(definition)
    if here.suffix in _FOLDER_SCOPED:
        return here.parent == there.parent or receiver.rpartition(".")[2] in _modules(there)
    if receiver:
        last = receiver.rpartition(".")[2]
        modules = _modules(there)
        return last in modules or any(alias == last and module in modules for alias, module in _aliases(caller_text))
    return any(
        last in _modules(there) and re.search(rf"\b{re.escape(name)}\b", names)
        for last, names in _imports(caller_text)
    )


def imports_name(name: str, text: str) -> bool:
    """Returns True if a text imports a name, from whatever module."""
    return any(re.search(rf"\b{re.escape(name)}\b", names) for _, names in _imports(text))


@lru_cache(maxsize=64)
def _aliases(text: str) -> list[tuple[str, str]]:
    """Returns the names that a text gives to whole modules, each with the last part of the module."""
    python = [(alias, module.rpartition(".")[2]) for module, alias in _PYTHON_ALIAS.findall(text)]
    scripts = [*_SCRIPT_NAMESPACE.findall(text), *_SCRIPT_MODULE.findall(text)]
    return python + [(alias, PurePosixPath(module).stem) for alias, module in scripts]


def _modules(file: PurePosixPath) -> set[str]:
    """Returns the names under which a file can be imported: its own, and those of the packages around it."""
    return {file.stem, *file.parent.parts} - {"__init__", "index"}


@lru_cache(maxsize=64)
def _imports(text: str) -> list[tuple[str, str]]:
    """Returns the last part of the module and the imported names, for every import that lists names."""
    python = [(module.rpartition(".")[2] or module, names) for module, names in _FROM_IMPORT.findall(text)]
    scripts = [*_SCRIPT_IMPORT.findall(text), *_SCRIPT_REQUIRE.findall(text)]
    return python + [(PurePosixPath(module).stem, names) for names, module in scripts]
