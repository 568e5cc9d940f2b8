"""The lease of an attempt, searched exhaustively: no order of events records two results of a task.

The model has one task of up to two attempts, three workers that may stop and go on at any moment, and two
coordinators. A worker that has stopped is one whose next step comes late, so each order of steps holds a crash at
each place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from aurora_spawner.distributed import lease
from aurora_spawner.distributed.lease import AttemptState, Cancel, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS = ("a", "b", "c")
COORDINATORS = (0, 1)
LEASE_S, LOST_AFTER_S, LAST_TICK = 1, 1, 3


@dataclass(frozen=True, slots=True)
class Rules:
    """The changes of a row; a test puts a broken one in place of each."""

    claim: Callable[..., Lease | None] = lease.claim
    take_over: Callable[..., Lease | None] = lease.take_over
    renew: Callable[..., Lease | None] = lease.renew
    finish: Callable[..., Lease | None] = lease.finish
    request_cancel: Callable[..., Lease | None] = lease.request_cancel
    declare_lost: Callable[..., Lease | None] = lease.declare_lost


@dataclass(frozen=True, slots=True)
class World:
    """The database's rows and clock, what each worker and coordinator has seen, and what has happened."""

    now: int = 0
    rows: tuple[Lease, ...] = ()
    held: frozenset[tuple[str, int, int]] = frozenset()
    """Worker, attempt and fence: a process of a worker that believes to hold the attempt, now or once."""
    started: tuple[int, int] = (0, 0)
    """How often an agent has started at each attempt."""
    delivered: tuple[int, int] = (0, 0)
    """How many results of each attempt the database has accepted."""
    seen: tuple[str, str] = ("", "")
    """The latest that each coordinator has read: the states of all rows, by their first letters."""
    recorded: frozenset[int] = frozenset()
    """The attempts whose results a coordinator has recorded for the task."""


def steps(world: World, rules: Rules) -> Iterator[World]:
    """Yields the world after each step that anybody can take."""
    if world.now < LAST_TICK:
        yield replace(world, now=world.now + 1)
    for worker in WORKERS:
        yield from _steps_of_worker(world, rules, worker)
    for coordinator in COORDINATORS:
        yield from _steps_of_coordinator(world, rules, coordinator)


def _steps_of_worker(world: World, rules: Rules, worker: str) -> Iterator[World]:
    for number, row in enumerate(world.rows):
        for read_at in range(world.now + 1):  # when it read the row, which nobody has changed since: see `_SWAP`
            claimed = rules.claim(row, worker, now=read_at, lease_s=LEASE_S)
            if not claimed:
                continue
            begun = replace(world, started=_one_more(world.started, number))
            yield _holding(_with_row(begun, number, claimed), worker, number, claimed.fence)
        over = rules.take_over(row, worker, now=world.now, lease_s=LEASE_S) if row.fence < 2 else None
        if over:
            yield _holding(_with_row(world, number, over), worker, number, over.fence)
    for holder, number, fence in world.held:
        if holder != worker:
            continue
        renewed = rules.renew(world.rows[number], fence, now=world.now, lease_s=LEASE_S)
        if renewed:
            yield _with_row(world, number, renewed)
        finished = rules.finish(world.rows[number], fence)
        if finished:
            yield _with_row(replace(world, delivered=_one_more(world.delivered, number)), number, finished)


def _steps_of_coordinator(world: World, rules: Rules, coordinator: int) -> Iterator[World]:
    read = "".join(row.state.value[0] for row in world.rows)
    yield replace(world, seen=_put(world.seen, coordinator, read))
    seen = world.seen[coordinator]
    if len(world.rows) < 2 and len(seen) == len(world.rows) and seen in ("", "l"):  # one row for each number
        yield replace(world, rows=(*world.rows, Lease()))
    for number, state in enumerate(seen):
        if state == "f":
            yield replace(world, recorded=world.recorded | {number})
        lost = rules.declare_lost(world.rows[number], now=world.now, lost_after_s=LOST_AFTER_S)
        ended = rules.request_cancel(world.rows[number], Cancel.AT_ONCE)
        yield from (_with_row(world, number, row) for row in (lost, ended) if row)


def _with_row(world: World, number: int, row: Lease) -> World:
    return replace(world, rows=_put(world.rows, number, row))


