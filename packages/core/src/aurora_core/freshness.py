"""Compares the files of an answer with the disk, and indexes changed files again."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from aurora_core.bounded import read_start
from aurora_core.errors import StoreCorruptError, StoreError
from aurora_core.hits import FileHit, Hit, Reference
from aurora_core.indexing.content import MAX_FILE_BYTES, content_digest
from aurora_core.store.database import BUSY_TIMEOUT_S, is_read_only, reading, translating_errors
from aurora_core.store.files import REASONING_FOLDER, known_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Freshness", "State"]

Placed = TypeVar("Placed", Hit, FileHit, Reference)

# Each round indexes the files of one answer; the next answer may name others that have changed.
ROUNDS: Final = 8
# A search does not wait for an indexer; what it could not follow in this time is marked as stale.
LOCK_WAIT_S: Final = 0.25


class State(Enum):
    """The state of a file on disk compared with its content in the memory."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"


class Freshness:
    """Compares the answers of one memory with the disk."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        database: Path,
        root: Path,
        exclude: Sequence[str],
    ) -> None:
        self._connection = connection
        self._database = database
        self._root = root
        self._exclude = exclude

    def checked(self, fetch: Callable[[int], list[Placed]], limit: int) -> list[Placed]:
        """Returns an answer that agrees with the disk: changed files are indexed again, removed files left out.

        If the memory cannot be written now, hits in changed files are marked stale.

        Args:
            fetch: returns so many answers, best first; called again after files were indexed again.
        """
        wanted = limit
        writable = not is_read_only(self._connection)
        for _ in range(ROUNDS):
            found = fetch(wanted)
            outdated = self.outdated({hit.file for hit in found})
            if not outdated:
                return found[:limit]
            writable = writable and self.reindex(outdated)
            if not writable:
                kept = _marked(found, outdated)
                if len(kept) >= limit or len(found) < wanted:
                    return kept[:limit]
                wanted += len(found) - len(kept)
        return _marked(found, outdated)[:limit]

    def outdated(self, files: Collection[str]) -> Mapping[str, State]:
        """Returns the files that differ from their indexed content."""
        real: dict[str, bool] = {}
        states: dict[str, State] = {}
        with reading(self._connection, self._database):
            known = {file: known_file(self._connection, file) for file in files if not _is_answer(file)}
        for file, row in known.items():
            state = self._state(file, row.digest, real) if row else State.GONE
            if state is not State.SAME:
                states[file] = state
        return states

    def _state(self, file: str, digest: bytes, real: dict[str, bool]) -> State:
        folder = file.rpartition("/")[0]
        if folder not in real:
            # A folder that has become a link leads to files that are not this project's.
            full = f"{self._root}/{folder}".rstrip("/")
            real[folder] = os.path.realpath(full) == full
        if not real[folder]:
            return State.GONE
        try:
            content = read_start(f"{self._root}/{file}", MAX_FILE_BYTES + 1)
        except PermissionError:
            return State.CHANGED
        except OSError:
            return State.GONE
        return State.SAME if content_digest(content) == digest else State.CHANGED

    def reindex(self, outdated: Mapping[str, State]) -> bool:
        """Indexes files again and finds moved ones; returns True if that was possible."""
        # Most searches index nothing, and the grammars take as long to load as a search.
        from aurora_core.indexing.indexer import reindex_files

        try:
            with translating_errors(self._database), self._short_lock_wait():
                gone = [file for file, state in outdated.items() if state is State.GONE]
                changed = [file for file, state in outdated.items() if state is State.CHANGED]
                return reindex_files(self._connection, self._root, changed=changed, gone=gone, exclude=self._exclude)
        except StoreCorruptError:
            raise
        except StoreError:
            return False  # another process writes, or the disk is full: the hits say that they are stale

    @contextmanager
    def _short_lock_wait(self) -> Iterator[None]:
        self._connection.execute(f"PRAGMA busy_timeout = {round(LOCK_WAIT_S * 1000)}")
        try:
            yield
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")


def _is_answer(file: str) -> bool:
    return file.startswith(REASONING_FOLDER)


def _marked(found: list[Placed], outdated: Mapping[str, State]) -> list[Placed]:
    there = [hit for hit in found if outdated.get(hit.file) is not State.GONE]
    return [replace(hit, stale=True) if hit.file in outdated else hit for hit in there]
