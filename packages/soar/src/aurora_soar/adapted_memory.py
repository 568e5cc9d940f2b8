"""A memory of one's own that can only be searched, as the memory that the phases need."""

from __future__ import annotations

import time
from collections import Counter
from inspect import Parameter, signature
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core import ChunkKind, Hit, Reference
from aurora_core.bounded import read_regular
from aurora_core.chunking import SymbolType
from aurora_core.search import Rarity
from aurora_core.tokens import terms
from aurora_soar.memory_port import RememberingMemory, SoarMemory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from aurora_core import Reasoning
    from aurora_soar.memory_port import SearchedMemory

__all__ = ["AdaptedMemory", "as_soar_memory", "make_hit"]

_PLACES: Final = frozenset({"tests", "file", "within", "handed"})
_SEARCHED: Final = 50
"""Hits that are looked through for what a search alone does not tell."""
_LARGEST: Final = 4_000_000


def make_hit(file: str, line: int, name: str, content: str, *, kind: str = "code", score: float = 1.0) -> Hit:
    """Returns a hit for a memory of one's own.

    Args:
        file: from the memory's root, with forward slashes.
        line: the first line of the content, counted from 1.
        name: of the symbol, or the heading.
        kind: "code", "kb" for prose, or "doc".
        score: 0 to 1.
    """
    return Hit(
        chunk_id=f"{file}:{line}",
        file=file,
        line_start=line,
        line_end=line + content.rstrip("\n").count("\n"),
        name=name,
        kind=ChunkKind(kind),
        symbol_type=SymbolType.FUNCTION if kind == "code" else SymbolType.SECTION,
        content=content,
        signature=content.split("\n", 1)[0].strip() if kind == "code" else None,
        bm25_score=score,
        activation_score=0.0,
        semantic_score=0.0,
        hybrid_score=score,
    )


def as_soar_memory(memory: SoarMemory | SearchedMemory) -> SoarMemory:
    """Returns a memory that offers all that the phases need; one that does is returned as it is."""
    return memory if isinstance(memory, SoarMemory) and _takes_places(memory) else AdaptedMemory(memory)


def _takes_places(memory: SoarMemory) -> bool:
    """Returns True if `callers` takes all that the protocol says; one of an earlier version may know names alone."""
    given = signature(memory.callers).parameters
    return given.keys() >= _PLACES or any(each.kind is Parameter.VAR_KEYWORD for each in given.values())


class AdaptedMemory:
    """Answers from the hits of searches, so it knows no more of the project than they have shown.

    Args:
        searched: is asked; it also stores answers if it has `remember` and `record_access`.
    """

    def __init__(self, searched: SearchedMemory) -> None:
        self._searched = searched
        self._seen: dict[tuple[str, int], Hit] = {}

    @property
    def root(self) -> Path:
        """The folder that the files of its hits are in."""
        return self._searched.root

    def search(
        self, query: str, limit: int = 10, *, kinds: Collection[ChunkKind | str] | None = None, record: bool = True
    ) -> list[Hit]:
        """Searches; hits of kinds that were not asked for are left out."""
        found = list(self._searched.search(query, limit, kinds=kinds, record=record))
        wanted = set(map(ChunkKind, kinds)) if kinds is not None else set(ChunkKind) - {ChunkKind.REAS}
        kept = [hit for hit in found if hit.kind in wanted][:limit]
        self._seen.update({(hit.file, hit.line_start): hit for hit in kept if hit.kind is not ChunkKind.REAS})
        return kept

    def definitions(self, name: str, limit: int = 10) -> list[Hit]:
        """Returns the hits of that name, or with it as their last component."""
        last = _last(name)
        return [hit for hit in self._hits(name) if hit.signature and _last(hit.name) == last][:limit]

    def chunks_of(self, file: str) -> list[Hit]:
        """Returns what was found of a file, by line."""
        return [hit for (of, _), hit in sorted(self._seen.items()) if of == file]

    def callers(
        self,
        name: str,
        limit: int = 10,
        *,
        tests: bool | None = None,
        file: str = "",  # noqa: ARG002  nothing tells which definition is called
        within: tuple[str, int, int] | None = None,
        handed: bool = False,
    ) -> list[Reference]:
        """Returns the lines that mention a name with a bracket behind it; nothing tells what they call."""
        found = [r for r in self.mentions(name, _SEARCHED, tests=tests) if handed or f"{_last(name)}(" in r.text]
        if within is not None:
            of, first, last = within
            found = [r for r in found if r.file == of and first <= r.line <= last]
        return found[:limit]

    def mentions(self, name: str, limit: int = 10, *, tests: bool | None = None) -> list[Reference]:
        """Returns the lines of hits that contain a name."""
        last = _last(name)
        found = (
            Reference(file=hit.file, line=hit.line_start + at, name=hit.name, text=line.strip(), certain=False)
            for hit in self._hits(name)
            for at, line in enumerate(hit.content.split("\n"))
            if last in line and (tests is None or tests is ("test" in hit.file))
        )
        return list(found)[:limit]

    def files_with(self, words: str) -> list[str]:
        """Returns the files of hits that have all words."""
        wanted = set(terms(words))
        return list(dict.fromkeys(hit.file for hit in self._hits(words) if wanted <= _terms(hit)))

    def files(self) -> list[str]:
        """Returns the files of all hits so far."""
        return sorted({file for file, _ in self._seen})

    def names(self) -> list[str]:
        """Returns the names of all hits so far."""
        return sorted({_last(hit.name) for hit in self._seen.values()})

    def text(self, file: str) -> str | None:
        """Returns the text of a file below the root, or what was found of it."""
        path = (self.root / file).resolve()
        try:
            if path.is_relative_to(self.root.resolve()):
                return read_regular(path, _LARGEST).decode("utf-8", "replace")
        except OSError:
            pass  # a memory may know more than the disk
        return "\n".join(hit.content for hit in self.chunks_of(file)) or None

    def rarity(self, wanted: Iterable[str]) -> Rarity:
        """Counts the hits that have each term."""
        containing: Counter[str] = Counter()
        in_code: Counter[str] = Counter()
        for term in wanted:
            having = [hit for hit in self._hits(term) if term in _terms(hit)]
            containing[term] = len(having)
            in_code[term] = sum(hit.kind is ChunkKind.CODE for hit in having)
        return Rarity(documents=max(1, len(self._seen)), containing=containing, in_code=in_code)

    def state(self) -> str:
        """Returns another value each time, because nobody knows: nothing is answered from the cache."""
        return f"unknown at {time.time_ns()}"

    def record_access(self, chunk_ids: Iterable[str]) -> None:
        """Passes the use of chunks on, if the memory takes it."""
        if isinstance(self._searched, RememberingMemory):
            self._searched.record_access(chunk_ids)

    def remember(self, reasoning: Reasoning) -> str:
        """Passes an answer on, if the memory takes it."""
        return self._searched.remember(reasoning) if isinstance(self._searched, RememberingMemory) else ""

    def _hits(self, query: str) -> list[Hit]:
        return self.search(query, _SEARCHED, record=False)


def _last(name: str) -> str:
    return PurePosixPath(name).name.rpartition(".")[2]


def _terms(hit: Hit) -> set[str]:
    return set(terms(f"{hit.name}\n{hit.content}"))
