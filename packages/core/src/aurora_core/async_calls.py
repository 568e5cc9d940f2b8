"""The asynchronous calls of a memory: its slow calls, each run in a thread that the memory keeps for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from aurora_core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from aurora_core.chunking import ChunkKind
    from aurora_core.hits import FileHit, Hit
    from aurora_core.report import IndexProgress, IndexReport

__all__ = ["AsyncCalls"]

_Answer = TypeVar("_Answer")


class AsyncCalls(ABC):
    """Runs the calls of a memory in a thread of its own, one after the other.

    Args:
        database: named in the error of a call after it was closed.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._closing = Event()
        self._executor: ThreadPoolExecutor | None = None

    @abstractmethod
    def index(
        self, path: Path | str | None = None, *, on_progress: Callable[[IndexProgress], None] | None = None
    ) -> IndexReport:
        """Brings the memory up to date with the project's files."""

    @abstractmethod
    def search(
        self,
        query: str,
        limit: int = 10,
        *,
        kinds: Collection[ChunkKind | str] | None = None,
        min_score: float = 0.0,
        record: bool = True,
    ) -> list[Hit]:
        """Returns the chunks that match best, best first."""

    @abstractmethod
    def search_files(self, query: str, limit: int = 10) -> list[FileHit]:
        """Returns the files that match best, best first."""

    async def aindex(self, path: Path | str | None = None) -> IndexReport:
        """Runs `index` in a thread; asynchronous calls of one memory wait for each other.

        If it is cancelled, or the memory is closed, it stops after its batch of files; what is indexed stays.
        """
        cancelled = Event()

        def stop_if_asked(_: IndexProgress) -> None:
            from concurrent.futures import CancelledError

            if cancelled.is_set() or self._closing.is_set():
                raise CancelledError

        try:
            return await self._in_thread(partial(self.index, path, on_progress=stop_if_asked))
        finally:
            cancelled.set()

    async def asearch(
        self,
        query: str,
        limit: int = 10,
        *,
        kinds: Collection[ChunkKind | str] | None = None,
        min_score: float = 0.0,
        record: bool = True,
    ) -> list[Hit]:
        """Runs `search` in a thread; asynchronous calls of one memory wait for each other."""
        return await self._in_thread(
            partial(self.search, query, limit, kinds=kinds, min_score=min_score, record=record)
        )

    async def asearch_files(self, query: str, limit: int = 10) -> list[FileHit]:
        """Runs `search_files` in a thread; asynchronous calls of one memory wait for each other."""
        return await self._in_thread(partial(self.search_files, query, limit))

    async def _in_thread(self, call: Callable[[], _Answer]) -> _Answer:
        # A search is some twenty statements with numpy work between them. One change of threads for all of them is
        # faster than one for each statement, as an asynchronous driver makes it. Its only thread is the memory's own,
        # so that calls wait without holding a thread of the loop's pool, and `_end_calls` can wait for the one that
        # runs.
        from asyncio import get_running_loop  # start-up does not pay for these
        from concurrent.futures import ThreadPoolExecutor

        if self._closing.is_set():
            raise StoreError(self._database, "the memory is closed; open it again")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aurora-memory")
        return await get_running_loop().run_in_executor(self._executor, call)

    def _end_calls(self) -> None:
        """Cancels the calls that wait, and waits for the one that runs."""
        self._closing.set()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
