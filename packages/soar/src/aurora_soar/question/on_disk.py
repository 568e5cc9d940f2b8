"""Names that the files of a project have but its memory does not: it was not brought up to date for the question."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import read_start
from aurora_core.file_kinds import is_source, is_test_file
from aurora_core.indexing.walk import FoundFile, walk
from aurora_soar.adapted_memory import AdaptedMemory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.memory_port import SoarMemory

__all__ = ["names_on_disk"]

MAX_FILES: Final = 3_000
"""Of more files, none is read: the answer has to come in time."""
MAX_BYTES: Final = 600_000


def names_on_disk(memory: SoarMemory, names: Sequence[str]) -> dict[str, str]:
    """Returns the first line of code on disk with each name, as `file:line`.

    Args:
        names: those that the memory does not have; a file with one was added or changed since it was read.
    """
    if not names or isinstance(memory, AdaptedMemory) or len(memory.files()) > MAX_FILES:
        return {}  # what a memory of one's own leaves out is its own affair
    words = {name: re.compile(rf"(?<!\w){re.escape(name.rpartition('.')[2])}(?!\w)") for name in names}
    found: dict[str, str] = {}
    for file, text in _sources(memory):
        for name in words.keys() - found.keys():
            written = words[name].search(text)
            if written:
                found[name] = f"{file}:{text.count(chr(10), 0, written.start()) + 1}"
        if len(found) == len(words):
            break
    return found


def _sources(memory: SoarMemory) -> Iterator[tuple[str, str]]:
    for entry in walk(memory.root):
        if isinstance(entry, FoundFile) and is_source(entry.path) and not is_test_file(entry.path):
            try:
                content = read_start(memory.root / entry.path, MAX_BYTES)
            except OSError:
                continue  # a file that cannot be read holds no answer
            yield entry.path, content.decode("utf-8", "replace")
