"""The coordinator's ear: whatever is said to it, it answers, and the run goes on."""

import asyncio
import json
import os
import socket
import stat
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_spawner.errors import JournalError
from aurora_spawner.runs import control_server
from aurora_spawner.runs.control_server import SILENT_LIMIT, serve_control
from aurora_spawner.storage.private_sockets import PATH_LIMIT, short_path
from aurora_spawner.tasks.result import TaskState


class FakeCoordinator:
    """Replaces the coordinator, and records its requests."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.told: list[object] = []
        self.notices: list[str] = []
        self.failure = failure

    def status(self) -> dict[str, Any]:
        return {"paused": False}

    def knows(self, task_id: str) -> bool:
        return task_id == "1"

    async def _hear(self, what: object) -> None:
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        self.told.append(what)

    async def pause(self, *, by: str) -> None:
        await self._hear(("pause", by))

    async def unpause(self, *, by: str) -> None:
        await self._hear(("unpause", by))

    async def cancel(self, *, at_once: bool) -> bool:
        await self._hear(("cancel", at_once))
        return True

    async def cancel_task(self, task_id: str, *, by: str) -> TaskState:
        await self._hear((task_id, by))
        return TaskState.RUNNING


async def exchange(folder: Path, *lines: bytes, coordinator: FakeCoordinator | None = None) -> list[bytes]:
    """What is answered to each line, every one on a connection of its own."""
    answers = []
    async with serve_control(coordinator or FakeCoordinator(), folder):  # type: ignore[arg-type]
        for line in lines:
            with short_path(folder) as place:
                reader, writer = await asyncio.open_unix_connection(place / "control.sock")
            try:
                writer.write(line)
                writer.write_eof()
                answers.append(await reader.read())
            except ConnectionError:
                answers.append(b"")
            writer.close()
    return answers


async def ask(folder: Path, request: object, coordinator: FakeCoordinator | None = None) -> dict[str, Any]:
    (answer,) = await exchange(folder, json.dumps(request).encode() + b"\n", coordinator=coordinator)
    decoded = json.loads(answer)
    assert isinstance(decoded, dict)
    return decoded


@pytest.mark.parametrize(
    ("request_", "told", "answer"),
    [
        ({"do": "pause"}, ("pause", "control socket"), {"ok": True}),
        ({"do": "unpause"}, ("unpause", "control socket"), {"ok": True}),
        ({"do": "cancel"}, ("cancel", False), {"ok": True}),
        ({"do": "cancel", "at_once": True}, ("cancel", True), {"ok": True}),
        ({"do": "cancel", "at_once": "yes"}, ("cancel", False), {"ok": True}),
        ({"do": "cancel", "task": "1"}, ("1", "control socket"), {"ok": True, "state": "running"}),
    ],
)
async def test_a_request_is_done_and_answered(tmp_path: Path, request_: object, told: object, answer: object) -> None:
    coordinator = FakeCoordinator()
    assert await ask(tmp_path, request_, coordinator) == answer
    assert coordinator.told == [told]


async def test_what_could_not_be_written_down_is_not_answered_with_yes(tmp_path: Path) -> None:
    failing = FakeCoordinator(JournalError(tmp_path / "runs.db", "the disk is full; make room and resume the run"))
    for request in ({"do": "cancel", "task": "1"}, {"do": "pause"}, {"do": "unpause"}, {"do": "cancel"}):
        answer = await ask(tmp_path, request, failing)
        assert not answer["ok"]
        assert "the disk is full" in answer["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
REQUESTS = st.fixed_dictionaries(
    {"do": st.sampled_from(["status", "pause", "cancel", "explode"]) | JSON}, optional={"task": JSON, "at_once": JSON}
)
LINES = st.binary(max_size=200) | REQUESTS.map(json.dumps).map(str.encode) | JSON.map(json.dumps).map(str.encode)


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(LINES, min_size=1, max_size=4))
def test_any_line_gets_an_answer_and_the_next_one_is_heard(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    asked = [line.replace(b"\n", b" ") + b"\n" for line in lines]
    *answers, last = asyncio.run(exchange(folder, *asked, b'{"do": "status"}\n'))
    for answer in answers:
        assert set(json.loads(answer)) >= {"ok"}
    assert json.loads(last)["ok"]


async def test_callers_that_hang_up_or_never_end_their_line_disturb_no_other(tmp_path: Path) -> None:
    endless, nothing, last = await exchange(tmp_path, b"x" * 300_000, b"", b'{"do": "status"}\n')
    assert (endless, json.loads(nothing)["ok"]) == (b"", False)
    assert json.loads(last)["ok"]


async def connected(folder: Path, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with short_path(folder) as place:
        reader, writer = await asyncio.open_unix_connection(place / "control.sock")
    writer.write(sent)
    return reader, writer


async def test_a_caller_that_sends_half_a_line_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "CALLER_TIMEOUT_S", 0.2)
    async with serve_control(FakeCoordinator(), tmp_path):  # type: ignore[arg-type]
        reader, writer = await connected(tmp_path, b'{"do": "cancel"')
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_many_silent_callers_give_way_to_the_next(tmp_path: Path) -> None:
    async with serve_control(FakeCoordinator(), tmp_path):  # type: ignore[arg-type]
        silent = [await connected(tmp_path) for _ in range(4 * SILENT_LIMIT)]
        reader, writer = await connected(tmp_path, b'{"do": "status"}\n')
        assert json.loads(await asyncio.wait_for(reader.read(), 20))["ok"]
        assert await asyncio.wait_for(silent[0][0].read(), 20) == b""
        for _, each in (*silent, (reader, writer)):
            each.close()


class Chatty(FakeCoordinator):
    """Says more than a socket holds."""

    def status(self) -> dict[str, Any]:
        return {"said": "x" * (4 << 20)}


@pytest.mark.parametrize("sent", [b"", b'{"do": ', b'{"do": "status"}\n'])
async def test_a_server_that_closes_leaves_no_caller_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """Neither one that is silent, nor one that does not read its answer; and no word of it."""
    monkeypatch.setattr(control_server, "CALLER_TIMEOUT_S", 0.5)
    before = asyncio.all_tasks()
    with short_path(tmp_path) as place, socket.socket(socket.AF_UNIX) as caller:
        async with serve_control(Chatty(), tmp_path):  # type: ignore[arg-type]
            caller.connect(str(place / "control.sock"))
            caller.sendall(sent)
            await asyncio.sleep(0.1)
            assert asyncio.all_tasks() > before
        assert asyncio.all_tasks() == before
        await asyncio.sleep(0)  # what asyncio says of a failed task, it says in the next turn
    assert caplog.text == ""


async def test_a_request_that_is_being_done_is_answered_before_the_server_closes(tmp_path: Path) -> None:
    class Slow(FakeCoordinator):
        async def pause(self, *, by: str) -> None:
            await asyncio.sleep(0.3)
            await super().pause(by=by)

    async with serve_control(Slow(), tmp_path):  # type: ignore[arg-type]
        reader, writer = await connected(tmp_path, b'{"do": "pause"}\n')
        await asyncio.sleep(0.1)
    assert json.loads(await reader.read())["ok"]
    writer.close()


@pytest.mark.parametrize("harm", ["rm -r run", "rm run/control.sock; mkdir run/control.sock", "rm -r run; touch run"])
async def test_what_is_in_the_place_of_the_socket_at_the_end_is_left_there(tmp_path: Path, harm: str) -> None:
    async with serve_control(FakeCoordinator(), tmp_path / "run"):  # type: ignore[arg-type]
        await asyncio.to_thread(subprocess.run, ["sh", "-c", harm], cwd=tmp_path, check=True)


async def test_a_socket_that_a_killed_coordinator_left_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    assert (await ask(tmp_path, {"do": "status"}))["ok"]
    assert not (tmp_path / "control.sock").exists()


async def test_a_path_that_is_too_long_for_a_socket_is_no_matter(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["deep" * 10] * 4)
    assert len(str(folder)) > PATH_LIMIT
    coordinator = FakeCoordinator()
    assert (await ask(folder, {"do": "status"}, coordinator))["ok"]
    assert coordinator.notices == []


async def test_a_run_that_cannot_listen_runs_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_spawner.storage.private_sockets.OPEN_FOLDERS", tmp_path / "no such system")
    folder = tmp_path.joinpath(*["deep" * 10] * 4)
    coordinator = FakeCoordinator()
    async with serve_control(coordinator, folder):  # type: ignore[arg-type]
        (notice,) = coordinator.notices
    assert notice.startswith("no control socket in ")
    assert notice.endswith("(the path is too long for a socket): this run cannot be paused or cancelled from outside")


async def test_two_runs_that_begin_at_once_leave_the_umask_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with AsyncExitStack() as open_:
            begun = (serve_control(FakeCoordinator(), tmp_path / str(number)) for number in range(4))  # type: ignore[arg-type]
            await asyncio.gather(*map(open_.enter_async_context, begun))
            for number in range(4):
                assert stat.S_IMODE((tmp_path / str(number) / "control.sock").stat().st_mode) == 0o600
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
