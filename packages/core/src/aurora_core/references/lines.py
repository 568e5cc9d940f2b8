"""Finds the lines of code that mention or call a name.

A name alone is ambiguous: `send(` may be any class's method, and `quote(` the standard library's. Imports, the
type of the receiver and the class around a call decide; where they say nothing, the reference is doubtful.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import SymbolType
from aurora_core.code_text import code_lines
from aurora_core.hits import Reference
from aurora_core.language_families import is_script
from aurora_core.references.resolver import Resolver
from aurora_core.store.files import chunks_by_id, chunks_in, file_text
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from aurora_core.search import Searcher
    from aurora_core.store.files import StoredChunk

__all__ = ["Callee", "calling", "mentioning"]

# So many chunks with a name are read; a name that more of them have says little by itself.
MAX_CHUNKS: Final = 400
_DECLARATIONS: Final = (".d.ts", ".d.mts", ".d.cts", ".pyi")
_RECEIVER: Final = r"(?P<receiver>(?:[\w$]+(?:\(\))?\s?(?:\?\.|\.|->|::)\s?)*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """The symbol whose callers are looked for.

    Attributes:
        name: its last component or its qualified name.
        file: only the definitions in this file with exactly that name; "" for all definitions.
        handed: also the lines that hand it on as a value, for something else to call.
    """

    name: str
    file: str = ""
    handed: bool = False

    @property
    def short(self) -> str:
        """The last component."""
        return self.name.rpartition(".")[2]


def mentioning(
    connection: sqlite3.Connection, searcher: Searcher, name: str, limit: int, *, tests: bool | None = None
) -> list[Reference]:
    """Returns the lines of code that mention a name as a whole word, tests last; comments and strings do not."""
    short = name.rpartition(".")[2]
    word = re.compile(rf"(?<![\w$]){re.escape(short)}(?![\w$])")
    chunks = _naming(connection, searcher, short, tests=tests)
    found = (
        Reference(file=chunk.file, line=chunk.line_start + row, name=chunk.name, text=line.strip())
        for chunk, row, line, code in _rows(connection, chunks, short)
        if word.search(code)
    )
    return list(islice(found, limit))


def calling(
    connection: sqlite3.Connection,
    searcher: Searcher,
    callee: Callee,
    limit: int,
    *,
    tests: bool | None = None,
    within: tuple[str, int, int] | None = None,
) -> list[Reference]:
    """Returns the lines that call a symbol: certain calls first.

    Lines that certainly call something else of that name are left out.

    Args:
        within: only lines of this file, from a first to a last one.
    """
    resolver = Resolver(connection, callee.name, callee.file)
    chunks = _inside(connection, within) if within else _naming(connection, searcher, callee.short, tests=tests)
    certain: list[Reference] = []
    doubtful: list[Reference] = []
    called_in = (chunk for chunk in chunks if not chunk.file.endswith(_DECLARATIONS))
    for chunk, row, line, code in _rows(connection, called_in, callee.short):
        number = chunk.line_start + row
        if (within and not within[1] <= number <= within[2]) or resolver.defines(chunk.file, number, code):
            continue
        verdicts = [resolver.verdict(chunk, number, call, code) for call in _uses(callee, chunk, code)]
        sure = True if True in verdicts else False if False in verdicts else None
        if sure is not None:
            reference = Reference(file=chunk.file, line=number, name=chunk.name, text=line.strip(), certain=sure)
            (certain if sure else doubtful).append(reference)
    return [*certain, *doubtful][:limit]


def _uses(callee: Callee, chunk: StoredChunk, code: str) -> Iterator[re.Match[str]]:
    """Yields where a line calls the name, or hands it on as an argument."""
    name = rf"(?<![\w$.]){_RECEIVER}(?<![\w$]){re.escape(callee.short)}"
    yield from re.finditer(rf"{name}\s*(?:<[^<>()]*>\s*)?\(", code)
    if is_script(chunk.file):
        yield from re.finditer(rf"{name}\.(?:call|apply{'|bind' if callee.handed else ''})\(", code)
    if callee.handed and not _IMPORTS.match(code) and not _is_own_variable(callee.short, chunk):
        yield from re.finditer(rf"(?:(?<=[(,])|(?<=[(,]\s)|(?<=^)(?<!\S)\s*){name}(?=\s*[,)]|\s*$)", code)


def _is_own_variable(name: str, chunk: StoredChunk) -> bool:
    """Returns True if a definition has a parameter or a variable of a name; lines outside of definitions may."""
    if chunk.symbol_type not in _ROUTINES:
        return True
    word = rf"(?<![\w$.]){re.escape(name)}(?![\w$])"
    head = chunk.signature.partition("(")[2]
    return bool(
        re.search(word, head)
        or re.search(rf"{word}\s*(?::[^=\n]*)?=(?![=>])|[(,]\s*{word}\s*[^()\n]*=>", chunk.content)
    )


_ROUTINES: Final = frozenset({SymbolType.FUNCTION, SymbolType.METHOD})
_IMPORTS: Final = re.compile(r"^\s*(?:import|from|export|use|mod|#\s*include|def|function|class)\b|\brequire\(")


def _inside(connection: sqlite3.Connection, within: tuple[str, int, int]) -> Iterator[StoredChunk]:
    file, first, last = within
    yield from chunks_in(connection, file, (first, last))


def _rows(
    connection: sqlite3.Connection, chunks: Iterator[StoredChunk], short: str
) -> Iterator[tuple[StoredChunk, int, str, str]]:
    """Yields chunk, row in the chunk, line, and the line's code, for the lines of chunks that have a name."""
    code: dict[str, Sequence[str]] = {}
    for chunk in islice(chunks, MAX_CHUNKS):
        if short not in chunk.content:
            continue
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
