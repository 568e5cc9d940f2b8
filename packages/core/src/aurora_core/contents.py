"""The contents of a memory: the files, names and words that it holds or leaves out, told without a search."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aurora_core.async_calls import AsyncCalls
from aurora_core.freshness import State
from aurora_core.hits import MemoryStats
from aurora_core.index.history_head import stored_head
from aurora_core.indexing.content import MAX_FILE_BYTES
from aurora_core.store.database import last_indexed_at, reading
from aurora_core.store.files import content_digest, counts, defined_names, file_note, file_text, indexed_paths
from aurora_core.store.left_out import read_left_out
from aurora_core.store.schema import SCHEMA_VERSION
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from aurora_core.freshness import Freshness
    from aurora_core.project import Project
    from aurora_core.search import Rarity, Searcher

__all__ = ["Contents"]


class Contents(AsyncCalls):
    """Tells what is in the memory of a project: its files, their texts, its names and words."""

    _project: Project
    _exclude: Sequence[str]
    _connection: sqlite3.Connection
    _searcher: Searcher
    _freshness: Freshness

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._project.root

    def file_note(self, file: str) -> str | None:
        """Returns why a file has no chunks or how it was cut, "" for an ordinary file; None if it is not indexed."""
        with reading(self._connection, self._database):
            return file_note(self._connection, file)

    def unread(self, files: Collection[str]) -> frozenset[str]:
        """Returns those of some files that an index would read now: new or changed ones that nothing leaves out.

        Args:
            files: their paths from the root.
        """
        from aurora_core.indexing.walk import FoundFile, walk_paths  # a search does not pay for it

        if not files:
            return frozenset()
        there = (e for e in walk_paths(self.root, tuple(files), self._exclude) if isinstance(e, FoundFile))
        fit = {entry.path for entry in there if entry.size <= MAX_FILE_BYTES}
        return frozenset(self._freshness.outdated(fit.intersection(files)))

    def files_with(self, words: str) -> list[str]:
        """Returns the files of code that have all words in one place, comments and strings included; tests last."""
        with reading(self._connection, self._database):
            return self._searcher.files_with(terms(words))

    def files(self) -> list[str]:
        """Returns the paths of the files in the memory, from the root, in alphabetical order."""
        with reading(self._connection, self._database):
            return sorted(indexed_paths(self._connection))

    def state(self) -> str:
        """Returns a digest of all indexed files and the newest commit; it changes with any of them."""
        with reading(self._connection, self._database):
            return f"{content_digest(self._connection)} {stored_head(self._connection)}"

    def names(self) -> list[str]:
        """Returns the last component of every defined name once, in alphabetical order."""
        with reading(self._connection, self._database):
            return defined_names(self._connection)

    def text(self, file: str) -> str | None:
        """Returns the current text of a file, by its path from the root; None if it is not in the memory."""
        outdated = self._freshness.outdated([file])
        if outdated and not self._freshness.reindex(outdated) and outdated[file] is State.GONE:
            return None
        with reading(self._connection, self._database):
            return file_text(self._connection, file)

    def rarity(self, wanted: Iterable[str]) -> Rarity:
        """Returns how many chunks of the project have each of some index terms (see `tokens.terms`).

        Earlier answers do not count: what Aurora said is no text of the project.
        """
        with reading(self._connection, self._database):
            return self._searcher.rarity(wanted)

    def stats(self) -> MemoryStats:
        """Returns counts and sizes of the memory."""
        with reading(self._connection, self._database):
            paths = indexed_paths(self._connection)
            kinds = dict(counts(self._connection))
            last = last_indexed_at(self._connection)
            left_out = read_left_out(self._connection)
            endings = Counter(PurePosixPath(path).suffix or PurePosixPath(path).name for path in paths)
        database = self._database
        return MemoryStats(
            files=len(paths),
            chunks=sum(kinds.values()),
            by_kind=kinds,
            languages=dict(sorted(endings.items(), key=lambda item: (-item[1], item[0]))),
            database_bytes=sum(p.stat().st_size for p in database.parent.glob(f"{database.name}*")),
            schema_version=SCHEMA_VERSION,
            last_indexed_at=last,
            left_out=left_out,
        )
