"""Does a call in one file reach a definition in another?

Names alone do not tell: `quote(` may be the project's own or the standard library's. Within a file it does; across
files the caller must import the name from a module on the definition's path, or call it through that module. Where
a language shares names within a folder, the same folder will do.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

__all__ = ["reaches"]

_FROM_IMPORT: Final = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)
_SCRIPT_IMPORT: Final = re.compile(r"""\bimport\s+([^;'"]*?)\s+from\s+['"]([^'"]+)['"]""")
_SCRIPT_REQUIRE: Final = re.compile(r"""\b(?:const|let|var)\s+([^=]+?)\s*=\s*require\(\s*['"]([^'"]+)['"]""")
_FOLDER_SCOPED: Final = frozenset({".go", ".java", ".rs", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx"})


def reaches(name: str, *, receiver: str, caller: str, caller_text: str, definition: str) -> bool:
    """Whether a call of a name surely means a definition.

    Args:
        receiver: what stands before the name and its dot, "" for a bare call.
        caller: the file of the call, and its text.
        definition: the file of the definition.
    """
    if caller == definition:
        return True
    here, there = PurePosixPath(caller), PurePosixPath(definition)
    if here.suffix in _FOLDER_SCOPED:
        return here.parent == there.parent or receiver.rpartition(".")[2] in _modules(there)
    if receiver:
        return receiver.rpartition(".")[2] in _modules(there)
    return any(
        last in _modules(there) and re.search(rf"\b{re.escape(name)}\b", names)
        for last, names in _imports(caller_text)
    )


def _modules(file: PurePosixPath) -> set[str]:
    """Names under which a file's content may be imported: its own, and those of the packages around it."""
    return {file.stem, *file.parent.parts} - {"__init__", "index"}


def _imports(text: str) -> list[tuple[str, str]]:
    """(last part of the module, imported names) of every import that names names."""
    python = [(module.rpartition(".")[2] or module, names) for module, names in _FROM_IMPORT.findall(text)]
    scripts = [*_SCRIPT_IMPORT.findall(text), *_SCRIPT_REQUIRE.findall(text)]
    return python + [(PurePosixPath(module).stem, names) for names, module in scripts]
