"""Names that the files of a project have but its memory does not: it is behind, or leaves these files out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import read_start
from aurora_core.file_kinds import is_source, is_test_file
from aurora_core.indexing.walk import FoundFile, walk
from aurora_soar.memory_port import IndexedMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_soar.memory_port import SoarMemory

__all__ = ["OnDisk", "names_on_disk"]

MAX_FILES: Final = 3_000
"""Of more files, none is read: the answer has to come in time."""
MAX_BYTES: Final = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """The first line of code on disk with each name, as `file:line`.

    Attributes:
        unread: those in files that the memory would read if it was brought up to date now.
        left_out: those that are only in files which it leaves out all the same.
    """

    unread: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def names_on_disk(memory: SoarMemory, names: Sequence[str]) -> OnDisk:
    """Looks for names in the files of a project.

    Args:
        names: those that the memory does not have.
    """
    if not names or not isinstance(memory, IndexedMemory):
        return OnDisk()  # what a memory of one's own leaves out is its own affair
    files = _sources(memory.root)
    words = {name: re.compile(rf"(?<!\w){re.escape(name.rpartition('.')[2])}(?!\w)") for name in names}
    read = ((file, _lines_with(memory.root / file, words)) for file in files if len(files) <= MAX_FILES)
    found = {file: lines for file, lines in read if lines}
    of_index = memory.unread(found)
    unread: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for file, lines in found.items():
        told = unread if file in of_index else left_out
        for name, line in lines.items():
            told.setdefault(name, f"{file}:{line}")
    return OnDisk(unread=unread, left_out={name: at for name, at in left_out.items() if name not in unread})


def _sources(root: Path) -> Sequence[str]:
    """Returns the files of code, and one more than are read at most."""
    found = (entry.path for entry in walk(root) if isinstance(entry, FoundFile))
    return list(islice((path for path in found if is_source(path) and not is_test_file(path)), MAX_FILES + 1))


def _lines_with(path: Path, words: Mapping[str, re.Pattern[str]]) -> Mapping[str, int]:
    """Returns the first line of a file with each name; a file that cannot be read holds no answer."""
    try:
        text = read_start(path, MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    found = {name: word.search(text) for name, word in words.items()}
    return {name: text.count("\n", 0, match.start()) + 1 for name, match in found.items() if match}
