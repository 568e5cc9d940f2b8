"""Aspect `flow`: the callers of the code that was found, and the definitions of the project that it calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core.file_kinds import is_test_file
from aurora_core.imports import nearness
from aurora_core.language_families import may_call
from aurora_soar.evidence.code_prose import code_rows
from aurora_soar.evidence.evidence import Finding, FindingKind, short_name
from aurora_soar.local_agent.definitions import NAMED_SYMBOLS, definition_finding, reference_finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Focus

__all__ = ["find_flow"]

CALLERS_EACH: Final = 4
MAX_REFERENCES: Final = 200
CALLEES_EACH: Final = 5
# A name with more definitions than this (get, run, …) is ambiguous.
MAX_DEFINITIONS: Final = 3
# A method's name at least this long, or with an underscore, is hardly defined twice by chance.
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


def find_flow(memory: SoarMemory, hits: Sequence[Hit], focus: Focus) -> list[Finding]:
    """Returns callers and callees of the definitions, in the order of the definitions."""
    found: dict[tuple[str, int, FindingKind], Finding] = {}
    for hit in hits:
        for finding in (*_callers(memory, hit, focus), *_callees(memory, hit, focus)):
            found.setdefault((finding.file, finding.line, finding.kind), finding)
    return list(found.values())


def _callers(memory: SoarMemory, hit: Hit, focus: Focus) -> Iterator[Finding]:
    """Yields lines that call the definition, certain ones first; doubtful ones only if no line certainly does."""
    if short_name(hit.name).startswith("__") or hit.symbol_type not in NAMED_SYMBOLS:
        return
    references = memory.callers(hit.name, limit=MAX_REFERENCES, tests=False, file=hit.file)
    outside = [r for r in references if r.file != hit.file or not hit.line_start <= r.line <= hit.line_end]
    certain = [r for r in outside if r.certain]
    for reference in (certain or outside)[:CALLERS_EACH]:
        kind = FindingKind.CALLER if reference.certain else FindingKind.MAYBE_CALLER
        yield reference_finding(reference, kind, hit.name, focus).model_copy(update={"about_file": hit.file})


def _callees(memory: SoarMemory, hit: Hit, focus: Focus) -> list[Finding]:
    """Returns the project's definitions that the body calls, in the order of the calls."""
    text = memory.text(hit.file) or ""
    found: dict[str, Finding] = {}
    for name, receiver in _called(hit):
        if name in found:
            continue
        definition = _meant(memory.definitions(name, limit=MAX_DEFINITIONS + 1), name, receiver, hit, text)
        if definition is not None:
            found[name] = _callee(definition, hit, focus)
        if len(found) == CALLEES_EACH:
            break
    return list(found.values())


def _called(hit: Hit) -> Iterator[tuple[str, str]]:
    """Yields name and receiver of the calls in a body, in order; comments and docstrings are skipped."""
    own = short_name(hit.name)
    for _, line in code_rows(hit.content, hit.file):
        for call in _CALL.finditer(line):
            name, before = call.group("name"), call.group("before")
            if name != own and _is_specific(name, before) and not _DEFINES.search(line[: call.start("name")]):
                yield name, before.rstrip(".")


def _is_specific(name: str, before: str) -> bool:
    """Returns True if a call names its target: `self.pop()` does, `anything.pop()` may be a method of any type."""
    if name in _KEYWORDS:
        return False
    return before.rstrip(".") in _OWN_RECEIVERS or "_" in name.strip("_") or len(name) >= DISTINCTIVE


def _meant(definitions: Sequence[Hit], name: str, receiver: str, caller: Hit, text: str) -> Hit | None:
    """Returns the definition that a call means: the only one in its file, else the nearest that it reaches."""
    named = [d for d in definitions if d.symbol_type in NAMED_SYMBOLS and not is_test_file(d.file)]
    local = [d for d in named if d.file == caller.file]
    if local:
        return local[0] if len(local) == 1 and local[0].chunk_id != caller.chunk_id else None
    if len(definitions) > MAX_DEFINITIONS:
        return None
    near = [(_nearness(d, name, receiver, caller, text), d) for d in named]
    most = max((how for how, _ in near), default=0)
    reached = [d for how, d in near if how == most > 0]
    return reached[0] if len(reached) == 1 else None


def _nearness(definition: Hit, name: str, receiver: str, caller: Hit, text: str) -> int:
    if definition.symbol_type == "method":
        return int(bool(receiver) and "_" in name.strip("_") and may_call(caller.file, definition.file))
    return nearness(name, receiver=receiver, caller=caller.file, caller_text=text, definition=definition.file)


def _callee(definition: Hit, caller: Hit, focus: Focus) -> Finding:
    coverage = focus.coverage(f"{definition.name}\n{definition.content}")
    return definition_finding(definition, FindingKind.CALLEE, coverage, about=caller.name)
