"""The caller of the control socket: what the user alone decides is not taken from a process of an agent."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.process_identity import identify
from aurora_spawner.errors import AgentAnswersError, UnknownLineageError
from aurora_spawner.journal.facts import AnswerRefused
from aurora_spawner.storage.stored_values import storable_text
from aurora_spawner.supervision.belonging import attempt_of

if TYPE_CHECKING:
    from asyncio import StreamWriter

    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.runs.run_context import RunContext

REFUSALS_LIMIT: Final = 20
"""The most refusals of a run that its journal keeps; an agent in a loop must not fill it."""
_CREDENTIALS: Final = struct.Struct("3i")
_ID_LIMIT: Final = 100


class Caller:
    """The process at the other end of a connection, as the system names it."""

    def __init__(self, writer: StreamWriter) -> None:
        self.told = hasattr(socket, "SO_PEERCRED")
        """False on systems that do not say who calls; what the caller says about itself has to do there."""
        self.pid = _peer_of(writer) if self.told else 0
        self._identity: ProcessIdentity | None = identify(self.pid) if self.pid else None

    def attempt(self) -> str | None:
        """Returns the token of the attempt to which it belongs, as `attempt_of`.

        Raises:
            UnknownLineageError: It has ended, or lives in another container.
        """
        if not self.told:
            return None
        found = attempt_of(self.pid)
        if self._identity is None or not self._identity.alive():  # its number may belong to another process now
            raise UnknownLineageError(self.pid)
        return found


def _peer_of(writer: StreamWriter) -> int:
    line = writer.get_extra_info("socket")
    given = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(given)[0])


async def check_is_user(run: RunContext, caller: Caller, approval: str) -> None:
    """Sees that the user asks, and no agent, whatever its environment says; a refusal is in the journal.

    Raises:
        AgentAnswersError: The caller belongs to an agent.
        UnknownLineageError: Nobody can tell to whom it belongs.
    """
    approval = storable_text(approval, limit=_ID_LIMIT)
    try:
        token = await asyncio.to_thread(caller.attempt)
    except UnknownLineageError:
        why = "a process of unknown ancestors asks"
        await _refuse(run, None, AnswerRefused(approval=approval, pid=caller.pid, why=why))
        raise
    if token is not None:
        task_id = _task_of(run, token)
        of_task = f"of task {task_id}" if task_id else "of an agent"
        await _refuse(run, task_id, AnswerRefused(approval=approval, pid=caller.pid, why=f"a process {of_task} asks"))
        raise AgentAnswersError(approval)


def _task_of(run: RunContext, token: str) -> str | None:
    flights = run.tasks.in_flight.items()
    return next((task_id for task_id, flight in flights if flight.asking(token) is not None), None)


async def _refuse(run: RunContext, task_id: str | None, fact: AnswerRefused) -> None:
    if run.refusals.count >= REFUSALS_LIMIT:
        return
    run.refusals.count += 1
    notice = f"a question is for the user alone, and {fact.why} to decide {fact.approval}; it was refused"
    if notice not in run.notices:
        run.notices.append(notice)
    await run.recorder.append(task_id, fact)
