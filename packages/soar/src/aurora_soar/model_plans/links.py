"""The dependencies between subgoals: indexes from 0 or 1, ids or names become indexes, and cycles are broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Links", "in_order", "resolve"]

_NUMBER_AT_END: Final = re.compile(r"(\d{1,6})\W*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Dependencies as indexes.

    Attributes:
        needs: for each subgoal, the subgoals whose results it reads.
        complaints: what was left out, one sentence each.
    """

    needs: tuple[tuple[int, ...], ...]
    complaints: tuple[str, ...]


def resolve(needs: Sequence[object], names: Sequence[frozenset[str]]) -> Links:
    """Returns dependencies as indexes; what names no other subgoal is left out.

    Args:
        needs: for each subgoal what its answer gives: a list, one index or name, or nothing.
        names: for each subgoal the ids and texts by which others may name it, in lower case.
    """
    tokens = [_tokens(each) for each in needs]
    by_name = {name: index for index, own in reversed(list(enumerate(names))) for name in own}
    numbers = _numbering(tokens, by_name)
    found, complaints = [], []
    for index, own in enumerate(tokens):
        kept: list[int] = []
        for token in own:
            target = numbers.get(token, by_name.get(token))
            if target is None or not 0 <= target < len(needs):
                complaints.append(f"subgoals.{index}.depends_on: there is no subgoal {token}")
            elif target == index:
                complaints.append(f"subgoals.{index}.depends_on: {token} is the subgoal itself")
            elif target not in kept:
                kept.append(target)
        found.append(tuple(kept))
    return Links(needs=tuple(found), complaints=tuple(complaints))


def in_order(links: Links) -> tuple[tuple[int, ...], Links]:
    """Returns the subgoals in an order in which each follows what it needs, as near to theirs as possible.

    The dependencies that close a cycle are left out; those of the subgoal that was named first.
    """
    needs = [list(each) for each in links.needs]
    order: list[int] = []
    complaints = list(links.complaints)
    placed: set[int] = set()
    left = list(range(len(needs)))
    while left:
        ready = next((index for index in left if placed.issuperset(needs[index])), None)
        if ready is None:
            ready = _in_a_cycle(left[0], needs, placed)
            lost = [each for each in needs[ready] if each not in placed]
            needs[ready] = [each for each in needs[ready] if each in placed]
            complaints.append(f"subgoals.{ready}.depends_on: {lost[0]} needs subgoal {ready} itself, a cycle")
        order.append(ready)
        placed.add(ready)
        left.remove(ready)
    return tuple(order), Links(needs=tuple(map(tuple, needs)), complaints=tuple(complaints))


def _in_a_cycle(start: int, needs: Sequence[Sequence[int]], placed: set[int]) -> int:
    """Returns the subgoal of the cycle behind `start` that was named first."""
    path: list[int] = []
    at = start
    while at not in path:
        path.append(at)
        at = next(each for each in needs[at] if each not in placed)
    return min(path[path.index(at) :])


def _tokens(value: object) -> tuple[str, ...]:
    """Returns the names and numbers in a dependency field, in lower case."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("id", "index", "subgoal", "name") if key in value), None)
    if isinstance(value, list):
        return tuple(token for each in value for token in _tokens(each))
    if isinstance(value, bool) or value is None:
        return ()
    if isinstance(value, float):
        return (str(int(value)),) if value.is_integer() else (str(value),)
    if not isinstance(value, str):
        return (str(value),)
    text = " ".join(value.lower().split())
    if text in ("", "none", "null", "-", "n/a", "[]"):
        return ()
    parts = [part.strip() for part in text.strip("[]").split(",")]
    return tuple(parts) if all(part.lstrip("-").isdecimal() for part in parts) else (text,)


def _numbering(tokens: Sequence[tuple[str, ...]], by_name: Mapping[str, int]) -> dict[str, int]:
    """Returns the subgoal of each numeric token: by its id, else counted from 0, or from 1 if only that fits.

    Counted from 1 are also numbers in names such as "step 2", which nobody counts from 0.
    """
    named = {
        token: index for token in {t for own in tokens for t in own} if (index := by_name.get(token)) is not None
    }
    plain = {token: int(token) for own in tokens for token in own if token.lstrip("-").isdecimal()}
    shift = 1 if _from_one(tokens, plain) else 0
    numbered = {token: value - shift for token, value in plain.items()}
    for token in {t for own in tokens for t in own} - set(plain) - set(named):
        if match := _NUMBER_AT_END.search(token):
            numbered[token] = int(match.group(1)) - 1
    return {**numbered, **named}


def _from_one(tokens: Sequence[tuple[str, ...]], plain: Mapping[str, int]) -> bool:
    """Tells if the numbers fit only when counted from 1: as they are some do not come earlier, less one all do."""
    pairs = [(index, plain[token]) for index, own in enumerate(tokens) for token in own if token in plain]
    return any(value >= index for index, value in pairs) and all(1 <= value <= index for index, value in pairs)
