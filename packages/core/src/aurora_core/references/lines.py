"""Finds the lines of code that mention, set or call a name, and tells certain calls from doubtful ones.

A name alone is ambiguous: `send(` may be any class's method, and `quote(` the standard library's. Imports, the
receiver of a call and the class around it decide; where they say nothing, the reference is doubtful.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import SymbolType
from aurora_core.chunking.chunk import DEFINING, MAX_LINES
from aurora_core.code_text import code_lines
from aurora_core.hits import Reference
from aurora_core.imports import imports_name, reaches
from aurora_core.store.files import chunks_by_id, chunks_named, file_text, symbol_key
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from aurora_core.search import Searcher
    from aurora_core.store.files import StoredChunk

__all__ = ["calling", "mentioning"]

# So many chunks with a name are read; a name that more of them have says little by itself.
MAX_CHUNKS: Final = 400
# A method's name at least this long, or with an underscore, is hardly defined twice by chance.
DISTINCTIVE: Final = 12
_OWN: Final = frozenset({"self", "cls", "this", "super", "super()", "@"})
# In these languages a method calls another of its class without a receiver.
_IMPLICIT_THIS: Final = frozenset(
    [".java", ".cs", ".kt", ".swift", ".scala", ".groovy", ".cpp", ".cc", ".cxx", ".hpp", ".dart", ".rb", ".php"]
)
# In these languages no block follows a call: `send(x) {` is a method of an object, which the index may not know.
_NO_BLOCKS: Final = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte", ".astro")
_RECEIVER: Final = r"(?P<receiver>(?:[\w$]+(?:\(\))?\s?(?:\?\.|\.|->|::)\s?)*)"


def mentioning(
    connection: sqlite3.Connection, searcher: Searcher, name: str, limit: int, *, tests: bool | None = None
) -> list[Reference]:
    """Returns the lines of code that mention a name as a whole word, tests last; comments and strings do not."""
    short = name.rpartition(".")[2]
    word = re.compile(rf"(?<![\w$]){re.escape(short)}(?![\w$])")
    found = (
        Reference(file=chunk.file, line=chunk.line_start + row, name=chunk.name, text=line.strip())
        for chunk, row, line, code in _rows(connection, searcher, short, tests=tests)
        if word.search(code)
    )
    return list(islice(found, limit))


def calling(
    connection: sqlite3.Connection, searcher: Searcher, name: str, limit: int, *, tests: bool | None = None
) -> list[Reference]:
    """Returns the lines that call a symbol, given by its last component or its qualified name: certain calls first.

    Lines that certainly call something else of that name are left out.
    """
    short = name.rpartition(".")[2]
    calls = re.compile(rf"(?<![\w$.]){_RECEIVER}(?<![\w$]){re.escape(short)}\s*(?:<[^<>()]*>\s*)?\(")
    resolver = _Resolver(connection, name)
    certain: list[Reference] = []
    doubtful: list[Reference] = []
    for chunk, row, line, code in _rows(connection, searcher, short, tests=tests):
        number = chunk.line_start + row
        if resolver.defines(chunk.file, number, code):
            continue
        verdicts = [resolver.verdict(chunk, number, call, code) for call in calls.finditer(code)]
        sure = True if True in verdicts else False if False in verdicts else None
        if sure is not None:
            reference = Reference(file=chunk.file, line=number, name=chunk.name, text=line.strip(), certain=sure)
            (certain if sure else doubtful).append(reference)
    return [*certain, *doubtful][:limit]


def _rows(
    connection: sqlite3.Connection, searcher: Searcher, short: str, *, tests: bool | None
) -> Iterator[tuple[StoredChunk, int, str, str]]:
    """Yields chunk, row in the chunk, line, and the line's code, for the chunks of code that have a name."""
    code: dict[str, Sequence[str]] = {}
    for chunk in islice(_naming(connection, searcher, short, tests=tests), MAX_CHUNKS):
        if chunk.file not in code:
            code[chunk.file] = code_lines(file_text(connection, chunk.file) or "", chunk.file)
        for row, line in enumerate(chunk.content.split("\n")):
            at = chunk.line_start + row - 1
            if short in line and at < len(code[chunk.file]):
                yield chunk, row, line, code[chunk.file][at]


