"""The classes of a project: their parents, and the lines that belong to each."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import SymbolType
from aurora_core.chunking.chunk import DEFINING
from aurora_core.store.files import chunks_in, chunks_named

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from aurora_core.store.files import StoredChunk

__all__ = ["Classes"]

# A chain of parents is followed so far; it may be a circle in a text that is being edited.
MAX_DEPTH: Final = 8
_NAME: Final = re.compile(r"[\w$]+(?:(?:\.|::)[\w$]+)*")
_NO_PARENTS: Final = frozenset(
    "extends implements public private protected virtual where metaclass final sealed with class struct".split()  # noqa: SIM905
)


class Classes:
    """Answers about classes by their names alone: of two that share one, both are meant."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.defined = cache(self._defined)
        self.parents = cache(self._parents)
        self.ancestors = cache(self._ancestors)
        self.lines_of = cache(self._lines_of)
        self.has = cache(self._has)

    def is_class(self, name: str) -> bool:
        """Returns True if the project defines a class of that name, or a function that makes objects by `new`."""
        return any(c.symbol_type is SymbolType.CLASS or name[:1].isupper() for c in self.defined(name))

    def inherits(self, name: str, ancestor: str) -> bool:
        """Returns True if one class extends another, directly or through others."""
        return ancestor in self.ancestors(name)

    def overrides(self, name: str, ancestor: str, method: str) -> bool:
        """Returns True if a class, or a class between it and an ancestor, defines the method itself."""
        return any(
            self.has(each, method)
            for each in (name, *self.ancestors(name))
            if each == name or self.inherits(each, ancestor)
        )

    def _has(self, name: str, method: str) -> bool:
        return any(c.name.split(".")[-2:] == [name, method] for c in self.defined(method))

    def _defined(self, name: str) -> Sequence[StoredChunk]:
        found = chunks_named(self._connection, name).values()
        return [c for c in found if c.symbol_type in DEFINING]

    def _parents(self, name: str) -> frozenset[str]:
        """Returns the names after the class's own in the line that defines it."""
        heads = [c.signature for c in self.defined(name) if c.symbol_type is SymbolType.CLASS]
        rests = (re.split(rf"(?<![\w$]){re.escape(name)}(?![\w$])", head, maxsplit=1)[-1] for head in heads)
        names = {re.split(r"\.|::", m.group())[-1] for rest in rests for m in _NAME.finditer(rest)}
        return frozenset(names - _NO_PARENTS - {name})

    def _ancestors(self, name: str) -> frozenset[str]:
        found: set[str] = set()
        new = {name}
        for _ in range(MAX_DEPTH):
            new = {parent for each in new for parent in self.parents(each)} - found - {name}
            found |= new
        return frozenset(found)

    def _lines_of(self, name: str) -> Sequence[StoredChunk]:
        """Returns the chunks of a class: itself, and its members."""
        return list(self._members(name))

    def _members(self, name: str) -> Iterator[StoredChunk]:
        for file in dict.fromkeys(c.file for c in self.defined(name)):
            yield from (c for c in chunks_in(self._connection, file) if name in c.name.split("."))
