"""The callers at the sockets of a run: who they are.

What the user alone decides is not taken from a process of an agent, whatever its environment says.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.process_identity import identify
from aurora_spawner.errors import AgentActsError, AgentAnswersError, UnknownLineageError
from aurora_spawner.journal.approval_facts import AnswerRefused
from aurora_spawner.storage.stored_values import storable_text
from aurora_spawner.supervision.belonging import attempt_of

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from collections.abc import Callable

    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.errors import SpawnerError
    from aurora_spawner.runs.recorder import Recorder

REFUSALS_LIMIT: Final = 20
"""The most refusals of a run that its journal keeps; an agent in a loop must not fill it."""
_CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group of a caller, as Linux tells them."""
_ID_LIMIT: Final = 100


class Caller:
    """The process at the other end of a connection, as the system names it."""

    def __init__(self, writer: StreamWriter) -> None:
        """Looks who calls.

        Raises:
            ConnectionAbortedError: The connection is closed.
        """
        self.told = hasattr(socket, "SO_PEERCRED")
        """False on systems that do not say who calls; what the caller says about itself has to do there."""
        self.pid = _peer_of(writer) if self.told else 0
        self._identity: ProcessIdentity | None = identify(self.pid) if self.pid else None

    async def attempt(self) -> str | None:
        """Returns the token of the attempt to which it belongs, as `attempt_of`.

        Raises:
            UnknownLineageError: It has ended, or lives in another container.
        """
        if not self.told:
            return None
        found = await asyncio.to_thread(attempt_of, self.pid)
        if self._identity is None or not self._identity.alive():  # its number may belong to another process now
            raise UnknownLineageError(self.pid)
        return found


class UserAlone:
    """Lets the user alone decide about questions; refusals to agents are in the journal."""

    def __init__(
        self, recorder: Recorder, *, task_of: Callable[[str], str | None], note: Callable[[str], object]
    ) -> None:
        """Takes its parts.

        Args:
            recorder: keeps the refusals.
            task_of: returns the task whose attempt has a token; None if there is none.
            note: tells the user of a refusal.
        """
        self._recorder = recorder
        self._task_of = task_of
        self._note = note
        self._refused = 0

    async def check(self, caller: Caller, approval: str) -> None:
        """Sees that the user asks, and no agent.

        Raises:
            AgentAnswersError: The caller belongs to an agent.
            UnknownLineageError: Nobody can tell to whom it belongs.
        """
        approval = storable_text(approval, limit=_ID_LIMIT)
        sentence = f"a question is for the user alone, and {{}} to decide {approval}; it was refused"
        await self._check(caller, approval, AgentAnswersError(approval), sentence)

    async def check_act(self, caller: Caller, act: str) -> None:
        """Sees that the user wants something other than to decide a question, and no agent.

        Args:
            act: What is wanted, for the refusal: "a turn of a session".

        Raises:
            AgentActsError: The caller belongs to an agent.
            UnknownLineageError: Nobody can tell to whom it belongs.
        """
        await self._check(caller, act, AgentActsError(act), f"{act} is for the user alone, and {{}} for it; refused")

    async def _check(self, caller: Caller, what: str, refusal: SpawnerError, sentence: str) -> None:
        """Sees that the user asks for something.

        Args:
            sentence: What the user is told of a refusal, with {} for who has asked.
        """
        try:
            token = await caller.attempt()
        except UnknownLineageError:
            why = "a process of unknown ancestors asks"
            await self._refuse(None, AnswerRefused(approval=what, pid=caller.pid, why=why), sentence)
            raise
        if token is not None:
            task_id = self._task_of(token)
            why = f"a process of {f'task {task_id}' if task_id else 'an agent'} asks"
            await self._refuse(task_id, AnswerRefused(approval=what, pid=caller.pid, why=why), sentence)
            raise refusal

    async def _refuse(self, task_id: str | None, fact: AnswerRefused, sentence: str) -> None:
        if self._refused >= REFUSALS_LIMIT:
            return
        self._refused += 1
        self._note(sentence.replace("{}", fact.why))
        await self._recorder.append(task_id, fact)


def _peer_of(writer: StreamWriter) -> int:
    if writer.is_closing():  # the server has hung up on it already
        raise ConnectionAbortedError
    line = writer.get_extra_info("socket")
    given = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(given)[0])
