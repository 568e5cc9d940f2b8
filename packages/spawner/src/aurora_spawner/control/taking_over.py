"""Take-overs from outside: the coordinator of a run holds a task while the user works in the session of its agent."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.attempt_folder import home_of
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.control_client import request_coordinator
from aurora_spawner.control.lookup import check_task, find_run, open_journal
from aurora_spawner.errors import AgentActsError, SpawnerError, TakeOverError
from aurora_spawner.journal.views import load_attempts
from aurora_spawner.storage.stored_values import StoredValueError, count, text
from aurora_spawner.supervision.belonging import own_attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TakenTask", "hand_back_task", "take_over_task"]

END_LIMIT_S: Final = 30.0
"""The longest wait for the end of an attempt that is interrupted; its agent gets its grace period first."""
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenTask:
    """A task that this process has taken over; its agent does not run."""

    run_id: str
    task_id: str
    agent: str
    session: str
    """Of the agent's own."""
    token: str
    """Carried by what runs in the session: its tool calls are judged by it, and what is left is ended by it."""
    spool: Path
    """The folder of the run."""
    folder: Path
    """For files of this take-over."""
    home: Path
    """The folder of the agent's configuration, if that is separate."""
    cwd: Path
    variables: Mapping[str, str]


def take_over_task(journal: Path, run_id: str, task_id: str) -> TakenTask:
    """Takes a task over for this process, and returns once its attempt has ended; the end of this process hands back.

    Raises:
        UnknownRunError, UnknownTaskError: The journal has no such run, or the run no such task.
        AgentActsError: This process belongs to an agent.
        NotRunningError: No process works on the run.
        TakeOverError: The attempt does not end; the task is handed back.
        SpawnerError: The coordinator refuses it.
    """
    check_task(journal, run_id, task_id)
    if own_attempt() is not None:
        raise AgentActsError("a take-over")
    request = {"do": "take_over", "task": task_id, "holder": own_identity().to_json()}
    answer = request_coordinator(journal, run_id, request)
    try:
        taken = _taken(journal, run_id, task_id, answer)
        _wait_for_end(journal, run_id, task_id)
    except BaseException:
        with suppress(
            SpawnerError
        ):  # without a coordinator, or one that takes it, the end of this process hands back
            hand_back_task(journal, run_id, task_id)
        raise
    return taken


def _taken(journal: Path, run_id: str, task_id: str, answer: Mapping[str, Any]) -> TakenTask:
    run, rows = find_run(journal, run_id)
    position = next(row.position for row in rows if row.task_id == task_id)
    spool = run.spool / run_id
    try:
        agent, token = text(answer.get("agent")), text(answer.get("token"))
        number = count(answer.get("attempts"))
        variables = answer.get("variables")
        return TakenTask(
            run_id=run_id,
            task_id=task_id,
            agent=agent,
            session=text(answer.get("session")),
            token=token,
            spool=spool,
            folder=spool / f"taken-over-{position}-{number}",
            home=home_of(spool, position=position, agent=agent),
            cwd=Path(text(answer.get("cwd"))),
            variables={text(name): text(value) for name, value in dict(variables or {}).items()},
        )
    except (StoredValueError, TypeError, ValueError) as error:
        raise TakeOverError(task_id, f"what answers for the run does not say where to work: {error}") from error


def _wait_for_end(journal: Path, run_id: str, task_id: str) -> None:
    until = time.monotonic() + END_LIMIT_S
    with open_journal(journal, run_id) as store:
        while load_attempts(store, run_id, task_id=task_id, open_only=True):
            if time.monotonic() > until:
                raise TakeOverError(task_id, f"its agent has not ended within {END_LIMIT_S:g} s")
            time.sleep(_LOOK_S)


def hand_back_task(journal: Path, run_id: str, task_id: str) -> None:
    """Hands a task back that this process has taken over.

    Raises:
        NotRunningError: No process works on the run; a resume goes on with the task.
        SpawnerError: Its coordinator refuses it.
    """
    request_coordinator(journal, run_id, {"do": "hand_back", "task": task_id})
