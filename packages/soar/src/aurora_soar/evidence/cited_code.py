"""The code that an answer cites, as it was: lines with their digest, which tell later if any of it has changed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_core import Hit, Reasoning
    from aurora_soar.memory_port import SoarMemory

__all__ = ["all_hold", "cited_code", "is_current", "symbol_at"]

MOST_CITED: Final = 40
"""Places of one answer that are kept; the first ones carry it."""
_LARGEST: Final = 4_000_000
_EVIDENCE: Final = re.compile(r"(.+):(\d{1,8})-(\d{1,8}):([0-9a-f]{16})", re.DOTALL)


def cited_code(memory: SoarMemory, places: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Returns the definitions, or else the lines, at places, each as `file:first-last:digest`."""
    found: dict[str, None] = {}
    for file, line in list(dict.fromkeys(places))[:MOST_CITED]:
        chunk = _innermost(memory.chunks_of(file), line)
        first, last = (chunk.line_start, chunk.line_end) if chunk else (line, line)
        if (digest := _digest(memory.root, file, first, last)) is not None:
            found[f"{file}:{first}-{last}:{digest}"] = None
    return tuple(found)


def is_current(reasoning: Reasoning, root: Path) -> bool:
    """Returns True if everything that an earlier answer cites is as it was; of one without evidence nobody knows.

    Args:
        root: of the project that asks; an answer of another project is held against that project's files.
    """
    home = Path(reasoning.project) if reasoning.project else root
    return bool(reasoning.evidence) and all_hold(reasoning.evidence, home)


def all_hold(evidence: Iterable[str], root: Path) -> bool:
    """Returns True if all cited code is as it was."""
    return all(_holds(each, root) for each in evidence)


def symbol_at(memory: SoarMemory, file: str, line: int) -> str:
    """Returns the qualified name of the innermost definition at a place; "" if none is there."""
    chunk = _innermost([hit for hit in memory.chunks_of(file) if hit.signature], line)
    return chunk.name if chunk else ""


def _holds(evidence: str, root: Path) -> bool:
    match = _EVIDENCE.fullmatch(evidence)
    return match is not None and _digest(root, match[1], int(match[2]), int(match[3])) == match[4]


def _innermost(chunks: Sequence[Hit], line: int) -> Hit | None:
    around = [hit for hit in chunks if hit.line_start <= line <= hit.line_end]
    return min(around, key=lambda hit: hit.line_end - hit.line_start, default=None)


def _digest(root: Path, file: str, first: int, last: int) -> str | None:
    """Returns the digest of lines; None if they are not there, or not in the project."""
    try:
        path = (root / file).resolve()
        if not path.is_relative_to(root.resolve()):
            return None
        lines = read_regular(path, _LARGEST).splitlines()
    except (OSError, ValueError):
        return None
    if not 0 < first <= last <= len(lines):
        return None
    return hashlib.sha256(b"\n".join(lines[first - 1 : last])).hexdigest()[:16]
