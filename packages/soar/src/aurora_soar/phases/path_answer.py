"""The path of calls in an answer: one sentence for the whole of it, and a line for each call."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import FindingKind, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.evidence.evidence import Finding

__all__ = ["PATH_KINDS", "path_in", "path_said", "path_steps"]

_ENDS: Final = frozenset({FindingKind.PATH_END, FindingKind.PATH_OPEN})
PATH_KINDS: Final = frozenset({FindingKind.PATH, FindingKind.MAYBE_PATH, *_ENDS})


def path_in(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the findings of a path in its order; none if a call in its middle was not confirmed."""
    path = [f for f in findings if f.kind in PATH_KINDS]
    calls = [f for f in path if f.kind not in _ENDS]
    joined = all(one.about == other.symbol for one, other in pairwise(calls))
    return path if calls and joined else []


def path_said(path: Sequence[Finding]) -> str:
    """Returns the path in one sentence: its definitions in order, its ends with their places."""
    calls = [f for f in path if f.kind not in _ENDS]
    end = path[-1]
    names = [f"`{f.symbol}`" for f in calls]
    last = f"`{calls[-1].about}`"
    names[0] += f" (`{calls[0].file}:{calls[0].line}`)"
    if end.kind in _ENDS:
        last += f" (`{end.file}:{end.line}`)"
    doubtful = sum(f.kind is FindingKind.MAYBE_PATH for f in calls)
    count = f"{len(calls)} call{'s' if len(calls) != 1 else ''}"
    doubt = f", {doubtful} of them perhaps to another definition of that name" if doubtful else ""
    said = f"{' → '.join([*names, last])}: {count}{doubt}."
    if end.kind is FindingKind.PATH_OPEN:
        return f"{said} No path of calls from there to the end that was asked for was found."
    return said


def path_steps(path: Sequence[Finding]) -> Iterator[tuple[str, Finding]]:
    """Yields a line for each call, and the finding that it cites."""
    calls = [f for f in path if f.kind not in _ENDS]
    for number, f in enumerate(calls, 1):
        perhaps = "" if f.kind is FindingKind.PATH else ", perhaps"
        does = (
            "calls"
            if re.search(rf"(?<![\w$]){re.escape(short_name(f.about))}\s*(?:<[^<>()]*>\s*)?\(", f.text)
            else "hands on"
        )
        text = f.text if len(f.text) <= 120 else f"{f.text[:120].rstrip()} …"
        yield f"{number}. `{f.symbol}` {does} `{f.about}`{perhaps}: `{text}` (`{f.file}:{f.line}`)", f
