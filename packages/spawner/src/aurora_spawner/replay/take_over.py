"""The taking over of a run in a replay: a coordinator as the recorded one began, with what that one found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import RunningAttempt
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.journal import facts
from aurora_spawner.journal.claim_views import load_seen_files
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.views import count_reviewing, load_attempts, load_tasks
from aurora_spawner.recovery.no_recovery import NoRecovery
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.restore import restore_recovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.replay.recorded_recovery import GuidedNoRecovery, GuidedRecovery, RecordedRules
from aurora_spawner.replay.simulated_stages import SimulatedStages
from aurora_spawner.runs.attempt_orders import OrderBuilder
from aurora_spawner.runs.execution import Execution, first_attempts
from aurora_spawner.runs.found_attempt import FoundAttempt
from aurora_spawner.runs.resume_state import CUT_OFF, DROPPED, EDITED, Revision, find_resume_state
from aurora_spawner.runs.run_options import RunOptions
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.views import AttemptRow, RunRow
    from aurora_spawner.recovery.settings import BatchQuestion
    from aurora_spawner.replay.coordinator_replay import CoordinatorReplay
    from aurora_spawner.replay.rebuilt import Rebuilt
    from aurora_spawner.replay.recording import Recording
    from aurora_spawner.replay.simulation import Simulation
    from aurora_spawner.runs.coordinator import Coordinator
    from aurora_spawner.runs.decision_settings import DecisionSettings
    from aurora_spawner.runs.resume_state import ResumeState
    from aurora_spawner.tasks.growth import Expansion

_MEAN = 0.5
"""The chance of a simulation, from 0 to 1."""
ADAPTIVE_NOTE = (
    "the policy follows the history of each agent in all runs, which is not in the journal of this one: "
    "retries and waits that followed it may differ"
)


def begin_coordinator(replay: CoordinatorReplay, run: RunRow, rebuilt: Rebuilt, notes: list[str]) -> int:
    """Begins the replay of a coordinator; returns the place of the last event that this has taken."""
    recording = replay.recording
    replay.loop.now = max(replay.loop.now, recording.first_decided)
    place = _edits_until(recording)
    if place:
        seq = recording.events[0].seq
        notes.append(
            f"the coordinator of event {seq} was given edited tasks; what it opened for them was taken as is"
        )
        replay.taken.update(event.kind for event in recording.events[1 : place + 1])
    rebuilt.catch_up(recording.events[: place + 1])
    state = _state(rebuilt, retry_failed=recording.settings.retry_failed)
    stages = SimulatedStages(replay)
    execution = Execution(
        run_id=run.run_id,
        backends=_backends(recording.settings),
        options=_options(run, recording.settings, replay.expand),
        orders=_orders(run),
        executor=SimulatedExecutor(remember=False),
        state=state,
        recovery=_recovery(replay, run, rebuilt, state, stages),
        writer=replay,
        on_event=None,
        stages=stages.stages,
    )
    if (recording.settings.policy or {}).get("adaptive"):
        notes.append(ADAPTIVE_NOTE)
    first, _hedges, _reviewers = first_attempts(state.open_attempts)
    for task_id, fact in state.changes:
        replay.post(entry_of(fact, run_id=run.run_id, task_id=task_id))
    coordinator = execution.coordinator()
    driving = replay.loop.create_task(coordinator.drive([_found(attempt) for attempt in first]))
    replay.begin(coordinator, driving, place=place)
    return place


def _edits_until(recording: Recording) -> int:
    """Returns the place of the last event by which edited tasks came into the run; 0 if none were edited."""
    place, edited = 0, False
    for number, event in enumerate(recording.events[1:], start=1):
        match event.fact:
            case facts.AttemptEnded(reason=EndReason.OUTDATED) | facts.CancelWithdrawn():
                pass
            case facts.TaskReopened(why=why):
                edited = edited or why == EDITED
            case facts.TasksAdded(added_by=None):
                edited = True
            case facts.TaskSettled(result={"termination_reason": "dropped"}):
                edited = True
            case _:
                break
        place = number
    return place if edited else 0


def _state(rebuilt: Rebuilt, *, retry_failed: bool) -> ResumeState:
    journal, run_id = rebuilt.journal, rebuilt.run_id
    return find_resume_state(
        [
            row
            for row in load_tasks(journal, run_id)
            if row.result is None or row.result.termination_reason != DROPPED
        ],
        load_attempts(journal, run_id, open_only=True),
        Revision(retry_failed=retry_failed),
        reviewing=count_reviewing(journal, run_id),
        seen=load_seen_files(journal, run_id, goes_on=CUT_OFF),
    )


def _found(attempt: AttemptRow) -> FoundAttempt:
    running = RunningAttempt(token=attempt.token, folder=attempt.folder, supervisor=own_identity())
    return FoundAttempt(task_id=attempt.task_id, number=attempt.number, token=attempt.token, found=running)


def _options(run: RunRow, settings: DecisionSettings, expand: Expansion) -> RunOptions:
    """Returns the options of a run in a replay: those that decide, and nothing that touches anything."""
    return RunOptions(
        default_agent=run.default_agent,
        cwd=run.cwd,
        spool=run.spool,
        kind=run.kind,
        overlaps="allow" if run.options is not None and run.options.overlaps == "allow" else "wait",
        forecast_every_s=None,
        approval_limit_s=None,
        max_concurrent=settings.max_concurrent,
        agent_limits=settings.agent_limits,
        expand=expand,
        max_added=settings.max_added,
        environ={},
    )


def _orders(run: RunRow) -> OrderBuilder:
    """Returns what knows the run's name and default agent; a replay gives no orders."""
    return OrderBuilder(
        run_id=run.run_id,
        cwd=run.cwd,
        spool=run.spool,
        default_agent=run.default_agent,
        default_timeout_s=None,
        environ={},
    )


