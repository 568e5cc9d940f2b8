"""The coordinator's ear: a local socket, for its owner alone, through which a run is watched and steered.

One request and one answer on a line each, as JSON: `{"do": "cancel", "task": "1.2"}` → `{"ok": true, …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aurora_spawner.coordinator import Coordinator

SOCKET_NAME: Final = "control.sock"
POINTER_NAME: Final = "control.path"
"""Beside the run's folders: where its socket is."""
PATH_LIMIT: Final = 100
"""Bytes that the path of a socket may have on every system."""
REQUEST_LIMIT: Final = 64 << 10


@asynccontextmanager
async def listening(coordinator: Coordinator, spool: Path) -> AsyncIterator[None]:
    """Answer requests while this is open. A run that cannot listen runs all the same."""
    try:
        path = _place_for_socket(spool)
        server = await _serve(coordinator, path)
    except OSError:
        yield
        return
    try:
        (spool / POINTER_NAME).write_text(str(path), encoding="utf-8")
        yield
    finally:
        server.close()
        (spool / POINTER_NAME).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if path.parent != spool:
            shutil.rmtree(path.parent, ignore_errors=True)


def _place_for_socket(spool: Path) -> Path:
    """In the run's folder, or in one of its own where that path is too long for a socket."""
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = spool / SOCKET_NAME
    if len(os.fsencode(path)) > PATH_LIMIT:
        path = Path(tempfile.mkdtemp(prefix="aurora-")) / SOCKET_NAME
    path.unlink(missing_ok=True)
    return path


async def _serve(coordinator: Coordinator, path: Path) -> asyncio.Server:
    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = _answer(coordinator, await reader.readline())
            writer.write(json.dumps(answer).encode("ascii") + b"\n")
            await writer.drain()
        except (ValueError, ConnectionError):  # a line without end, or a caller who hung up
            pass
        finally:
            writer.close()

    before = os.umask(0o177)  # the socket is 0600 from its first moment
    try:
        return await asyncio.start_unix_server(on_connection, path, limit=REQUEST_LIMIT)
    finally:
        os.umask(before)


def _answer(coordinator: Coordinator, line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"ok": False, "error": "the request is not JSON"}
    action = ACTIONS.get(str(request.get("do"))) if isinstance(request, dict) else None
    if action is None:
        return {"ok": False, "error": f"a request says what to do: one of {', '.join(ACTIONS)}"}
    return action(coordinator, request)


def _status(coordinator: Coordinator, _request: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "pid": os.getpid(), **coordinator.status()}


def _pause(coordinator: Coordinator, _request: dict[str, Any]) -> dict[str, Any]:
    coordinator.pause(by="control socket")
    return {"ok": True}


def _unpause(coordinator: Coordinator, _request: dict[str, Any]) -> dict[str, Any]:
    coordinator.unpause(by="control socket")
    return {"ok": True}


def _cancel(coordinator: Coordinator, request: dict[str, Any]) -> dict[str, Any]:
    task_id = request.get("task")
    if task_id is None:
        coordinator.end("cancelled", at_once=request.get("at_once") is True)
    elif not isinstance(task_id, str) or not coordinator.knows(task_id):
        return {"ok": False, "error": f"the run has no task {task_id}"}
    else:
        coordinator.cancel_task(task_id, by="control socket")
    return {"ok": True}


ACTIONS: Final[dict[str, Callable[[Coordinator, dict[str, Any]], dict[str, Any]]]] = {
    "status": _status,
    "pause": _pause,
    "unpause": _unpause,
    "cancel": _cancel,
}
