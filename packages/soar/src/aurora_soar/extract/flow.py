"""How the code that was found hangs together: who calls it, and what of the project it calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core import is_test_file
from aurora_soar.evidence import Finding, FindingKind
from aurora_soar.extract.definitions import NAMED_SYMBOLS, definition_line, signature
from aurora_soar.prose import code_rows, docstring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit, Memory
    from aurora_soar.extract.focus import Focus

__all__ = ["find_flow"]

CALLERS_EACH: Final = 4
MAX_REFERENCES: Final = 200
CALLEES_EACH: Final = 5
# A name with more definitions than this (get, run, …) does not tell which one is meant.
MAX_DEFINITIONS: Final = 3
# A method's name at least this long, or with an underscore, is hardly given twice by chance.
DISTINCTIVE: Final = 12

_OWN_RECEIVERS: Final = frozenset({"", "self", "cls", "this"})

_CALL: Final = re.compile(r"(?P<before>[\w.]*?)\b(?P<name>[^\W\d]\w*)\s*\(")
_DEFINES: Final = re.compile(r"\b(?:def|class|func|fn|function)\s+$")
_KEYWORDS: Final = frozenset(
    [
        "if",
        "for",
        "while",
        "switch",
        "return",
        "print",
        "super",
        "isinstance",
        "len",
        "range",
        "str",
        "int",
        "float",
        "bool",
        "list",
        "dict",
        "set",
        "tuple",
        "type",
        "getattr",
        "setattr",
        "hasattr",
        "repr",
        "sorted",
        "min",
        "max",
        "sum",
        "any",
        "all",
        "zip",
        "map",
        "filter",
        "enumerate",
        "iter",
        "next",
        "open",
        "not",
        "and",
        "or",
        "in",
        "is",
        "lambda",
        "yield",
        "await",
        "with",
        "except",
        "assert",
        "raise",
        "catch",
        "sizeof",
        "new",
        "func",
        "fn",
        "match",
        "format",
        "append",
        "extend",
        "join",
        "split",
        "strip",
        "items",
        "keys",
        "values",
        "pop",
        "get",
        "make",
        "cap",
        "copy",
        "panic",
        "println",
        "vec",
        "Some",
        "Ok",
        "Err",
        "unwrap",
        "clone",
        "into",
    ]
)


def find_flow(memory: Memory, hits: Sequence[Hit], focus: Focus) -> list[Finding]:
    """Callers and callees of the definitions, those of the first one first."""
    found: dict[tuple[str, int, FindingKind], Finding] = {}
    for hit in hits:
        for finding in (*_callers(memory, hit, focus), *_callees(memory, hit, focus)):
            found.setdefault((finding.file, finding.line, finding.kind), finding)
    return list(found.values())


def _short(name: str) -> str:
    return re.split(r"[.:#]+", name)[-1]


def _callers(memory: Memory, hit: Hit, focus: Focus) -> Iterator[Finding]:
    """Lines that call the definition. Where others have its name too, only those in its own file are surely meant."""
    name = _short(hit.name)
    shared = len(memory.definitions(name, limit=2)) > 1
    references = memory.callers(name, limit=MAX_REFERENCES)
    ours = [
        reference
        for reference in references
        if not is_test_file(reference.file)
        and not _inside(reference.file, reference.line, hit)
        and (reference.file == hit.file or not shared)
    ]
    for reference in ours[:CALLERS_EACH]:
        coverage = focus.coverage(f"{reference.file} {reference.name} {reference.text}")
        yield Finding(
            kind=FindingKind.CALLER,
            file=reference.file,
            line=reference.line,
            line_end=reference.line,
            symbol=reference.name,
            text=reference.text,
            about=hit.name,
            terms=coverage.words,
            relevance=coverage.share,
        )


def _inside(file: str, line: int, hit: Hit) -> bool:
    return file == hit.file and hit.line_start <= line <= hit.line_end


def _callees(memory: Memory, hit: Hit, focus: Focus) -> list[Finding]:
    """Project definitions that the body calls, in the order of the calls."""
    found: list[Finding] = []
    for name in _called_names(hit):
        definition = _the_one(memory.definitions(name, limit=MAX_DEFINITIONS + 1), hit)
        if definition is not None:
            found.append(_callee(definition, hit, focus))
        if len(found) == CALLEES_EACH:
            break
    return found


def _called_names(hit: Hit) -> list[str]:
    own = _short(hit.name)
    names = []
    for _, line in code_rows(hit.content, hit.file):
        for call in _CALL.finditer(line):
            name = call.group("name")
            if name != own and _tells(name, call.group("before")) and not _DEFINES.search(line[: call.start("name")]):
                names.append(name)
    return list(dict.fromkeys(names))


def _tells(name: str, before: str) -> bool:
    """Whether a call names what it calls: `self.pop()` does, `anything.pop()` could be a method of any type."""
    if name in _KEYWORDS:
        return False
    receiver = before.rstrip(".")
    return receiver in _OWN_RECEIVERS or "_" in name.strip("_") or len(name) >= DISTINCTIVE


def _the_one(definitions: Sequence[Hit], caller: Hit) -> Hit | None:
    """The definition that a call most likely means: one in the same file, else the only one there is."""
    named = [d for d in definitions if d.symbol_type in NAMED_SYMBOLS and not is_test_file(d.file)]
    if len(definitions) > MAX_DEFINITIONS:
        named = [d for d in named if d.file == caller.file]
    named.sort(key=lambda d: d.file != caller.file)
    local = [d for d in named if d.file == caller.file and d.chunk_id != caller.chunk_id]
    if len(local) == 1:
        return local[0]
    return named[0] if len(named) == 1 and named[0].chunk_id != caller.chunk_id else None


def _callee(definition: Hit, caller: Hit, focus: Focus) -> Finding:
    coverage = focus.coverage(f"{definition.name}\n{definition.content}")
    line = definition_line(definition)
    return Finding(
        kind=FindingKind.CALLEE,
        file=definition.file,
        line=line,
        line_end=max(line, definition.line_end),
        symbol=definition.name,
        text=signature(definition),
        about=caller.name,
        detail=docstring(definition.content, definition.file),
        terms=coverage.words,
        relevance=coverage.share,
        chunk_id=definition.chunk_id,
    )
