"""Simulations of a run with other settings, beside the run as it was."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.timeline import timeline_of
from aurora_spawner.journal import facts, work_facts
from aurora_spawner.journal.views import as_written, load_run, load_tasks
from aurora_spawner.replay.rebuilt import Rebuilt
from aurora_spawner.replay.recorded_attempts import attempts_of
from aurora_spawner.replay.replay import coordinators_of, recorded_events
from aurora_spawner.replay.settings_changes import changed_settings
from aurora_spawner.replay.simulated_loop import SimulatedLoop
from aurora_spawner.replay.simulation import Figures, Simulation, figures_of
from aurora_spawner.replay.take_over import simulated_coordinator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import EventRow, RunRow
    from aurora_spawner.runs.decision_settings import DecisionSettings

_ALWAYS = (
    "how long an attempt takes and what comes of it is taken from the journal: more at once do not make it slower, "
    "and meet no more limits of a provider"
)


_FAR_OFF = 0.25
"""The share by which a simulation may be shorter or longer than the run before that is told."""
_FAR_OFF_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfReport:
    """The figures of a simulation, beside the recorded ones."""

    run_id: str
    changes: tuple[str, ...]
    recorded: Figures
    as_it_was: Figures
    """Simulated with the settings that it had: how far this is from `recorded` is how good the simulation is."""
    changed: Figures
    stuck: str | None
    """The reason why the changed run comes to no end; None if it does."""
    assumed: Mapping[str, int]
    """Assumptions about what the journal does not know, each with its number of attempts."""
    notes: tuple[str, ...]
    """Sentences on what the simulation rests on and leaves out."""

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {
            "run_id": self.run_id,
            "simulation": True,
            "changes": list(self.changes),
            "recorded": self.recorded.to_dict(),
            "as_it_was": self.as_it_was.to_dict(),
            "changed": self.changed.to_dict(),
            "stuck": self.stuck,
            "assumed": dict(self.assumed),
            "notes": list(self.notes),
        }


def what_if(journal: Path, run_id: str, changes: Sequence[str]) -> WhatIfReport:
    """Simulates a run with changed settings; nothing is started, and nothing is changed.

    Args:
        changes: As for `changed_settings`.

    Raises:
        UnknownRunError, ReplayError, JournalCorruptError: As for `replay_run`, or a change is not possible.
    """
    with open_journal(journal, run_id) as store:
        events, run = recorded_events(store, run_id), load_run(store, run_id)
        begin, settings = next(
            (part[0].seq, settings) for part, settings in coordinators_of(events, store.path) if settings is not None
        )
        wanted = changed_settings(run_id, settings, changes)
        with as_written(store.path, f"run {run_id}: its events"):
            recorded = timeline_of(run, load_tasks(store, run_id), events, now=events[-1].at)
            before = [event for event in events if event.seq < begin]
            after = [event for event in events if event.seq >= begin]
            as_it_was, _stuck, _assumed = _simulated(store, run, before, after, settings)
            changed, stuck, assumed = _simulated(store, run, before, after, wanted)
        figures = figures_of(recorded)
    return WhatIfReport(
        run_id=run_id,
        changes=tuple(changes),
        recorded=figures,
        as_it_was=as_it_was,
        changed=changed,
        stuck=stuck,
        assumed=assumed,
        notes=(*_notes(after), *_far_off(figures, as_it_was)),
    )


def _simulated(
    store: Journal, run: RunRow, before: Sequence[EventRow], after: Sequence[EventRow], settings: DecisionSettings
) -> tuple[Figures, str | None, Mapping[str, int]]:
    loop = SimulatedLoop(now=after[0].at, jumps=True)
    simulation = Simulation(run=run, loop=loop, attempts=attempts_of(after, settings), growth=_growth(after))
    try:
        with tempfile.TemporaryDirectory() as folder, Rebuilt.empty(Path(folder), store, run.run_id) as rebuilt:
            rebuilt.catch_up(before)
            coordinator = simulated_coordinator(simulation, rebuilt, settings)
            stuck = simulation.drive(coordinator)
        figures = figures_of(simulation.timeline(coordinator.tasks))
    finally:
        loop.close()
    return figures, stuck, dict(simulation.attempts.assumed)


def _growth(events: Sequence[EventRow]) -> Mapping[str, Sequence[dict[str, Any]]]:
    growth: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if isinstance(event.fact, facts.TasksAdded) and event.fact.added_by is not None:
            growth[event.fact.added_by] += [each for each in event.fact.tasks if not each.get("resolves")]
    return growth


def _notes(events: Sequence[EventRow]) -> list[str]:
    kinds = {event.kind for event in events}
    coordinators = sum(isinstance(event.fact, facts.RunTaken) and event.fact.settings is not None for event in events)
    notes = [_ALWAYS]
    if coordinators > 1:
        notes.append("the run was taken over by another process; the simulation goes through without a break")
    if facts.RunPaused.kind in kinds:
        notes.append("the user's pauses are left out")
    last = next(event.fact for event in reversed(events) if isinstance(event.fact, facts.RunTaken | facts.RunEnded))
    if isinstance(last, facts.RunTaken):
        notes.append("the run has not ended: its own figures stop where it is, the simulation goes on to the end")
    if facts.RunEnding.kind in kinds:
        notes.append("the run was ended early; the simulation goes on to the end of its tasks")
    if work_facts.WorkMerged.kind in kinds:
        notes.append("the time of merges is left out")
    return notes


def _far_off(recorded: Figures, as_it_was: Figures) -> list[str]:
    """Returns a warning if the simulation of the run as it was takes another time than the run did."""
    apart, longer = abs(recorded.seconds - as_it_was.seconds), max(recorded.seconds, as_it_was.seconds)
    if apart <= max(_FAR_OFF_S, _FAR_OFF * longer):
        return []
    times = f"{as_it_was.seconds:,.1f} s where the run took {recorded.seconds:,.1f} s"
    return [f"as it was, the simulation takes {times}: compare what is changed with the simulation, not with the run"]
