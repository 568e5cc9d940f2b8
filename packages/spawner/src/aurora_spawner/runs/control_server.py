"""The control server of a coordinator: a local socket, for its owner alone, to watch and steer a run.

One request and one answer on a line each, as JSON: `{"do": "cancel", "task": "1.2"}` → `{"ok": true, …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.attempt_folder import SOCKET_NAME
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.errors import PostRefusedError, SpawnerError
from aurora_spawner.gates.hanging_up import unless_gone
from aurora_spawner.runs import board_requests
from aurora_spawner.runs.agent_questions import ask_for_agent
from aurora_spawner.runs.callers import Caller
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.private_sockets import REQUEST_LIMIT_BYTES, bound_socket, short_path
from aurora_spawner.storage.stored_values import StoredValueError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from aurora_spawner.runs.approval_inbox import ApprovalInbox
    from aurora_spawner.runs.coordinator import Coordinator

    Action = Callable[[dict[str, Any], Caller], Awaitable[dict[str, Any]]]

_TOO_LONG: Final = {
    "ok": False,
    "error": f"a request has at most {REQUEST_LIMIT_BYTES:,} bytes",
    "refused": "too_long",
}
_MAY_WAIT: Final = frozenset(("ask", "board"))
"""The actions whose callers may wait long, and may be gone before they get an answer."""
SILENT_LIMIT: Final = 32
"""The most connections without a request; the oldest gives way to the next."""
CALLER_TIMEOUT_S: Final = 5.0
"""The longest wait for a request, and for a caller to take its answer."""


@asynccontextmanager
async def serve_control(coordinator: Coordinator, spool: Path) -> AsyncIterator[None]:
    """Answers requests to a coordinator while this is open; see `serve_requests`."""
    actions = {name: partial(action, coordinator) for name, action in ACTIONS.items()}
    async with serve_requests(actions, spool, coordinator.notices):
        yield


@asynccontextmanager
async def serve_requests(actions: Mapping[str, Action], spool: Path, notices: list[str]) -> AsyncIterator[None]:
    """Answers requests while this is open. A run that cannot listen still runs, and its report says so.

    Args:
        actions: what can be asked for, by the word for it.
        notices: gets a sentence if nobody can listen.
    """
    try:
        make_private_folder(spool)
        callers = _Callers(actions)
        with short_path(spool) as place:
            server = await asyncio.start_unix_server(
                callers.handle, sock=bound_socket(place / SOCKET_NAME), limit=REQUEST_LIMIT_BYTES
            )
    except OSError as error:
        notices.append(
            f"no control socket in {spool} ({error.strerror}): this run cannot be paused or cancelled from outside"
        )
        yield
        return
    try:
        yield
    finally:
        server.close()
        await callers.leave()
        with suppress(OSError):  # an agent may have put a folder in its place, or removed the folder around it
            (spool / SOCKET_NAME).unlink()


class _Callers:
    """The open connections; callers that are silent, slow or many cost the run a bounded time and memory."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions
        self._open: set[asyncio.Task[Any]] = set()
        self._silent: dict[asyncio.StreamWriter, None] = {}
        """Callers whose request has not come, the oldest first."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the request of a caller."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            caller = Caller(writer)  # now, while the connection is open
            line = await self._request(reader, writer)
            answer = _TOO_LONG if line is None else await self._answer(caller, line, reader)
            if answer is None:
                return
            async with asyncio.timeout(CALLER_TIMEOUT_S):
                writer.write(json.dumps(answer).encode("ascii") + b"\n")
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (ConnectionError, TimeoutError):  # a caller who hung up or waits
            pass
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Returns the line of a request; None for one that is too long."""
        self._silent[writer] = None
        if len(self._silent) > SILENT_LIMIT:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.transport.abort()
        try:
            async with asyncio.timeout(CALLER_TIMEOUT_S):
                return await reader.readline()
        except ValueError:
            return None
        finally:
            self._silent.pop(writer, None)

    async def _answer(self, caller: Caller, line: bytes, reader: asyncio.StreamReader) -> dict[str, Any] | None:
        """Returns the answer; None for an agent that waits for a person or a post and is gone before."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"ok": False, "error": "the request is not JSON"}
        name = str(request.get("do")) if isinstance(request, dict) else ""
        action = self._actions.get(name)
        if action is None:
            return {"ok": False, "error": f"a request says what to do: one of {', '.join(self._actions)}"}
        answer = _carried_out(action(request, caller))
        return await (unless_gone(answer, reader) if name in _MAY_WAIT else answer)

    async def leave(self) -> None:
        """Hangs up on silent callers, and waits until the others have their answers."""
        for each in self._silent:
            each.transport.abort()
        if self._open:
            await asyncio.wait(self._open, timeout=CALLER_TIMEOUT_S)


async def _carried_out(action: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Returns the answer to a request; its effect is durable by then."""
    try:
        return {"ok": True, **await action}
    except PostRefusedError as error:
        return {"ok": False, "error": error.problem, "refused": error.reason}
    except SpawnerError as error:
        return {"ok": False, "error": str(error)}