def _recovery(
    replay: CoordinatorReplay, run: RunRow, rebuilt: Rebuilt, state: ResumeState, stages: SimulatedStages
) -> RunRecovery | NoRecovery:
    recorded = replay.recording.settings
    agent_of = _orders(run).agent_of
    if recorded.policy is None:
        return GuidedNoRecovery(first_agent=agent_of, guide=replay.turns)
    settings = _recovery_settings(recorded, clock=replay.now, chance=1.0, on_batch_held=replay.batch_answer)
    backends = _backends(recorded)
    restored = restore_recovery(
        rebuilt.journal,
        run.run_id,
        settings.policy,
        probation=recorded.retry_failed or state.asks_providers_anew,
        restarted=state.begun_anew,
    )
    return GuidedRecovery(
        settings,
        run_id=run.run_id,
        backends=backends,
        agent_of=agent_of,
        restored=restored,
        rules=RecordedRules(settings, backends=backends, recorded=recorded),
        classify=stages.classify,
        gates=replay.gates,
        guide=replay.turns,
    )


def _backends(settings: DecisionSettings) -> dict[str, Backend]:
    return {agent: SimulatedBackend(agent) for agent in settings.providers}


def _recovery_settings(
    recorded: DecisionSettings,
    *,
    clock: Callable[[], float],
    chance: float,
    on_batch_held: BatchQuestion | None = None,
) -> RecoverySettings:
    return RecoverySettings(
        policy=RecoveryPolicy().changed(recorded.policy or {}),
        state_dir=None,
        adhoc=frozenset(recorded.adhoc),
        on_batch_held=on_batch_held,
        clock=clock,
        chance=lambda: chance,
    )


def simulated_coordinator(simulation: Simulation, rebuilt: Rebuilt, settings: DecisionSettings) -> Coordinator:
    """Returns a coordinator that begins a run in simulated time."""
    run, state, stages = simulation.run, _state(rebuilt, retry_failed=False), SimulatedStages(simulation)
    recovery: RunRecovery | NoRecovery = NoRecovery(first_agent=_orders(run).agent_of)
    if settings.policy is not None:
        given = _recovery_settings(settings, clock=lambda: simulation.loop.now, chance=_MEAN)
        recovery = RunRecovery(
            given,
            run_id=run.run_id,
            backends=_backends(settings),
            agent_of=_orders(run).agent_of,
            restored=restore_recovery(rebuilt.journal, run.run_id, given.policy),
            rules=RecordedRules(given, backends=_backends(settings), recorded=settings),
            classify=stages.classify,
        )
    return Execution(
        run_id=run.run_id,
        backends=_backends(settings),
        options=_options(run, settings, simulation.expand),
        orders=_orders(run),
        executor=SimulatedExecutor(remember=False),
        state=state,
        recovery=recovery,
        writer=simulation,
        on_event=None,
        stages=stages.stages,
    ).coordinator()
