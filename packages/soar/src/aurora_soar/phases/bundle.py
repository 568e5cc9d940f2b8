"""Context bundles: the code that each subgoal's agent is given, within a budget, and nothing twice in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.tokens import terms
from aurora_soar.evidence.evidence import Aspect
from aurora_soar.phases.background import tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.phases.decompose import Decomposition, Subgoal

__all__ = ["BUNDLE_TOKENS", "Bundle", "bundles_for", "place_of"]

BUNDLE_TOKENS: Final = 3_000
"""The budget of one subgoal; an estimate, as `tokens_of` makes it."""
_NEIGHBOURS: Final = 12
"""Signatures of other definitions of the same files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The context of one subgoal; each item is a text for the prompt.

    Attributes:
        subgoal_index: from 0.
        chunks: in full, those that fit the subgoal best first.
        elsewhere: places that another subgoal is given in full, by their names.
        neighbours: signatures of other definitions in the files of `chunks`.
        left_out: places that did not fit.
        tokens: the estimated length of all.
    """

    subgoal_index: int
    chunks: tuple[Hit, ...]
    elsewhere: tuple[str, ...]
    neighbours: tuple[str, ...]
    left_out: tuple[str, ...]
    tokens: int


def bundles_for(
    decomposition: Decomposition,
    retrieved: Sequence[Hit],
    memory: SoarMemory,
    *,
    readers: Iterable[int],
) -> dict[int, Bundle]:
    """Returns the bundle of each subgoal whose agent reads code itself, by index.

    A chunk goes in full to the subgoal that it fits best; the others are told its place.

    Args:
        readers: the subgoals that are to be done.
    """
    reading = {at: each for at in readers if (each := decomposition.subgoals[at]).aspect is Aspect.REPORT}
    if not reading:
        return {}
    wanted = {at: frozenset(terms(f"{each.description} {each.source_file or ''}")) for at, each in reading.items()}
    owners = {id(hit): _owner(hit, reading, wanted) for hit in retrieved}
    return {at: _bundle(at, [(hit, owners[id(hit)] == at) for hit in retrieved], memory) for at in reading}


def _owner(hit: Hit, reading: dict[int, Subgoal], wanted: dict[int, frozenset[str]]) -> int:
    """Returns the subgoal that shares most words with a chunk; of equals, one that starts from its file."""
    words = frozenset(terms(f"{hit.file} {hit.name} {hit.content}"))
    return max(reading, key=lambda at: (len(wanted[at] & words), reading[at].source_file == hit.file, -at))


def _bundle(at: int, candidates: Sequence[tuple[Hit, bool]], memory: SoarMemory) -> Bundle:
    left = BUNDLE_TOKENS
    chunks: list[Hit] = []
    elsewhere: list[str] = []
    left_out: list[str] = []
    for hit, is_own in candidates:
        text = place_of(hit) if not is_own else f"{place_of(hit)}\n{hit.content}"
        if (cost := tokens_of(text)) > left:
            left_out.append(place_of(hit))
            continue
        left -= cost
        if is_own:
            chunks.append(hit)
        else:
            elsewhere.append(place_of(hit))
    neighbours = []
    for line in _neighbours(chunks, [hit for hit, _ in candidates], memory):
        if (cost := tokens_of(line)) <= left:
            neighbours.append(line)
            left -= cost
    return Bundle(
        subgoal_index=at,
        chunks=tuple(chunks),
        elsewhere=tuple(elsewhere),
        neighbours=tuple(neighbours),
        left_out=tuple(left_out),
        tokens=BUNDLE_TOKENS - left,
    )


def place_of(hit: Hit) -> str:
    """Returns the place and the name of a chunk."""
    return " ".join(f"{hit.file}:{hit.line_start}-{hit.line_end} {hit.name}".split())


def _neighbours(chunks: Sequence[Hit], known: Sequence[Hit], memory: SoarMemory) -> list[str]:
    """Returns the signatures of definitions beside chunks that no subgoal is given."""
    given = {(hit.file, hit.line_start) for hit in known}
    found = [
        f"{hit.file}:{hit.line_start} {hit.signature}"
        for file in dict.fromkeys(hit.file for hit in chunks)
        for hit in memory.chunks_of(file)
        if hit.signature and (hit.file, hit.line_start) not in given
    ]
    return found[:_NEIGHBOURS]
