"""Finds the lines of code that mention, set or call a name, and tells certain calls from doubtful ones.

A name alone is ambiguous: `send(` may be any class's method, and `quote(` the standard library's. Imports, the
receiver of a call and the class around it decide; where they say nothing, the reference is doubtful.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import ChunkKind, SymbolType
from aurora_core.chunking.chunk import DEFINING
from aurora_core.code_text import code_lines
from aurora_core.hits import Reference
from aurora_core.imports import imports_name, reaches
from aurora_core.store.files import chunks_by_id, chunks_named, described_chunks, file_text
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from aurora_core.search import Searcher
    from aurora_core.store.files import StoredChunk

__all__ = ["calling", "having", "mentioning"]

MAX_CHUNKS: Final = 400
# A method's name at least this long, or with an underscore, is hardly defined twice by chance.
DISTINCTIVE: Final = 12
_OWN: Final = frozenset({"self", "cls", "this", "super", "super()", "@"})
# In these languages a method calls another of its class without a receiver.
_IMPLICIT_THIS: Final = frozenset(
    [".java", ".cs", ".kt", ".swift", ".scala", ".groovy", ".cpp", ".cc", ".cxx", ".hpp", ".dart", ".rb", ".php"]
)
_RECEIVER: Final = r"(?P<receiver>(?:[\w$]+(?:\(\))?\s?(?:\?\.|\.|->|::)\s?)*)"


def having(connection: sqlite3.Connection, searcher: Searcher, word: str) -> list[str]:
    """Returns the files of code that have a word anywhere, comments and strings included, in index order."""
    wanted = terms(word)
    ids = searcher.containing(wanted[-1])[:MAX_CHUNKS] if wanted else []
    described = described_chunks(connection, ids).values()
    return list(dict.fromkeys(chunk.file for chunk in described if chunk.kind is ChunkKind.CODE))


def mentioning(connection: sqlite3.Connection, searcher: Searcher, name: str, limit: int) -> list[Reference]:
    """Returns the lines of code that mention a name as a whole word, in index order; comments and strings do not."""
    word = re.compile(rf"(?<![\w$]){re.escape(name.rpartition('.')[2])}(?![\w$])")
    found = [
        Reference(file=chunk.file, line=chunk.line_start + row, name=chunk.name, text=line.strip())
        for chunk, row, line, code in _rows(connection, searcher, name)
        if word.search(code)
    ]
    return found[:limit]


def calling(connection: sqlite3.Connection, searcher: Searcher, name: str, limit: int) -> list[Reference]:
    """Returns the lines that call a symbol, given by its last component or its qualified name: certain calls first.

    Lines that certainly call something else of that name are left out.
    """
    short = name.rpartition(".")[2]
    calls = re.compile(rf"(?<![\w$.]){_RECEIVER}(?<![\w$]){re.escape(short)}\s*(?:<[^<>()]*>\s*)?\(")
    defines = re.compile(
        rf"\b(?:def|class|func|fn|fun|function)\s+(?:\([^)]{{0,200}}\)\s*)?{re.escape(short)}\b"
        rf"|^\s*(?:(?:static|async|public|private|protected|override)\s+)*\*?{re.escape(short)}\s*\([^;]*\)\s*\{{"
    )
    resolver = _Resolver(connection, name)
    certain: list[Reference] = []
    doubtful: list[Reference] = []
    for chunk, row, line, code in _rows(connection, searcher, short):
        call = calls.search(code)
        if call is None or defines.search(code):
            continue
        sure = resolver.verdict(chunk, chunk.line_start + row, call, code)
        if sure is not None:
            reference = Reference(
                file=chunk.file, line=chunk.line_start + row, name=chunk.name, text=line.strip(), certain=sure
            )
            (certain if sure else doubtful).append(reference)
    return [*certain, *doubtful][:limit]


def _rows(
    connection: sqlite3.Connection, searcher: Searcher, name: str
) -> Iterator[tuple[StoredChunk, int, str, str]]:
    """Yields chunk, row in the chunk, line, and the line's code, for the chunks of code that have a name."""
    wanted = terms(name.rpartition(".")[2])
    ids = searcher.containing(wanted[-1])[:MAX_CHUNKS] if wanted else []
    short = name.rpartition(".")[2]
    code: dict[str, Sequence[str]] = {}
    for chunk in chunks_by_id(connection, ids).values():
        if chunk.kind is not ChunkKind.CODE or short not in chunk.content:
            continue
        if chunk.file not in code:
            code[chunk.file] = code_lines(file_text(connection, chunk.file) or "", chunk.file)
        for row, line in enumerate(chunk.content.split("\n")):
            at = chunk.line_start + row - 1
            if short in line and at < len(code[chunk.file]):
                yield chunk, row, line, code[chunk.file][at]


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
        self._texts: dict[str, str] = {}
        self._short = name.rpartition(".")[2]
        every = [c for c in chunks_named(connection, self._short).values() if c.symbol_type in DEFINING]
        self._targets = [_target(c) for c in every if c.name == name or c.name.endswith(f".{name}")]
        self._owners = {t.owner for t in map(_target, every)}
        self._defined_in = {c.file for c in every}

    def verdict(self, chunk: StoredChunk, line: int, call: re.Match[str], code: str) -> bool | None:
        """Returns True for a certain call, False for a doubtful one, None for a call of something else."""
        if not self._targets:
            return True
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
        text = self._text(chunk.file)
        types = {owner} if last == owner else _types_of(text, last) if last else set()
        if types:
            return True if any(each == owner or _extends(text, each, owner) for each in types) else None
        if len(self._owners) == 1 and ("_" in self._short.strip("_") or len(self._short) >= DISTINCTIVE):
            return True
        known = chunk.file == target.file or re.search(rf"\b{re.escape(owner)}\b", self._code(chunk.file)) is not None
        return False if known or _abbreviates(last, owner) else None

    def _calls_own(self, target: _Target, chunk: StoredChunk, inside: str, receiver: str) -> bool | None:
        """Decides on a call through `self`, `this` or `super`, inside a class."""
        if not receiver.startswith("super"):
            if inside == target.owner:
                return True
            if inside in self._owners:
                return None
        parent = target.owner.rpartition(".")[2]
        return True if _extends(self._text(chunk.file), inside.rpartition(".")[2], parent) else None

    def _code(self, file: str) -> str:
        return "\n".join(code_lines(self._text(file), file))

    def _text(self, file: str) -> str:
        if file not in self._texts:
            self._texts[file] = file_text(self._connection, file) or ""
        return self._texts[file]


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
