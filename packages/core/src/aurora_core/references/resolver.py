"""Decides for one name which lines of code call it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import SymbolType
from aurora_core.chunking.chunk import MAX_LINES
from aurora_core.code_text import code_lines
from aurora_core.imports import imports_name, nearness
from aurora_core.language_families import is_script, may_call
from aurora_core.references.classes import Classes
from aurora_core.references.receivers import OWN, Receivers
from aurora_core.store.files import file_text, symbol_key

if TYPE_CHECKING:
    import sqlite3

    from aurora_core.store.files import StoredChunk

__all__ = ["Resolver"]

# A method's name at least this long, or with an underscore, is hardly defined twice by chance.
DISTINCTIVE: Final = 12
# Methods of containers, texts, files and the like: on a receiver of unknown type they are hardly the project's.
EVERYDAY: Final = frozenset(
    "add all any append apply bind call clear close copy count decode delete done emit encode end every exec extend"  # noqa: SIM905
    " filter find flush forEach format get has includes index indexOf insert items join keys log map match next on"
    " open pop push put read readline readlines remove replace reset run seek set slice sort split start startswith"
    " stop strip test then throw trim update values write".split()
)
# In these languages a method calls another of its class without a receiver.
_IMPLICIT_THIS: Final = frozenset(
    [".java", ".cs", ".kt", ".swift", ".scala", ".groovy", ".cpp", ".cc", ".cxx", ".hpp", ".dart", ".rb", ".php"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A definition that a call may mean; owner is the class of a method, else ""."""

    file: str
    owner: str
    line_start: int
    line_end: int


