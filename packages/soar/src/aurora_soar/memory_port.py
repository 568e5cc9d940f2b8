"""The memory that the phases need: what `aurora_core.Memory` offers, as a protocol that others can meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from aurora_core import ChunkKind, Hit, Reasoning, Reference
    from aurora_core.search import Rarity

__all__ = ["IndexedMemory", "RememberingMemory", "SearchedMemory", "SoarMemory"]


class SearchedMemory(Protocol):
    """The least that a memory of one's own must offer."""

    @property
    def root(self) -> Path:
        """The folder that the files of its hits are in."""
        ...

    def search(
        self, query: str, limit: int = 10, *, kinds: Collection[ChunkKind | str] | None = None, record: bool = True
    ) -> Sequence[Hit]:
        """Returns hits, best first; of the kinds alone, if they are named."""
        ...


@runtime_checkable
class RememberingMemory(Protocol):
    """A memory that also stores answers."""

    def record_access(self, chunk_ids: Iterable[str]) -> None:
        """Records the use of chunks."""
        ...

    def remember(self, reasoning: Reasoning) -> str:
        """Stores an answer, and returns its chunk's id."""
        ...


@runtime_checkable
class IndexedMemory(Protocol):
    """A memory that reads the files of its root, and may be behind them."""

    def unread(self, files: Collection[str]) -> frozenset[str]:
        """Returns those of some files that are new or have changed, and that an index would read now."""
        ...


@runtime_checkable
class SoarMemory(SearchedMemory, RememberingMemory, Protocol):
    """All that the phases ask; the meaning of each method is that of `aurora_core.Memory`."""

    def definitions(self, name: str, limit: int = 10) -> Sequence[Hit]:
        """Returns the definitions of a name."""
        ...

    def chunks_of(self, file: str) -> Sequence[Hit]:
        """Returns the chunks of a file, by line."""
        ...

    def callers(
        self,
        name: str,
        limit: int = 10,
        *,
        tests: bool | None = None,
        file: str = "",
        within: tuple[str, int, int] | None = None,
        handed: bool = False,
    ) -> Sequence[Reference]:
        """Returns the lines that call a name."""
        ...

    def mentions(self, name: str, limit: int = 10, *, tests: bool | None = None) -> Sequence[Reference]:
        """Returns the lines that mention a name."""
        ...

    def files_with(self, words: str) -> list[str]:
        """Returns the files of code that have all words in one place."""
        ...

    def files(self) -> list[str]:
        """Returns the paths of all files."""
        ...

    def names(self) -> list[str]:
        """Returns the last component of every defined name."""
        ...

    def text(self, file: str) -> str | None:
        """Returns the text of a file; None if there is none."""
        ...

    def rarity(self, wanted: Iterable[str]) -> Rarity:
        """Returns how many chunks have each of some index terms."""
        ...

    def state(self) -> str:
        """Returns a digest of everything that answers rest on; it changes with any of it."""
        ...