def _naming(
    connection: sqlite3.Connection, searcher: Searcher, short: str, *, tests: bool | None
) -> Iterator[StoredChunk]:
    """Yields the chunks of code that have a name as it is written; the index knows only its stem."""
    ids = searcher.code_with(terms(short), tests=tests)
    for first in range(0, len(ids), MAX_CHUNKS):
        some = ids[first : first + MAX_CHUNKS]
        chunks = chunks_by_id(connection, some)
        yield from (chunks[number] for number in some if number in chunks and short in chunks[number].content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A definition that a call may mean; owner is the class of a method, else ""."""

    file: str
    owner: str
    line_start: int
    line_end: int


class _Resolver:
    """Decides for one name which lines call it."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._short = name.rpartition(".")[2]
        every = [c for c in chunks_named(connection, self._short).values() if c.symbol_type in DEFINING]
        self._targets = [_target(c) for c in every if c.name == name or c.name.endswith(f".{name}")]
        self._owners = {t.owner for t in map(_target, every)}
        self._defined_in = {c.file for c in every}
        # A file may have hundreds of calls, and is read for each receiver once.
        self._text = cache(self._read)
        self._types = cache(self._types_in)
        self._extends = cache(self._extends_in)
        self._names_owner = cache(self._names_owner_in)
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
        return file.endswith(_NO_BLOCKS) and self._member.search(code) is not None

    def verdict(self, chunk: StoredChunk, line: int, call: re.Match[str], code: str) -> bool | None:
        """Returns True for a certain call, False for a doubtful one, None for a call of something else."""
        if not self._targets:
            return not self._defined_in
        dotted = code[: call.start(0)].rstrip().endswith((".", "->", "::")) or bool(call.group("receiver"))
        receiver = re.sub(r"\s|\?", "", call.group("receiver")).rstrip(".->:")
        answers = [self._calls(target, chunk, line, receiver, dotted=dotted) for target in self._targets]
        if True in answers:
            return True
        return False if False in answers else None

    def _calls(self, target: _Target, chunk: StoredChunk, line: int, receiver: str, *, dotted: bool) -> bool | None:
        if chunk.file == target.file and target.line_start <= line <= target.line_end:
            return None  # a recursive call says nothing of who uses it
        if target.owner:
            return self._calls_method(target, chunk, receiver, dotted=dotted)
        return self._calls_function(target, chunk, receiver, dotted=dotted)

    def _calls_function(self, target: _Target, chunk: StoredChunk, receiver: str, *, dotted: bool) -> bool | None:
        if receiver in _OWN or (dotted and not receiver):
            return None
        text = self._text(chunk.file)
        if chunk.file == target.file:
            return None if receiver else True
        if reaches(self._short, receiver=receiver, caller=chunk.file, caller_text=text, definition=target.file):
            return True
        if receiver:
            return None if receiver.rpartition(".")[2][:1].isupper() or len(self._defined_in) > 1 else False
        elsewhere = chunk.file in self._defined_in or imports_name(self._short, text)
        return None if elsewhere else False

    def _calls_method(self, target: _Target, chunk: StoredChunk, receiver: str, *, dotted: bool) -> bool | None:
        inside = chunk.name.rpartition(".")[0] if chunk.symbol_type is SymbolType.METHOD else chunk.name
        if not dotted:
            implicit = "." + chunk.file.rpartition(".")[2] in _IMPLICIT_THIS
            return True if implicit and inside == target.owner else None
        if receiver in _OWN:
            return self._calls_own(target, chunk, inside, receiver)
        owner = target.owner.rpartition(".")[2]
        last = receiver.rpartition(".")[2]
        types = {owner} if last == owner else self._types(chunk.file, last) if last else set()
        if types:
            return True if any(each == owner or self._extends(chunk.file, each, owner) for each in types) else None
        if len(self._owners) == 1 and ("_" in self._short.strip("_") or len(self._short) >= DISTINCTIVE):
            return True
        known = chunk.file == target.file or self._names_owner(chunk.file, owner)
        return False if known or _abbreviates(last, owner) else None

    def _calls_own(self, target: _Target, chunk: StoredChunk, inside: str, receiver: str) -> bool | None:
        """Decides on a call through `self`, `this` or `super`, inside a class."""
        if not receiver.startswith("super"):
            if inside == target.owner:
                return True
            if inside in self._owners:
                return None
        parent = target.owner.rpartition(".")[2]
        return True if self._extends(chunk.file, inside.rpartition(".")[2], parent) else None

    def _read(self, file: str) -> str:
        return file_text(self._connection, file) or ""

    def _types_in(self, file: str, variable: str) -> set[str]:
        return _types_of(self._text(file), variable)

    def _extends_in(self, file: str, name: str, parent: str) -> bool:
        return _extends(self._text(file), name, parent)

    def _names_owner_in(self, file: str, owner: str) -> bool:
        word = re.compile(rf"\b{re.escape(owner)}\b")
        return any(word.search(line) for line in code_lines(self._text(file), file))


def _continues(before: StoredChunk, chunk: StoredChunk) -> bool:
    """Returns True for the next piece of a definition that is too long for one chunk."""
    return chunk.line_start == before.line_end + 1 and before.line_end - before.line_start + 1 == MAX_LINES


def _target(chunk: StoredChunk) -> _Target:
    # A function that a script assigns to `Class.prototype` is named like a method of the class.
    has_owner = chunk.symbol_type is SymbolType.METHOD or chunk.file.endswith((".js", ".cjs", ".mjs", ".ts"))
    return _Target(
        file=chunk.file,
        owner=chunk.name.rpartition(".")[0] if has_owner else "",
        line_start=chunk.line_start,
        line_end=chunk.line_end,
    )


def _abbreviates(variable: str, owner: str) -> bool:
    """Returns True if a variable may be named after a class: `command` after `BaseCommand`."""
    return len(variable) > 2 and variable.lower().strip("_") in owner.lower()


def _extends(text: str, name: str, parent: str) -> bool:
    """Returns True if a text defines a class with a parent: `class A(B)`, `class A extends B`, `class A : B`."""
    if not name:
        return False
    pattern = (
        rf"\bclass\s+{re.escape(name)}\b[^\n{{]{{0,20}}?(?:\(|extends|implements|:|<)[^{{\n]*\b{re.escape(parent)}\b"
    )
    return re.search(pattern, text) is not None


def _types_of(text: str, variable: str) -> set[str]:
    """Returns the classes that a text names for a variable: `x: C`, `x = C(…)`, `x = new C(…)`, `with C(…) as x`."""
    name = re.escape(variable)
    declared = re.findall(
        rf"\b{name}\s*(?::\s*|(?::[^=\n]{{1,80}})?=\s*(?:await\s+)?(?:new\s+)?)[\"']?(?:[a-z_]\w*\.)*([A-Z]\w*)", text
    )
    entered = re.findall(rf"\bwith\s+(?:[a-z_]\w*\.)*([A-Z]\w*)\([^\n]*\)\s+as\s+{name}\b", text)
    return {each for each in (*declared, *entered) if not each.isupper()} - {"Optional", "Union", "Any", "None"}
