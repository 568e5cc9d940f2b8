"""Estimates what a plan costs and takes, from earlier attempts of the same agents; without these it is unknown."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.recovery.timeouts import ENOUGH_HISTORY, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_soar.plans.plan import AgentGap, GoalPlan

__all__ = ["AgentHistory", "ExecutionPreview", "Spread", "preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHistory:
    """The earlier attempts of one agent.

    Attributes:
        durations_s: of those that succeeded.
        costs_usd: of those whose cost is known.
        is_free: True if it costs nothing.
    """

    durations_s: Sequence[float] = ()
    costs_usd: Sequence[float] = ()
    is_free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An estimate: the median, and the value that nine of ten stay below."""

    p50: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPreview:
    """A plan as a run.

    Attributes:
        agents: number of tasks by backend.
        policies: the file that will apply; None for the defaults.
        cost_usd, time_s: None if there is too little history of an agent. Each task is taken at its agent's median,
            or at its p90; the time follows from the dependencies and from `max_concurrent`.
        without_history: the agents of whom too little is known.
        default_agent: does the tasks that name no other.
        chosen_because: the reason for it, if results decided among several.
    """

    tasks: int
    agents: Mapping[str, int]
    gaps: tuple[AgentGap, ...]
    policies: Path | None
    max_concurrent: int
    cost_usd: Spread | None
    time_s: Spread | None
    without_history: tuple[str, ...]
    default_agent: str
    chosen_because: str | None = None


def preview(
    plan: GoalPlan,
    histories: Mapping[str, AgentHistory],
    *,
    default_agent: str,
    max_concurrent: int,
    policies: Path | None,
    chosen_because: str | None = None,
) -> ExecutionPreview:
    """Returns the preview of a plan.

    Args:
        histories: by backend; personas work on the default agent.
    """
    backends = [default_agent if each.is_persona else each.agent for each in plan.subgoals]
    needs = [tuple(number - 1 for number in each.needs) for each in plan.subgoals]
    known = {name: histories.get(name, AgentHistory()) for name in dict.fromkeys(backends)}
    times = {name: _spread(record.durations_s) for name, record in known.items()}
    costs = {name: Spread(p50=0.0, p90=0.0) if r.is_free else _spread(r.costs_usd) for name, r in known.items()}
    return ExecutionPreview(
        tasks=len(plan.subgoals),
        agents={name: backends.count(name) for name in known},
        gaps=plan.gaps,
        policies=policies,
        max_concurrent=max_concurrent,
        cost_usd=_sum([costs[name] for name in backends]),
        time_s=_makespan([times[name] for name in backends], needs, max_concurrent),
        without_history=tuple(name for name in known if times[name] is None or costs[name] is None),
        default_agent=default_agent,
        chosen_because=chosen_because,
    )


def _spread(values: Sequence[float]) -> Spread | None:
    if len(values) < ENOUGH_HISTORY:
        return None
    return Spread(p50=percentile(values, 0.5), p90=percentile(values, 0.9))


def _sum(spreads: Sequence[Spread | None]) -> Spread | None:
    known = [each for each in spreads if each is not None]
    if len(known) < len(spreads):
        return None
    return Spread(p50=sum(each.p50 for each in known), p90=sum(each.p90 for each in known))


def _makespan(
    spreads: Sequence[Spread | None], needs: Sequence[tuple[int, ...]], max_concurrent: int
) -> Spread | None:
    known = [each for each in spreads if each is not None]
    if len(known) < len(spreads):
        return None
    return Spread(
        p50=makespan([each.p50 for each in known], needs, max_concurrent),
        p90=makespan([each.p90 for each in known], needs, max_concurrent),
    )


def makespan(durations_s: Sequence[float], needs: Sequence[tuple[int, ...]], max_concurrent: int) -> float:
    """Returns the seconds until the last of several tasks ends, each started once it can, in their order."""
    ends: dict[int, float] = {}
    running: list[tuple[float, int]] = []
    waiting = list(range(len(durations_s)))
    now = 0.0
    while waiting or running:
        ready = [each for each in waiting if all(need in ends for need in needs[each])]
        for each in ready[: max_concurrent - len(running)]:
            heapq.heappush(running, (now + durations_s[each], each))
            waiting.remove(each)
        now, ended = heapq.heappop(running)
        ends[ended] = now
    return now
