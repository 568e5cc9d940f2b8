"""The replay of a run: each of its coordinators runs again over the journal, and every decision is compared."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.status import coordinator_pid
from aurora_spawner.errors import JournalChangedError, JournalCorruptError, ReplayError, SpawnerError
from aurora_spawner.journal import facts
from aurora_spawner.journal.anchor import read_anchor
from aurora_spawner.journal.approval_facts import UserActed
from aurora_spawner.journal.replay_views import count_emptied, load_gap
from aurora_spawner.journal.verify import check_run
from aurora_spawner.journal.views import as_written, load_events, load_run
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.replay.coordinator_replay import CoordinatorReplay
from aurora_spawner.replay.rebuilt import Rebuilt
from aurora_spawner.replay.recorded_gates import RecordedGates
from aurora_spawner.replay.recording import Recording
from aurora_spawner.replay.report import DifferenceFoundError, ReplayReport
from aurora_spawner.replay.simulated_loop import SimulatedLoop
from aurora_spawner.replay.take_over import begin_coordinator
from aurora_spawner.runs.decision_settings import DecisionSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import EventRow, RunRow
    from aurora_spawner.replay.report import Difference

_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError)
"""The errors of events that were changed from outside."""

_LOST_S: Final = 2.0
"""The time before the end of a process in which it may have decided what it could not write down."""
_LOST: Final = "decisions were not compared: one that was not written down any longer may have come before them"
_ORDER_NOTE: Final = (
    "this coordinator was given its tasks anew, as from a task file: an order of theirs that was edited is not in "
    "the journal, and may be the reason"
)


@dataclass(slots=True, kw_only=True)
class _Walk:
    """The findings of a replay so far."""

    decisions: int = 0
    coordinators: int = 0
    last_seq: int = 0
    difference: Difference | None = None
    notes: list[str] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)


def replay_run(journal: Path, run_id: str) -> ReplayReport:
    """Runs the coordinators of a run again over its journal; nothing is started, and nothing is changed.

    It stops at the first decision that comes out otherwise. A run that goes on is replayed up to now.

    Raises:
        UnknownRunError: The journal has no such run.
        ReplayError: The journal lacks what a replay needs: its contents were cleaned, or an earlier version wrote it.
        JournalCorruptError: An event cannot be read.
    """
    with open_journal(journal, run_id) as store:
        events = recorded_events(store, run_id)
        run = load_run(store, run_id)
        lost = load_gap(store, events[0].seq, events[-1].seq)
        walk = _Walk(last_seq=events[0].seq)
        kept = [event for event in events if lost is None or event.seq < lost[0]]
        if lost is not None:
            walk.notes.append(f"events {lost[0]} to {lost[1]} are lost; what came after them was not replayed")
        with tempfile.TemporaryDirectory() as folder, Rebuilt.empty(Path(folder), store, run_id) as rebuilt:
            _walk(walk, kept, run, rebuilt)
        return ReplayReport(
            run_id=run_id,
            events=len(events),
            decisions=walk.decisions,
            coordinators=walk.coordinators,
            last_seq=walk.last_seq,
            live=coordinator_pid(run) is not None,
            difference=walk.difference,
            changed=_changed(store, run_id),
            notes=tuple(dict.fromkeys(walk.notes)),
            taken=dict(sorted(walk.taken.items())),
        )


def recorded_events(store: Journal, run_id: str) -> list[EventRow]:
    """Returns the events of a run that can be replayed.

    Raises:
        UnknownRunError, ReplayError, JournalCorruptError: As for `replay_run`.
    """
    if emptied := count_emptied(store, run_id):
        raise ReplayError(run_id, f"was cleaned: {emptied} of its events have no contents any longer")
    load_run(store, run_id)
    loaded = load_events(store, run_id)
    events = [
        each for each in loaded if not isinstance(each.fact, UserActed)
    ]  # of other processes; they decide nothing
    unread = next((event for event in events if event.fact is None), None)
    if unread is not None:
        raise ReplayError(run_id, f"has event {unread.seq} ({unread.kind}), which a newer version wrote; update")
    taken = [event.fact for event in events if isinstance(event.fact, facts.RunTaken)]
    if not taken:
        raise ReplayError(run_id, "was never started: there is nothing to replay")
    if all(fact.settings is None for fact in taken):
        problem = "has no settings in the journal: an earlier version ran it, or it is no run of tasks"
        raise ReplayError(run_id, problem)
    by_user = next((event for event in events if isinstance(event.fact, facts.TaskTakenOver)), None)
    if by_user is not None:
        raise ReplayError(run_id, f"cannot be replayed: the user has taken over task {by_user.task_id}")
    return events


def coordinators_of(
    events: Sequence[EventRow], journal: Path
) -> Iterator[tuple[Sequence[EventRow], DecisionSettings | None]]:
    """Yields the events of each process that took the run, with its settings; None for one that decided nothing.

    Raises:
        JournalCorruptError: Its settings are malformed.
    """
    begins = [place for place, event in enumerate(events) if isinstance(event.fact, facts.RunTaken)]
    for begin, end in zip(begins, [*begins[1:], len(events)], strict=True):
        taken = events[begin].fact
        assert isinstance(taken, facts.RunTaken)
        with as_written(journal, f"event {events[begin].seq}"):
            settings = None if taken.settings is None else DecisionSettings.from_json(taken.settings)
        yield events[begin:end], settings


def _walk(walk: _Walk, events: Sequence[EventRow], run: RunRow, rebuilt: Rebuilt) -> None:
    """Replays one coordinator after another, until a decision differs."""
    loop = SimulatedLoop(now=events[0].at, jumps=False)
    gates = RecordedGates(clock=lambda: loop.now)
    done = 0
    try:
        for part, settings in coordinators_of(events, rebuilt.source):
            rebuilt.catch_up(events[: events.index(part[0], done)])
            done += len(part)
            if settings is None:
                walk.taken.update(event.kind for event in part)
                walk.last_seq = part[-1].seq
                continue
            walk.coordinators += 1
            with as_written(rebuilt.source, f"run {rebuilt.run_id}"):
                recording = Recording(part, settings)
            replay = CoordinatorReplay(recording=recording, loop=loop, gates=gates)
            if not _replay_coordinator(walk, replay, run, rebuilt):
                return
    finally:
        loop.close()


def _replay_coordinator(walk: _Walk, replay: CoordinatorReplay, run: RunRow, rebuilt: Rebuilt) -> bool:
    """Replays one coordinator; returns False where the replay of the run ends."""
    events, event = replay.recording.events, replay.recording.events[0]
    try:
        for _place, gate in replay.recording.gates:
            replay.gates.add(gate)
        begun = begin_coordinator(replay, run, rebuilt, walk.notes)
        for place in range(begun + 1, len(events)):
            event = events[place]
            if isinstance(event.fact, facts.RunEnded):
                replay.check_over(event)
                replay.taken.update(each.kind for each in events[place:])
                walk.last_seq = events[-1].seq
                break
            if _resolves(event.fact):
                walk.notes.append(
                    f"from event {event.seq} on an agent resolves conflicts, which is not decided again"
                )
                return False
            replay.step(place)
            walk.last_seq = event.seq
    except DifferenceFoundError as found:
        if _was_cut_off(events) and event.at > events[-1].at - _LOST_S:
            walk.notes.append(f"from event {event.seq} to {events[-1].seq}, where its process ended, {_LOST}")
            walk.last_seq = events[-1].seq
            return True
        walk.difference = found.difference
        if replay.recording.settings.tasks_given:
            walk.notes.append(_ORDER_NOTE)
        return False
    except SpawnerError:
        raise
    except _MALFORMED as error:
        raise JournalCorruptError(rebuilt.source, f"event {event.seq} cannot be replayed: {error!r}") from error
    finally:
        replay.finish()
        walk.decisions += replay.same
        walk.taken.update(replay.taken)
    return True


def _was_cut_off(events: Sequence[EventRow]) -> bool:
    """Returns True if a coordinator was killed, or works still: it did not write down all that it decided."""
    return not any(isinstance(event.fact, facts.RunEnded) for event in events)


def _resolves(fact: facts.Fact | None) -> bool:
    return isinstance(fact, facts.TasksAdded) and any(each.get("resolves") for each in fact.tasks)


def _changed(store: Journal, run_id: str) -> str | None:
    """Returns what the hashes say was changed."""
    try:
        check_run(store, run_id, read_anchor(default_state_dir(), store.path))
    except JournalChangedError as error:
        return error.problem
    return None