class Resolver:
    """Decides on the calls of one name.

    Args:
        name: the last component or the qualified name.
        file: if given, only the definitions in this file with exactly that name are meant.
    """

    def __init__(self, connection: sqlite3.Connection, name: str, file: str = "") -> None:
        self._connection = connection
        self._short = name.rpartition(".")[2]
        # A file may have hundreds of calls, and is read for each receiver once.
        self._text = cache(self._read)
        self._names_owner = cache(self._names_owner_in)
        self._nearest = cache(self._nearest_now)
        self._classes = Classes(connection)
        self._receivers = Receivers(self._classes, self._text)
        every = self._classes.defined(self._short)
        if file:
            meant = [c for c in every if c.file == file and c.name == name]
        else:
            meant = [c for c in every if c.name == name or c.name.endswith(f".{name}")]
        self._owner_of = cache(self._owner_now)
        self._targets = [self._target(c) for c in meant if not _is_accessor(c)]
        self._never_called = bool(meant) and not self._targets
        self._owners = {self._owner_of(c) for c in every}
        self._defined_in = {c.file for c in every}
        self._functions_in = {c.file for c in every if not self._owner_of(c)}
        self._by_file: dict[str, list[StoredChunk]] = defaultdict(list)
        for each in every:
            self._by_file[each.file].append(each)
        # Blanking a file takes time, and a common name is defined in many files that nobody calls it in.
        self._definition_lines = cache(self._lines_that_define)
        short = re.escape(self._short)
        # The index knows no definition that is inside of a function.
        self._defines = re.compile(rf"\b(?:def|class|func|fn|fun|function)\s+(?:\([^)]{{0,200}}\)\s*)?{short}(?!\w)")
        self._member = re.compile(
            rf"^\s*(?:(?:static|async|public|private|protected|override|get|set)\s+)*\*?{short}\s*"
            r"\((?:[^()]|\([^()]*\))*+\)\s*(?::[^={};]*)?\{"
        )

    def _lines_that_define(self, file: str) -> frozenset[int]:
        """Returns the line of each definition in a file: the first line of its code that has the name."""
        pieces: dict[object, list[StoredChunk]] = defaultdict(list)
        for chunk in self._by_file.get(file, ()):
            pieces[symbol_key(chunk)].append(chunk)
        whole = [
            chunk
            for same in pieces.values()
            for before, chunk in pairwise([None, *same])
            if chunk is not None and not (before is not None and _continues(before, chunk))
        ]
        word = re.compile(rf"(?<![\w$]){re.escape(self._short)}(?![\w$])")
        found: set[int] = set()
        for chunk in whole:
            lines = code_lines(self._text(file), file)[chunk.line_start - 1 : chunk.line_end]
            row = next((row for row, line in enumerate(lines) if word.search(line)), None)
            if row is not None:
                found.add(chunk.line_start + row)
        return frozenset(found)

    def defines(self, file: str, line: int, code: str) -> bool:
        """Returns True if a line defines the name instead of calling it."""
        if line in self._definition_lines(file) or self._defines.search(code):
            return True
        # In a script no block follows a call: `send(x) {` is a method of an object, which the index may not know.
        return is_script(file) and self._member.search(code) is not None

    def verdict(self, chunk: StoredChunk, line: int, call: re.Match[str], code: str) -> bool | None:
        """Returns True for a certain call, False for a doubtful one, None for a call of something else."""
        if not self._targets:
            return None if self._never_called else not self._defined_in
        dotted = code[: call.start(0)].rstrip().endswith((".", "->", "::")) or bool(call.group("receiver"))
        receiver = re.sub(r"\s|\?", "", call.group("receiver")).rstrip(".->:")
        answers = [self._calls(target, chunk, line, receiver, dotted=dotted) for target in self._targets]
        if True in answers:
            return True
        return False if False in answers else None

    def _calls(self, target: _Target, chunk: StoredChunk, line: int, receiver: str, *, dotted: bool) -> bool | None:
        if chunk.file == target.file and target.line_start <= line <= target.line_end:
            return None  # a recursive call says nothing of who uses it
        if not may_call(chunk.file, target.file):
            return None
        if target.owner:
            return self._calls_method(target, chunk, line, receiver, dotted=dotted)
        return self._calls_function(target, chunk, receiver, dotted=dotted)

    def _calls_function(self, target: _Target, chunk: StoredChunk, receiver: str, *, dotted: bool) -> bool | None:
        if receiver in OWN or (dotted and not receiver):
            return None
        text = self._text(chunk.file)
        if chunk.file == target.file:
            return None if receiver else True
        if not receiver and chunk.file in self._functions_in:
            return None  # its own function of that name
        if near := self._nearness(chunk.file, receiver, target.file):
            return True if near == self._nearest(chunk.file, receiver) else None
        if receiver:
            another = (
                self._short in EVERYDAY or receiver.rpartition(".")[2][:1].isupper() or len(self._defined_in) > 1
            )
            return None if another else False
        elsewhere = chunk.file in self._defined_in or imports_name(self._short, text)
        return None if elsewhere else False

    def _nearness(self, caller: str, receiver: str, definition: str) -> int:
        text = self._text(caller)
        return nearness(self._short, receiver=receiver, caller=caller, caller_text=text, definition=definition)

    def _nearest_now(self, caller: str, receiver: str) -> int:
        """Returns the nearness of the function that a call means before all others of the name."""
        return max((self._nearness(caller, receiver, file) for file in self._functions_in), default=0)

    def _calls_method(
        self, target: _Target, chunk: StoredChunk, line: int, receiver: str, *, dotted: bool
    ) -> bool | None:
        inside = self._owner_of(chunk) or chunk.name
        if not dotted:
            implicit = "." + chunk.file.rpartition(".")[2] in _IMPLICIT_THIS
            return True if implicit and inside == target.owner else None
        if receiver in OWN:
            return self._calls_own(target, inside, receiver)
        owner = target.owner.rpartition(".")[2]
        last = receiver.rpartition(".")[2]
        if last == owner:
            return True
        if types := self._receivers.types(receiver, chunk, line) if receiver else frozenset():
            verdicts = [self._dispatched(each, owner) for each in types]
            return True if True in verdicts else False if False in verdicts else None
        return self._called_by_name(target, chunk, last, owner)

    def _called_by_name(self, target: _Target, chunk: StoredChunk, variable: str, owner: str) -> bool | None:
        """Decides on a call on something of unknown type."""
        if self._short in EVERYDAY:
            return False if _abbreviates(variable, owner) else None
        if len(self._owners) == 1 and ("_" in self._short.strip("_") or len(self._short) >= DISTINCTIVE):
            return True
        known = chunk.file == target.file or self._names_owner(chunk.file, owner)
        return False if known or _abbreviates(variable, owner) else None

    def _dispatched(self, receiver_type: str, owner: str) -> bool | None:
        """Decides on a call on an object of a type: it may be of a class that extends it, and then it is doubtful."""
        if receiver_type == owner:
            return True
        if self._classes.inherits(receiver_type, owner):
            return None if self._classes.overrides(receiver_type, owner, self._short) else True
        return False if self._classes.inherits(owner, receiver_type) else None

    def _calls_own(self, target: _Target, inside: str, receiver: str) -> bool | None:
        """Decides on a call through `self`, `this` or `super`, inside a class."""
        owner, around = target.owner.rpartition(".")[2], inside.rpartition(".")[2]
        if receiver.startswith("super"):
            parents = self._classes.ancestors(around)
            nearer = any(
                self._classes.inherits(each, owner) and self._classes.has(each, self._short) for each in parents
            )
            return True if owner in parents and not nearer else None
        if inside == target.owner:
            return True
        return self._dispatched(around, owner)

    def _target(self, chunk: StoredChunk) -> _Target:
        return _Target(
            file=chunk.file, owner=self._owner_of(chunk), line_start=chunk.line_start, line_end=chunk.line_end
        )

    def _owner_now(self, chunk: StoredChunk) -> str:
        """Returns the class of a method, or what a script has assigned a function to; "" for other functions."""
        owner = chunk.name.rpartition(".")[0]
        if chunk.symbol_type is SymbolType.METHOD or not owner:
            return owner
        # `Class.prototype.send = function` is named like a method of the class, and so is a function inside another.
        around = (
            c for c in self._classes.defined(owner.rpartition(".")[2]) if (c.file, c.name) == (chunk.file, owner)
        )
        inside = any(c.line_start < chunk.line_start <= c.line_end for c in around)
        return owner if is_script(chunk.file) and not inside else ""

    def _read(self, file: str) -> str:
        return file_text(self._connection, file) or ""

    def _names_owner_in(self, file: str, owner: str) -> bool:
        word = re.compile(rf"\b{re.escape(owner)}\b")
        return any(word.search(line) for line in code_lines(self._text(file), file))


def _continues(before: StoredChunk, chunk: StoredChunk) -> bool:
    """Returns True for the next piece of a definition that is too long for one chunk."""
    return chunk.line_start == before.line_end + 1 and before.line_end - before.line_start + 1 == MAX_LINES


def _is_accessor(chunk: StoredChunk) -> bool:
    """Returns True for `get` and `set` of a property's descriptor, which no line calls by these names."""
    return is_script(chunk.file) and _ACCESSOR.match(chunk.signature) is not None


_ACCESSOR: Final = re.compile(r"get\s*\(\s*\)|set\s*\(\s*[\w$]+\s*\)")


def _abbreviates(variable: str, owner: str) -> bool:
    """Returns True if a variable may be named after a class: `command` after `BaseCommand`."""
    return len(variable) > 2 and variable.lower().strip("_") in owner.lower()
