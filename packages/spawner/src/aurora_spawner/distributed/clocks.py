"""The clocks of machines, which differ: times of attempts and gates travel on the database's clock. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.rate_limits.gate import ProviderGate

ALIKE_S: Final = 2.0
"""Clocks that differ by less are alike: the answer of a database takes its time, too."""
_IN_RECORD: Final = ("started_at", "ended_at")


def ahead(own: float, other: float) -> float:
    """Returns what a clock shows more than another one, in whole seconds; 0 for clocks that are alike."""
    return 0.0 if abs(own - other) < ALIKE_S else float(round(own - other))


def moved(end: AttemptEnd, by_s: float) -> AttemptEnd:
    """Returns an end with its times on another clock, which shows so many seconds more."""
    record = end.record
    if record is not None:
        record = {
            name: _later(value, by_s) if name in _IN_RECORD and isinstance(value, int | float) else value
            for name, value in record.items()
        }
    return replace(
        end,
        started_at=None if end.started_at is None else _later(end.started_at, by_s),
        ended_at=None if end.ended_at is None else _later(end.ended_at, by_s),
        record=record,
    )


def gate_moved(gate: ProviderGate, by_s: float) -> ProviderGate:
    """Returns a gate with its times on another clock, which shows so many seconds more; 0 stays no time."""
    if not by_s:
        return gate
    since, until, next_start = (at and _later(at, by_s) for at in (gate.since, gate.until, gate.next_start))
    successes = tuple(_later(at, by_s) for at in gate.successes)
    return replace(gate, since=since, until=until, next_start=next_start, successes=successes)


def _later(moment: float, by_s: float) -> float:
    return max(0.0, moment + by_s)
