"""The socket at which hooks ask before each tool call of an agent, and the answers to them.

A hook sends the token of its attempt and the length of its tool call on a line, then the call as its CLI gives it.
The answer is `allow` on a line, or `deny` and the reason in words for the agent. A hook that closes the connection
before wants no answer any longer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.gates.hanging_up import unless_gone
from aurora_spawner.gates.hook_request import BadRequestError, read_header
from aurora_spawner.gates.tool_calls import GateAction, Verdict
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.private_sockets import bound_socket, short_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from aurora_spawner.gates.tool_calls import ToolCall, ToolCallGate

CALL_TIMEOUT_S: Final = 30.0
"""The longest wait for a hook to send its call."""
JUDGE_LIMIT_S: Final = 30.0
"""The longest time for a verdict: a path may lead to a disk that does not answer."""
JUDGED_AT_ONCE: Final = 4
REASON_LIMIT: Final = 1000
_LOG: Final = logging.getLogger(__name__)
_Result = TypeVar("_Result")
HookAnswer = Callable[[str, bytes], Coroutine[Any, Any, bytes]]


async def denied_if_failed(answering: Awaitable[bytes], on_failure: Callable[[str], None]) -> bytes:
    """Returns an answer to a hook; whatever goes wrong denies the call.

    Args:
        on_failure: called with a sentence about what went wrong.
    """
    try:
        return await answering
    except Exception as error:  # noqa: BLE001 -- whatever it is, the call must not happen
        _LOG.exception("a tool call could not be answered")
        failed = f"the policy gate failed on a tool call ({type(error).__name__}), which was denied"
        on_failure(failed)
        return denial(f"{failed}; nothing may be done without it")


async def judged(gate: ToolCallGate, call: ToolCall, at_once: asyncio.Semaphore) -> Verdict:
    """Returns a gate's verdict; a gate that fails or takes too long denies.

    Args:
        at_once: admits as many judgements as may run at the same time.
    """
    try:
        async with at_once, asyncio.timeout(JUDGE_LIMIT_S):
            return await _in_thread(partial(gate.judge, call))
    except TimeoutError:
        reason = f"cannot be judged within {JUDGE_LIMIT_S:g} s"
    except Exception as error:  # noqa: BLE001 -- whatever it is, the call must not happen
        _LOG.exception("the gate failed on a tool call")
        reason = f"cannot be judged, because the policy gate failed on it ({type(error).__name__})"
    return Verdict(action=GateAction.DENY, rule="undecidable", reason=reason, instead="Do it in another way.")


@asynccontextmanager
async def serve_hooks(answer: HookAnswer, at: Path, notices: list[str]) -> AsyncIterator[None]:
    """Answers hooks while this is open. Without its socket the hooks deny everything.

    Args:
        answer: returns the answer to a hook, given the token of its attempt and its call.
        at: the socket.
        notices: gets a sentence if nobody can listen.
    """
    folder = at.parent
    hooks = _Hooks(answer)
    try:
        make_private_folder(folder)
        with short_path(folder) as place:
            server = await asyncio.start_unix_server(hooks.handle, sock=bound_socket(place / at.name))
    except OSError as error:
        notices.append(f"the policy gate cannot listen in {folder} ({error.strerror}): every tool call is denied")
        yield
        return
    try:
        yield
    finally:
        server.close()
        hooks.close_connections()
        with suppress(OSError):
            (folder / at.name).unlink()


class _Hooks:
    """The open connections of hooks."""

    def __init__(self, answer: HookAnswer) -> None:
        self._answer_call = answer
        self._open: set[asyncio.Task[Any]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one hook."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                token, call = await _request(reader)
            answer = await unless_gone(self._answer_call(token, call), reader)
            if answer is None:  # nobody's consent would reach it
                return
            writer.write(answer)
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await writer.drain()
        except (ConnectionError, TimeoutError):  # the hook is gone, or was stopped
            pass
        finally:
            writer.close()
            self._open.discard(task)

    def close_connections(self) -> None:
        """Leaves the open requests without an answer: the run is over, or its next coordinator gets them."""
        for task in self._open:
            task.cancel()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Reads a request; returns the token and the call.

    Raises:
        ConnectionError: It is none of a hook, or the hook is gone.
    """
    try:
        token, length = read_header(await reader.readuntil(b"\n"))
        return token, await reader.readexactly(length)
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
        raise BadRequestError(str(error)) from error


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Returns what this does in a thread of its own, which the end of the process does not wait for if it hangs."""
    future: Future[_Result] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 -- it is raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name="aurora-gate", daemon=True).start()
    return await asyncio.wrap_future(future)


def denial(reason: str) -> bytes:
    """Returns the answer to a hook that denies its call."""
    return b"deny\n" + reason.encode("utf-8", "replace")


def denial_words(verdict: Verdict, note: str = "") -> str:
    """Returns the reason of a denial in words for the agent.

    Args:
        note: What else it should know, such as the words of the person who has refused.
    """
    why = (
        f"the policies do not allow this: it {verdict.reason}" if verdict.reason else "the policies do not allow this"
    )
    rule = f" (rule {verdict.rule})" if verdict.rule else ""
    more = f"; {note}" if note else ""
    instead = f" {verdict.instead}" if verdict.instead else ""
    return f"{why}{rule}{more}.{instead} Do not try to get around it."[: REASON_LIMIT * 2]
