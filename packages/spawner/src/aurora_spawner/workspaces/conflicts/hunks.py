"""The hunks of a file in conflict, and what became of each, found by comparing texts."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.resolved import HunkChoice
from aurora_spawner.workspaces.unfinished import MARKER_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS: Final = "<"
BASE: Final = "|"
MIDDLE: Final = "="
THEIRS: Final = ">"
_MOST_LINES: Final = 5_000
"""Lines up to which a file is compared whole if its surroundings of hunks were changed, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One conflict in a file; the three texts are lines without their ends."""

    start: int
    """The index of its first marker."""
    end: int
    """The index after its last marker."""
    ours: tuple[str, ...]
    base: tuple[str, ...]
    theirs: tuple[str, ...]


def find_hunks(lines: Sequence[str], size: int = MARKER_SIZE) -> list[Hunk]:
    """Returns the conflicts of a file as git marks them with the base (`merge.conflictStyle=diff3`).

    Args:
        size: The number of characters of a marker; see `unfinished.marker_sizes`.
    """
    found: list[Hunk] = []
    parts: dict[str, list[str]] = {}
    start, at = 0, ""
    for number, line in enumerate(lines):
        marker = _marker(line, size)
        if marker == OURS:
            parts, at, start = {OURS: [], BASE: [], MIDDLE: []}, OURS, number
        elif marker == THEIRS and at == MIDDLE:
            texts = (tuple(parts[each]) for each in (OURS, BASE, MIDDLE))
            ours, base, theirs = texts
            found.append(Hunk(start=start, end=number + 1, ours=ours, base=base, theirs=theirs))
            at = ""
        elif (marker == BASE and at == OURS) or (marker == MIDDLE and at == BASE):
            at = marker
        elif at:
            parts[at].append(line)
    return found


def marker_lines(lines: Sequence[str], size: int = MARKER_SIZE) -> list[str]:
    """Returns the lines that begin like a marker of a conflict."""
    return [line for line in lines if _marker(line, size)]


def choices(conflicted: Sequence[str], resolved: Sequence[str], size: int = MARKER_SIZE) -> tuple[HunkChoice, ...]:
    """Returns what became of each hunk.

    Args:
        conflicted: The lines of the file with its markers.
        resolved: Its lines afterwards.
        size: The number of characters of a marker.
    """
    hunks = find_hunks(conflicted, size)
    found = _between_unchanged(conflicted, hunks, resolved)
    if found is None:
        found = [_choice(hunk, text) for hunk, text in zip(hunks, _texts(conflicted, hunks, resolved), strict=True)]
    return tuple(found)


def _between_unchanged(
    conflicted: Sequence[str], hunks: Sequence[Hunk], resolved: Sequence[str]
) -> list[HunkChoice] | None:
    """Returns what became of each hunk if the lines around them are as they were; None if they are not."""
    if not hunks:
        return []
    at = hunks[0].start
    if list(resolved[:at]) != list(conflicted[:at]):
        return None
    found: list[HunkChoice] = []
    ends = [*(hunk.start for hunk in hunks[1:]), len(conflicted)]
    for hunk, end in zip(hunks, ends, strict=True):
        after = conflicted[hunk.end : end]
        step = _step(hunk, resolved, at, after, last=hunk is hunks[-1])
        if step is None:
            return None
        choice, at = step
        at += len(after)
        found.append(choice)
    return found


def _step(
    hunk: Hunk, resolved: Sequence[str], at: int, after: Sequence[str], *, last: bool
) -> tuple[HunkChoice, int] | None:
    """Returns what stands for a hunk from a place on, and where it ends: before the lines that follow it.

    Args:
        after: Those lines, up to the next hunk.
        last: They end the file.
    """
    for choice, side in _sides(hunk).items():
        end = at + len(side)
        if tuple(resolved[at:end]) == side and _stand(after, resolved, end, last=last):
            return choice, end
    if not after and not last:
        return None  # nothing tells this hunk from the next
    places = range(at, len(resolved) - len(after) + 1)
    found = next((end for end in places if _stand(after, resolved, end, last=last)), None)
    return None if found is None else (HunkChoice.COMBINED, found)


def _stand(lines: Sequence[str], text: Sequence[str], at: int, *, last: bool) -> bool:
    end = at + len(lines)
    return list(text[at:end]) == list(lines) and (not last or end == len(text))


def _sides(hunk: Hunk) -> dict[HunkChoice, tuple[str, ...]]:
    return {HunkChoice.INTEGRATED: hunk.ours, HunkChoice.TASK: hunk.theirs, HunkChoice.BASE: hunk.base}


def _marker(line: str, size: int) -> str:
    """Returns the sign of the marker that a line is; empty if it is none."""
    sign, rest = line[:1], line[size:].rstrip("\r")
    if sign not in (OURS, BASE, MIDDLE, THEIRS) or line[:size] != sign * size:
        return ""
    return sign if not rest or (rest.startswith(" ") and sign != MIDDLE) else ""


def _choice(hunk: Hunk, text: Sequence[str] | None) -> HunkChoice:
    if text is None:
        return HunkChoice.COMBINED
    return next((choice for choice, side in _sides(hunk).items() if side == tuple(text)), HunkChoice.COMBINED)


def _texts(conflicted: Sequence[str], hunks: Sequence[Hunk], resolved: Sequence[str]) -> list[Sequence[str] | None]:
    """Returns the lines that stand for each hunk now; None where that cannot be told."""
    places = _places(conflicted, hunks, resolved)
    return [None if place is None else resolved[place[0] : place[1]] for place in places]


def _places(
    conflicted: Sequence[str], hunks: Sequence[Hunk], resolved: Sequence[str]
) -> Sequence[tuple[int, int] | None]:
    """Returns where the text of each hunk begins and ends: between the lines around it."""
    if len(conflicted) > _MOST_LINES or len(resolved) > _MOST_LINES:
        return [None] * len(hunks)
    # Each hunk becomes one line that no file has, so that only the lines around it can be found again.
    outline: list[object] = []
    at: list[int] = []
    position = 0
    for hunk in hunks:
        outline += conflicted[position : hunk.start]
        at.append(len(outline))
        outline.append(hunk)
        position = hunk.end
    outline += conflicted[position:]
    matcher: SequenceMatcher[object] = SequenceMatcher(None, outline, list(resolved), autojunk=False)
    there = {
        block.a + offset: block.b + offset for block in matcher.get_matching_blocks() for offset in range(block.size)
    }
    return [_between(there, place, len(outline), len(resolved)) for place in at]


def _between(there: dict[int, int], place: int, length: int, end: int) -> tuple[int, int] | None:
    """Returns the range between the lines right before and after a hunk; None if one of them was changed."""
    before = -1 if place == 0 else there.get(place - 1)
    after = end if place == length - 1 else there.get(place + 1)
    return None if before is None or after is None else (before + 1, after)
