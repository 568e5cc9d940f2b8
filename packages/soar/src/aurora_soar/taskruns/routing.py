"""Chooses the agent of tasks that name none by the results that each has had in this project.

It compares the share of tasks whose first check passed, each with the lower end of its Wilson interval, so that few
results count for less than many. Nothing is tried out: an agent without results gets some only where tasks name it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["AgentChoice", "Standing", "choose", "wilson_lower"]

_Z: Final = 1.959964
"""The quantile of the normal distribution for an interval of 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An agent as it stands before a choice.

    Attributes:
        judged: its tasks here whose work has been checked.
        passed_at_once: those of them whose first check passed.
        usd_per_attempt: its mean cost; None if it is unknown, or was not asked for.
        problem: the reason why it cannot be chosen; "" if it can.
    """

    agent: str
    judged: int = 0
    passed_at_once: int = 0
    usd_per_attempt: float | None = None
    problem: str = ""

    @property
    def lower(self) -> float:
        """The lower end of the interval of its share, from 0 to 1; 0 without results."""
        return wilson_lower(self.passed_at_once, self.judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChoice:
    """The agent that tasks get which name none, with the reason.

    Attributes:
        because: the reason, in one line for people.
        standings: all agents that there were to choose from, in their order.
        at_least: the judged tasks that each of two agents must have before they are compared.
    """

    agent: str
    because: str
    standings: tuple[Standing, ...]
    at_least: int


def wilson_lower(passed: int, of: int) -> float:
    """Returns the lower end of the 95 % Wilson score interval of a share (E. B. Wilson, 1927); 0 of no trials."""
    if passed <= 0 or of <= 0:
        return 0.0  # exactly, so that all without a success are equal
    share, square = passed / of, _Z * _Z
    spread = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return (share + square / (2 * of) - spread) / (1 + square / of)


def choose(
    standings: Sequence[Standing],
    *,
    at_least: int,
    costs: Callable[[], Mapping[str, float]] = dict,
    unread: str = "",
) -> AgentChoice:
    """Chooses among agents: the first that can work, unless another has done better with enough results of both.

    Args:
        standings: in the user's order.
        costs: returns the mean cost of an attempt by agent; called only if two have done equally well.
        unread: the reason why there are no results; "" if there may be some.
    """
    able = [each for each in standings if not each.problem]
    if not able:
        problems = ", ".join(f"{each.agent} {each.problem}" for each in standings)
        return _chosen(standings, standings[0], f"none can work here ({problems})", at_least)
    first, *others = able
    enough = [each for each in able if each.judged >= at_least]
    if unread:
        return _chosen(standings, first, unread, at_least)
    if not others:
        return _chosen(standings, first, "no other can work here", at_least)
    if first not in enough:
        few = f"too few results here to choose by ({first.judged} of {at_least})"
        return _chosen(standings, first, few, at_least)
    if len(enough) == 1:
        few = ", ".join(f"{each.agent} {each.judged} of {at_least}" for each in others)
        return _chosen(standings, first, f"too few results here to compare it with ({few})", at_least)
    return _best(standings, enough, costs, at_least)


def _best(
    standings: Sequence[Standing],
    enough: Sequence[Standing],
    costs: Callable[[], Mapping[str, float]],
    at_least: int,
) -> AgentChoice:
    """Chooses the highest lower end; of equal ones the cheapest whose cost is known, else the first."""
    top = max(each.lower for each in enough)
    tied = [each for each in enough if each.lower == top]
    rest = ", ".join(_figures(each, f"{each.agent} ") for each in enough if each not in tied)
    against = f"; {rest}" if rest else ""
    if len(tied) == 1:
        return _chosen(standings, tied[0], f"its checks passed at once in {_figures(tied[0])}{against}", at_least)
    known = costs()
    tied = [replace(each, usd_per_attempt=known.get(each.agent)) for each in tied]
    priced = {each.agent: each for each in tied}
    standings = [priced.get(each.agent, each) for each in standings]
    best = min(tied, key=lambda each: math.inf if each.usd_per_attempt is None else each.usd_per_attempt)
    equal = ", ".join(each.agent for each in tied if each is not best)
    cost = "no known cost is less" if best.usd_per_attempt is None else f"${best.usd_per_attempt:.4f} an attempt"
    because = f"its checks passed at once in {_figures(best)}, as those of {equal}; {cost}{against}"
    return _chosen(standings, best, because, at_least)


def _chosen(standings: Sequence[Standing], of: Standing, because: str, at_least: int) -> AgentChoice:
    left = ", ".join(f"{each.agent} {each.problem}" for each in standings if each.problem and each is not of)
    said = f"{because}; left out: {left}" if left and not of.problem else because
    return AgentChoice(agent=of.agent, because=said, standings=tuple(standings), at_least=at_least)


def _figures(standing: Standing, name: str = "") -> str:
    return f"{name}{standing.passed_at_once} of {standing.judged} tasks (95% interval from {standing.lower:.0%})"
