"""What a path alone tells about a file."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_document", "is_test_file"]

_TEST: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|spec|specs|testdata|t)/|(?:^|/)(?:test_[^/]*|conftest)\.\w+$|_test\.\w+$|\.(?:test|spec)\.\w+$|(?:^|/)[A-Z]\w*Tests?\.java$"
)

_DOCUMENT: Final = re.compile(r"\.(?:md|markdown|rst|txt)$|(?:^|/)(?-i:[A-Z]+)$", re.IGNORECASE)


def is_test_file(file: str) -> bool:
    """Whether a path reads like a test's, by the habits of the languages that are indexed."""
    return _TEST.search(file) is not None


def is_document(file: str) -> bool:
    """Whether a file is written for readers and holds no code of the project."""
    return _DOCUMENT.search(file) is not None
