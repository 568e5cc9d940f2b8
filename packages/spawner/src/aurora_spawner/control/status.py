"""How a run stands, from the journal and, while it lives, from its coordinator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from aurora_spawner.attempts.process_identity import host_name, pid_namespace
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.control_client import GLANCE_LIMIT_S, NoAnswerError, ask
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.journal.views import count_tasks, load_attempts, load_run
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.journal.views import RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """An attempt that nobody has seen the end of."""

    task: str
    """Its id."""
    agent: str
    attempt: int
    """From 1."""
    since: float | None
    """Unix time; None until it has started."""
    ended: bool = False
    """Its supervisor is gone; what it left waits for a coordinator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """How a run stands at one moment."""

    run_id: str
    state: str
    """A `RunState`, or "crashed": its coordinator died and nobody has taken it since."""
    paused: bool
    pid: int | None
    """Of the coordinator, while one lives."""
    tasks: Mapping[str, int]
    """How many there are by state; states without tasks are left out."""
    running: tuple[RunningTask, ...]
    providers: tuple[Mapping[str, Any], ...] = ()
    """Those that are waited for or stopped: `provider`, `state`, `until` (Unix time or None), `reason`."""
    waiting_for: Mapping[str, str] = field(default_factory=dict)
    """What quiet attempts wait for, by task."""
    health: tuple[Mapping[str, Any], ...] = ()
    """Of each agent: `agent`, `health`, `reasons`."""

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def run_status(journal: Path, run_id: str) -> RunStatus:
    """How a run stands.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    with open_journal(journal, run_id) as store:
        run = load_run(store, run_id)
        pid = run.holder.pid if run.holder is not None and run.holder.alive() else None
        waits = _what_is_waited_for(run, pid) if pid is not None else {}
        return RunStatus(
            run_id=run_id,
            state=state_word(run, held=pid is not None),
            paused=run.paused,
            pid=pid,
            tasks={str(state): count for state, count in count_tasks(store, run_id).items()},
            running=tuple(
                RunningTask(
                    task=each.task_id,
                    agent=each.agent,
                    attempt=each.number,
                    since=each.started_at,
                    ended=each.supervisor is not None and _is_gone(each.supervisor),
                )
                for each in load_attempts(store, run_id, open_only=True)
            ),
            providers=tuple(waits.get("providers", ())),
            waiting_for=waits.get("waiting_for", {}),
            health=tuple(waits.get("health", ())),
        )


def unfinished_statuses(journal: Path) -> list[RunStatus]:
    """Returns the status of each run that goes on or was cut off, the newest first.

    Raises:
        JournalError: the journal cannot be read.
    """
    return [
        run_status(journal, summary.run.run_id)
        for summary in list_checkpoints(journal)
        if summary.held or not summary.run.state.settled
    ]


def state_word(run: RunRow, *, held: bool) -> str:
    """The state of a run: as the journal has it, or "crashed" where it should run and nobody does so.

    Args:
        held: Whether a living coordinator works on it.
    """
    return "crashed" if run.state is RunState.RUNNING and not held else str(run.state)


def _is_gone(process: ProcessIdentity) -> bool:
    """Whether a process has certainly ended; of one of another machine or container nobody here knows."""
    ours = (process.host, process.namespace) == (host_name(), pid_namespace())
    return ours and not process.alive()


def _what_is_waited_for(run: RunRow, pid: int) -> dict[str, Any]:
    """What only the living coordinator knows; nothing where it does not answer."""
    try:
        return ask(run, {"do": "status"}, pid=pid, limit_s=GLANCE_LIMIT_S)
    except NoAnswerError:
        return {}