def _holding(world: World, worker: str, number: int, fence: int) -> World:
    return replace(world, held=world.held | {(worker, number, fence)})


def _put(values: tuple[Any, ...], at: int, value: object) -> Any:
    return (*values[:at], value, *values[at + 1 :])


def _one_more(counts: tuple[int, int], at: int) -> tuple[int, int]:
    changed: tuple[int, int] = _put(counts, at, counts[at] + 1)
    return changed


def violation(world: World) -> str:
    """Returns the broken promise of a world; "" if all hold."""
    if len(world.recorded) > 1:
        return "two results of a task are recorded"
    if max(world.delivered) > 1:
        return "two results of an attempt are accepted"
    if max(world.started) > 1:
        return "an attempt has started twice"
    if any(row.state is AttemptState.VOIDED and world.started[at] for at, row in enumerate(world.rows)):
        return "an attempt has started that counts as never run"
    return ""


def search(rules: Rules) -> tuple[int, set[AttemptState], str]:
    """Visits each world that can be reached; returns their number, the states seen, and the first violation."""
    first = World()
    seen, waiting = {first}, deque([first])
    states: set[AttemptState] = set()
    while waiting:
        world = waiting.popleft()
        broken = violation(world)
        if broken:
            return len(seen), states, broken
        states |= {row.state for row in world.rows}
        for following in steps(world, rules):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return len(seen), states, ""


def test_no_order_of_events_records_two_results() -> None:
    worlds, states, broken = search(Rules())
    assert not broken
    assert states == set(AttemptState), "the search has not seen every state"
    assert worlds > 1000


def _claims_anything(row: Lease, worker: str, *, now: float, lease_s: float) -> Lease | None:
    return lease.claim(replace(row, state=AttemptState.QUEUED), worker, now=now, lease_s=lease_s)


def _takes_late_results(row: Lease, fence: int) -> Lease | None:
    return lease.finish(replace(row, state=AttemptState.RUNNING), fence)


def _claims_expired(row: Lease, worker: str, *, now: float, lease_s: float) -> Lease | None:
    expired = row.state is AttemptState.RUNNING and now > row.until
    queued = replace(row, state=AttemptState.QUEUED) if expired else row
    return lease.claim(queued, worker, now=now, lease_s=lease_s)


def _voids_running(row: Lease, cancel: Cancel) -> Lease | None:
    return replace(row, state=AttemptState.VOIDED, cancel=cancel)


@pytest.mark.parametrize(
    ("rules", "broken"),
    [
        (Rules(claim=_claims_anything), "an attempt has started twice"),
        (Rules(claim=_claims_expired), "an attempt has started twice"),
        (Rules(finish=_takes_late_results), "two results of"),
        (Rules(request_cancel=_voids_running), "never run"),
    ],
)
def test_the_search_finds_a_rule_that_is_too_lax(rules: Rules, broken: str) -> None:
    assert broken in search(rules)[2]


def test_a_later_process_of_a_worker_fences_off_the_earlier_one() -> None:
    first = lease.claim(Lease(), "a", now=0, lease_s=60)
    assert first is not None
    second = lease.take_over(first, "a", now=5, lease_s=60)
    assert second is not None
    assert lease.take_over(first, "b", now=5, lease_s=60) is None
    assert lease.renew(second, first.fence, now=6, lease_s=60) is None
    assert lease.finish(second, first.fence) is None
    assert lease.finish(second, second.fence) is not None


def test_a_lease_is_lost_only_after_its_worker_had_time_to_end_the_agent() -> None:
    row = Lease(state=AttemptState.RUNNING, worker="a", fence=1, until=60)
    assert lease.declare_lost(row, now=90, lost_after_s=30) is None
    lost = lease.declare_lost(row, now=90.1, lost_after_s=30)
    assert lost is not None
    assert lease.renew(lost, 1, now=91, lease_s=60) is None


def test_a_polite_cancel_does_not_soften_one_at_once() -> None:
    row = Lease(state=AttemptState.RUNNING, worker="a", fence=1, until=60, cancel=Cancel.AT_ONCE)
    kept = lease.request_cancel(row, Cancel.POLITE)
    assert kept is not None
    assert kept.cancel is Cancel.AT_ONCE