async def _status(coordinator: Coordinator, _request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    return {"pid": os.getpid(), **coordinator.status()}


async def _pause(coordinator: Coordinator, _request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    await coordinator.pause(by="control socket")
    return {}


async def _unpause(coordinator: Coordinator, _request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    await coordinator.unpause(by="control socket")
    return {}


async def _cancel(coordinator: Coordinator, request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    task_id = request.get("task")
    if task_id is None:
        told = await coordinator.cancel(at_once=request.get("at_once") is True)
        return {} if told else {"over": True}
    return {"state": str(await coordinator.cancel_task(_known_task(coordinator, request), by="control socket"))}


async def _answer_question(coordinator: Coordinator, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    await coordinator.user_alone.check(caller, str(request.get("approval")))
    return await answer_in(coordinator.approvals, request)


async def answer_in(inbox: ApprovalInbox, request: dict[str, Any]) -> dict[str, Any]:
    """Carries out a request to answer a question of an inbox."""
    approval, note, user = request.get("approval"), request.get("note", ""), request.get("user", "")
    texts = all(isinstance(each, str) for each in (approval, note, user))
    if not texts or not isinstance(request.get("approved"), bool):
        raise SpawnerError("an answer has the id of a question, approved (true or false), and a text as its note")
    answer, first = await inbox.answer(
        str(approval), approved=request["approved"], note=note, always=request.get("always") is True, user=user
    )
    found = {"first": first, "approved": answer.approved, "by": answer.by, "note": answer.note}
    return found | ({"user": answer.user} if answer.user else {})


async def _ask(coordinator: Coordinator, request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    return await ask_for_agent(coordinator.context, request)


async def _post(coordinator: Coordinator, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    return await board_requests.post(coordinator.context, request, caller)


async def _board(coordinator: Coordinator, request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    return await board_requests.read(coordinator.context, request)


async def _result(coordinator: Coordinator, request: dict[str, Any], _caller: Caller) -> dict[str, Any]:
    return await board_requests.result(coordinator.context, request)


async def _take_over(coordinator: Coordinator, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    await coordinator.user_alone.check_act(caller, "a take-over")
    task_id = _known_task(coordinator, request)
    try:
        holder = ProcessIdentity.from_json(request.get("holder"))
    except StoredValueError as error:
        raise SpawnerError(f"a take-over names the process that has it: {error}") from error
    return await coordinator.take_over(task_id, holder)


async def _hand_back(coordinator: Coordinator, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    await coordinator.user_alone.check_act(caller, "the end of a take-over")
    await coordinator.hand_back(_known_task(coordinator, request), why="the user has left its session")
    return {}


def _known_task(coordinator: Coordinator, request: dict[str, Any]) -> str:
    task_id = request.get("task")
    if not isinstance(task_id, str) or not coordinator.knows(task_id):
        raise SpawnerError(f"the run has no task {task_id}")
    return task_id


async def _revoke(coordinator: Coordinator, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    await coordinator.user_alone.check(caller, str(request.get("approval")))
    return {"revoked": await coordinator.approvals.revoke(str(request.get("approval")))}


ACTIONS: Final[dict[str, Callable[[Coordinator, dict[str, Any], Caller], Awaitable[dict[str, Any]]]]] = {
    "status": _status,
    "pause": _pause,
    "unpause": _unpause,
    "cancel": _cancel,
    "take_over": _take_over,
    "hand_back": _hand_back,
    "answer": _answer_question,
    "revoke": _revoke,
    "ask": _ask,
    "post": _post,
    "board": _board,
    "result": _result,
}
