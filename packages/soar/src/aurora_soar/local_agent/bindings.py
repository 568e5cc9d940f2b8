"""Constants, tables and type aliases: the values that lines outside of definitions bind to names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_core import SymbolType
from aurora_core.code_text import code_lines
from aurora_core.file_kinds import is_test_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_core import Hit, Reference
    from aurora_soar.memory_port import SoarMemory

__all__ = ["bindings_in", "find_binding"]

REST: Final = frozenset({SymbolType.MODULE, SymbolType.CLASS, SymbolType.CONSTANT})
MAX_LINES: Final = 80
MAX_MENTIONS: Final = 400
_MODIFIERS: Final = (
    r"(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|readonly|const|constexpr|let"
    r"|var|val|type|declare|#\s*define|inline|extern|mut)\s+)*"
)
_BINDS: Final = re.compile(
    rf"^(?P<indent>\s*){_MODIFIERS}(?:(?!return\b|if\b|for\b|while\b|with\b|del\b|import\b|from\b|else\b)"
    r"[A-Za-z_][\w.<>\[\]*&]*\s+)?(?P<name>[A-Za-z_$][\w$.]*)"
    r"\s*(?::(?!=)\s*[^=]*?)?(?:<[^=()]*>)?\s*:?=(?![=>])"
)
_DEFINES: Final = re.compile(r"^(?P<indent>\s*)#\s*define\s+(?P<name>\w+)\s+\S")
_COMMENT: Final = re.compile(r"^\s*(?:#|//|/?\*)")
_OPENS: Final = frozenset("([{")
_CLOSES: Final = frozenset(")]}")


def bindings_in(hit: Hit) -> list[Hit]:
    """Returns the bindings of a chunk's own lines as hits, each with its comment and all its lines, in order."""
    if hit.symbol_type not in REST:
        return []
    lines = hit.content.split("\n")
    code = code_lines(hit.content, hit.file)
    found = [match for row in range(len(lines)) if (match := _bound(code[row], row))]
    shallowest = min((indent for _, _, indent in found), default=0)
    return [_binding(hit, lines, code, row, name) for row, name, indent in found if indent == shallowest]


def _bound(line: str, row: int) -> tuple[int, str, int] | None:
    match = _BINDS.match(line) or _DEFINES.match(line)
    return (row, match.group("name"), len(match.group("indent"))) if match else None


def _binding(hit: Hit, lines: Sequence[str], code: Sequence[str], row: int, name: str) -> Hit:
    last = _last_row(code, row)
    first = row
    while first and _COMMENT.match(lines[first - 1]) and len(lines[first - 1].strip()) > 1:
        first -= 1
    owner = f"{hit.name}." if hit.symbol_type is SymbolType.CLASS else ""
    return replace(
        hit,
        name=owner + name,
        symbol_type=SymbolType.CONSTANT,
        line_start=hit.line_start + first,
        line_end=hit.line_start + last,
        content="\n".join(lines[first : last + 1]),
        signature=lines[row].strip(),
    )


def _last_row(code: Sequence[str], row: int) -> int:
    """Returns the row on which the brackets that a binding opens are closed."""
    depth = 0
    for at in range(row, min(len(code), row + MAX_LINES)):
        depth += sum((c in _OPENS) - (c in _CLOSES) for c in code[at])
        if depth <= 0 and not code[at].rstrip().endswith(("\\", "=")):
            return at
    return min(len(code), row + MAX_LINES) - 1


def find_binding(memory: SoarMemory, name: str) -> list[Hit]:
    """Returns the bindings of a name outside of functions: those in code before those in tests."""
    wanted = name.rpartition(".")[2]
    references = memory.mentions(wanted, limit=MAX_MENTIONS)
    chunks = {file: memory.chunks_of(file) for file in dict.fromkeys(reference.file for reference in references)}
    found = [binding for inside in chunks.values() for binding in _named_in(inside, wanted)]
    found = found or list(_assigned(references, chunks, wanted))
    return sorted(found, key=lambda hit: (is_test_file(hit.file), "." in hit.name))


def _assigned(references: Sequence[Reference], chunks: Mapping[str, Sequence[Hit]], name: str) -> Iterator[Hit]:
    """Yields the lines inside of definitions that set a name: an attribute, a key, a local value."""
    sets = re.compile(rf"^(?:[\w$.\[\]'\"]*[.\s])?[\"']?{re.escape(name)}[\"']?\]?\s*(?::[^=]*)?(?:=(?![=>])|:\s*\S)")
    for reference in references:
        inside = chunks[reference.file]
        chunk = next((c for c in inside if c.line_start <= reference.line <= c.line_end), None)
        if chunk is not None and sets.match(reference.text):
            yield replace(
                chunk,
                name=name,
                symbol_type=SymbolType.CONSTANT,
                line_start=reference.line,
                line_end=reference.line,
                content=chunk.content.split("\n")[reference.line - chunk.line_start],
                signature=reference.text,
            )


def _named_in(chunks: Sequence[Hit], name: str) -> Iterator[Hit]:
    for chunk in chunks:
        if chunk.symbol_type in REST and name in chunk.content:
            yield from (each for each in bindings_in(chunk) if each.name.rpartition(".")[2] == name)
