"""The status of a run, from the journal and from its living coordinator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from aurora_spawner.attempts.process_identity import host_name, pid_namespace
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.control_client import STATUS_TIMEOUT_S, NoAnswerError, send_request
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.journal.approval_views import load_approvals
from aurora_spawner.journal.facts import REVIEW
from aurora_spawner.journal.views import count_tasks, load_attempts, load_run
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.views import AttemptRow, RunRow
    from aurora_spawner.tasks.result import TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """An attempt whose end is not in the journal."""

    task: str
    """Its id."""
    agent: str
    attempt: int
    """From 1."""
    since: float | None
    """Unix time; None until it has started."""
    ended: bool = False
    """True if its supervisor is gone; its output waits for a coordinator."""
    host: str = ""
    """The host or the pool that runs it; "" for the coordinator's machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The status of a run at one moment."""

    run_id: str
    state: str
    """A `RunState`, or "crashed": its coordinator died and no other has resumed it."""
    paused: bool
    pid: int | None
    """Process id of the coordinator, while it lives."""
    tasks: Mapping[str, int]
    """The number of tasks in each state; states without tasks are left out."""
    running: tuple[RunningTask, ...]
    providers: tuple[Mapping[str, Any], ...] = ()
    """Providers that are paused or stopped: `provider`, `state`, `until` (Unix time or None), `reason`."""
    waiting_for: Mapping[str, str] = field(default_factory=dict)
    """The thing that each quiet attempt waits for, by task."""
    health: tuple[Mapping[str, Any], ...] = ()
    """The health of each agent: `agent`, `health`, `reasons`."""
    approvals: tuple[ApprovalRow, ...] = ()
    """The questions that wait for an answer of the user."""
    kind: str = "spawn"
    """The command that created the run: spawn, soar or exec."""

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "approvals": [each.to_dict() for each in self.approvals]}


def run_status(journal: Path, run_id: str) -> RunStatus:
    """Returns the status of a run.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    with open_journal(journal, run_id) as store:
        run = load_run(store, run_id)
        pid = coordinator_pid(run)
        if pid is None:  # it may have ended its run between the read and the look at its process
            run = load_run(store, run_id)
            pid = coordinator_pid(run)
        waits = ask_for_waits(run, pid)
        attempts = load_attempts(store, run_id, open_only=True)
        asked = load_approvals(store, run_id, open_only=True)
        return status_of(run, count_tasks(store, run_id), attempts, waits, pid=pid, approvals=asked)


def unfinished_statuses(journal: Path) -> list[RunStatus]:
    """Returns the status of each run that is running or was interrupted, newest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    return [
        run_status(journal, summary.run.run_id)
        for summary in list_checkpoints(journal)
        if summary.held or not summary.run.state.settled
    ]


def status_of(
    run: RunRow,
    counts: Mapping[TaskState, int],
    attempts: Sequence[AttemptRow],
    waits: Mapping[str, Any],
    *,
    pid: int | None,
    approvals: Sequence[ApprovalRow] = (),
) -> RunStatus:
    """Combines a run's rows with the answer of its coordinator.

    Args:
        attempts: Those that have not ended.
        waits: The answer of `ask_for_waits`.
        pid: Process id of the coordinator if it lived after the run was read.
        approvals: The questions that wait for an answer.
    """
    reviewed = {each.task_id for each in attempts if each.role == REVIEW}
    return RunStatus(
        run_id=run.run_id,
        state=state_word(run, held=pid is not None),
        paused=run.paused,
        pid=pid,
        tasks={str(state): count for state, count in counts.items()},
        running=tuple(
            RunningTask(
                task=each.task_id,
                agent=each.agent,
                attempt=each.number,
                since=each.started_at,
                ended=each.supervisor is not None and _is_gone(each.supervisor),
                host=each.supervisor.elsewhere if each.supervisor else "",
            )
            for each in attempts
            if each.role == REVIEW or each.task_id not in reviewed  # the agent whose work is reviewed has ended
        ),
        providers=tuple(waits.get("providers", ())),
        waiting_for=waits.get("waiting_for", {}),
        health=tuple(waits.get("health", ())),
        approvals=tuple(approvals),
        kind=run.kind,
    )


def coordinator_pid(run: RunRow) -> int | None:
    """Returns the process id of a run's coordinator; None if no coordinator lives."""
    return run.holder.pid if run.holder is not None and run.holder.alive() else None


def state_word(run: RunRow, *, held: bool) -> str:
    """Returns the state of a run as the journal has it, or "crashed" if it should run and has no coordinator.

    Args:
        held: True if a living coordinator executes it.
    """
    return "crashed" if run.state is RunState.RUNNING and not held else str(run.state)


def _is_gone(process: ProcessIdentity) -> bool:
    """Returns True if a process has certainly ended; processes of other machines or containers are unknown here."""
    ours = (process.host, process.namespace) == (host_name(), pid_namespace())
    return ours and not process.alive()


def ask_for_waits(run: RunRow, pid: int | None) -> dict[str, Any]:
    """Returns what only the living coordinator `pid` knows; nothing without one, or if it does not answer."""
    if pid is None:
        return {}
    try:
        answer = send_request(run, {"do": "status"}, pid=pid, timeout_s=STATUS_TIMEOUT_S)
    except NoAnswerError:
        return {}
    return answer if _is_status(answer) else {}


def _is_status(answer: Mapping[str, Any]) -> bool:
    """Returns True if an answer has the shape of a status: an agent may listen in the coordinator's place."""
    lists = (answer.get("providers", []), answer.get("health", []))
    objects = all(isinstance(each, list) and all(isinstance(one, dict) for one in each) for each in lists)
    return objects and isinstance(answer.get("waiting_for", {}), dict)
