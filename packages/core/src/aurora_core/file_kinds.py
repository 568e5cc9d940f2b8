"""The kind of a file by its path alone: test, document or neither."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_document", "is_test_file"]

_TEST: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|spec|specs|testdata|t)/|(?:^|/)(?:test_[^/]*|conftest)\.\w+$|_test\.\w+$|\.(?:test|spec)\.\w+$|(?:^|/)[A-Z]\w*Tests?\.java$"
)

_DOCUMENT_SUFFIXES: Final = frozenset({".md", ".markdown", ".rst", ".txt"})


def is_test_file(file: str) -> bool:
    """Returns True if a path looks like a test, by the conventions of the indexed languages."""
    # Most paths have none of these; the first search of a process asks for every file.
    maybe = "test" in file or "Test" in file or "spec" in file or "t/" in file
    return maybe and _TEST.search(file) is not None


def is_document(file: str) -> bool:
    """Returns True if a file is written for readers and holds no code of the project: `guide.md`, `LICENSE`."""
    name = file[file.rfind("/") + 1 :]
    dot = name.rfind(".")
    if dot >= 0:
        return name[dot:].lower() in _DOCUMENT_SUFFIXES
    return name.isascii() and name.isalpha() and name.isupper()
