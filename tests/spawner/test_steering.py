"""Watch and control a run from another process."""

import asyncio
import json
import os
import resource
import signal
import socket
import stat
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunEvent, RunOptions, SpawnTask
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.checkpoints import clean_checkpoints, export_checkpoint, list_checkpoints
from aurora_spawner.control.logs import follow_log, read_log
from aurora_spawner.control.steering import (
    NotRunningError,
    cancel_run,
    detach,
    pause_run,
    run_status,
    unpause_run,
    wait_until_held,
)
from aurora_spawner.errors import SpawnerError, UnknownRunError, UnknownTaskError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.runs import execution
from aurora_spawner.runs.control_server import serve_control
from aurora_spawner.storage.private_sockets import short_path
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.run_events import TaskEnded
from aurora_spawner.testing import processes_of_run

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}

COORDINATOR = """
    import sys
    from pathlib import Path
    from aurora_spawner import CommandBackend, Run, RunOptions
    from aurora_spawner.supervision.local_executor import LocalExecutor
    run = Run.resume(
        Path(sys.argv[1]), sys.argv[2], {"sh": CommandBackend("sh", ("sh",))}, executor=LocalExecutor(grace_s=0.3)
    )
    print(run.execute_sync().state)
"""


class Detached:
    """A run in the background, with its status."""

    def __init__(
        self, folder: Path, tasks: list[SpawnTask], max_concurrent: int = 2, *, by_detach: bool = False
    ) -> None:
        self.process: WarmPopen[bytes] | None = None
        self.folder = folder
        self.journal = folder / "runs.db"
        run = Run.create(
            self.journal,
            tasks,
            BACKENDS,
            RunOptions(
                default_agent="sh",
                cwd=folder,
                spool=folder / "runs",
                max_concurrent=max_concurrent,
            ),
        )
        self.run_id = run.run_id
        command = [sys.executable, "-c", textwrap.dedent(COORDINATOR), str(self.journal), self.run_id]
        if by_detach:
            self.pid = detach(command, log=folder / "log")
        else:
            with (folder / "log").open("ab") as log:
                self.process = WarmPopen(command, stdout=log, stderr=log, start_new_session=True)
            self.pid = self.process.pid
        assert wait_until_held(self.journal, self.run_id, pid=self.pid)

    def states(self) -> dict[str, int]:
        return dict(run_status(self.journal, self.run_id).tasks)

    def wait(self, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.01)

    def wait_for_end(self) -> str:
        self.wait(lambda: run_status(self.journal, self.run_id).pid is None)
        if self.process is None:
            os.waitpid(self.pid, 0)
        else:
            self.process.wait()
        assert processes_of_run(self.run_id, within_s=5.0) == []
        with Journal(self.journal) as journal:
            assert verify(journal).problem is None
        return str(run_status(self.journal, self.run_id).state)


@pytest.fixture
def detached(tmp_path: Path) -> Iterator[Callable[..., Detached]]:
    runs: list[Detached] = []

    def start(*args: object, **options: int) -> Detached:
        runs.append(Detached(tmp_path, *args, **options))  # type: ignore[arg-type]
        return runs[-1]

    yield start
    for run in runs:
        if run_status(run.journal, run.run_id).pid is not None:
            cancel_run(run.journal, run.run_id, at_once=True)
            run.wait_for_end()


GATE = "touch begun.$AURORA_TASK_ID; while [ ! -e open ]; do sleep 0.02; done; echo done"


def test_a_detached_run_has_a_session_of_its_own_and_finishes(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1")], by_detach=True)
    assert os.getsid(run.pid) == run.pid
    status = run_status(run.journal, run.run_id)
    assert (status.state, status.pid) == ("running", run.pid)
    (run.folder / "open").touch()
    assert run.wait_for_end() == "succeeded"
    assert (run.folder / "log").read_text() == "succeeded\n"


def test_a_paused_run_starts_nothing_and_goes_on_after(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1"), SpawnTask(GATE, id="2")], max_concurrent=1)
    run.wait((run.folder / "begun.1").exists)
    pause_run(run.journal, run.run_id)
    (run.folder / "open").touch()
    run.wait(lambda: run.states().get("succeeded") == 1)
    run.wait(lambda: bool(run_status(run.journal, run.run_id).paused))
    assert not (run.folder / "begun.2").exists()
    unpause_run(run.journal, run.run_id)
    assert run.wait_for_end() == "succeeded"


def test_one_task_is_cancelled_and_the_others_go_on(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1"), SpawnTask(GATE, id="2"), SpawnTask("x", id="3", depends_on=("1",))])
    run.wait((run.folder / "begun.1").exists)
    cancel_run(run.journal, run.run_id, task_id="1")
    run.wait(lambda: run.states().get("cancelled") == 1)
    (run.folder / "open").touch()
    assert run.wait_for_end() == "failed"
    assert run.states() == {"cancelled": 1, "succeeded": 1, "skipped": 1}


def test_a_cancelled_run_can_be_resumed(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1"), SpawnTask(GATE, id="2")], max_concurrent=1)
    run.wait((run.folder / "begun.1").exists)
    cancel_run(run.journal, run.run_id)
    assert run.wait_for_end() == "cancelled"
    assert run.states() == {"pending": 2}
    (run.folder / "open").touch()
    assert Run.resume(run.journal, run.run_id, BACKENDS).execute_sync().ok


def test_a_crashed_run_is_ended_through_the_journal(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1")])
    run.wait((run.folder / "begun.1").exists)
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    assert run_status(run.journal, run.run_id).state == "crashed"
    assert processes_of_run(run.run_id)
    with pytest.raises(NotRunningError, match="is not running"):
        pause_run(run.journal, run.run_id)
    cancel_run(run.journal, run.run_id)
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert run_status(run.journal, run.run_id).state == "cancelled"


def test_a_log_is_followed_to_its_end(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(f"echo first; {GATE}", id="1")])
    run.wait((run.folder / "begun.1").exists)
    with Journal(run.journal) as journal:
        pieces = follow_log(journal, run.run_id, "1", sleep=lambda _s: (run.folder / "open").touch())
        assert b"".join(pieces) == b"first\ndone\n"
        assert read_log(journal, run.run_id, "1") == b"first\ndone\n"
        assert read_log(journal, run.run_id, "1", stream="stderr") == b""
    run.wait_for_end()


def test_the_socket_is_for_its_owner_alone(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1")])
    control = run.folder / "runs" / run.run_id / "control.sock"
    run.wait(control.exists)
    mode = control.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    (run.folder / "open").touch()
    run.wait_for_end()
    assert not control.exists()


@pytest.mark.parametrize(
    ("request_line", "error"),
    few([
        (b"nonsense\n", "not JSON"),
        (b"[]\n", "says what to do"),
        (b'{"do": "explode"}\n', "says what to do"),
        (b'{"do": ["cancel"]}\n', "says what to do"),
        (b'{"do": "cancel", "task": "9"}\n', "no task 9"),
        (b'{"do": "cancel", "task": 9}\n', "no task 9"),
        (b"[" * 60_000 + b"\n", "not JSON"),
    ], 3),
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused(
    detached: Callable[..., Detached], request_line: bytes, error: str
) -> None:
    run = detached([SpawnTask(GATE, id="1")])
    folder = run.folder / "runs" / run.run_id
    run.wait((run.folder / "begun.1").exists)  # by then the socket does not only exist, but listens
    with short_path(folder) as place, socket.socket(socket.AF_UNIX) as line:
        line.connect(str(place / "control.sock"))
        line.sendall(request_line)
        answer = json.loads(line.makefile("rb").readline())
    assert not answer["ok"]
    assert error in answer["error"]
    with pytest.raises(UnknownTaskError, match="has no task '9'; its tasks: 1"):
        cancel_run(run.journal, run.run_id, task_id="9")


@pytest.fixture
def listened(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Runs of this process, in place of whose coordinator another program answers, a piece every 0.1 s."""
    with ExitStack() as open_:

        def start(*pieces: bytes) -> Run:
            options = RunOptions(default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs")
            run = Run.create(tmp_path / "runs.db", [SpawnTask("true", id="1")], BACKENDS, options)
            store = open_.enter_context(Journal(run.journal))
            open_.enter_context(store.hold(run.run_id, holder=own_identity()))
            folder = tmp_path / "runs" / run.run_id
            folder.mkdir(parents=True)
            door = open_.enter_context(socket.socket(socket.AF_UNIX))
            with short_path(folder) as place:
                door.bind(str(place / "control.sock"))
            door.listen()
            answering = threading.Thread(target=answer, args=(door, pieces))
            answering.start()
            open_.callback(answering.join)
            return run

        yield start


def answer(door: socket.socket, pieces: tuple[bytes, ...]) -> None:
    line, _ = door.accept()
    with line, suppress(ConnectionError):
        line.recv(1 << 16)
        for piece in pieces:
            line.sendall(piece)
            time.sleep(0.1)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[1]\n",
        b"\xff\n",
        b'{"providers": 5}\n',
        b'{"health": [1]}\n',
        b'{"waiting_for": [1]}\n',
        b"[" * 99_999,
    ],
)
def test_a_status_does_without_an_answer_that_is_none(listened: Callable[..., Run], said: bytes) -> None:
    run = listened(said)
    status = run_status(run.journal, run.run_id)
    assert (status.pid, status.providers, status.health, status.waiting_for) == (os.getpid(), (), (), {})


def test_an_answer_in_drips_counts_as_none_after_the_wait(
    listened: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora_spawner.control.status.STATUS_TIMEOUT_S", 0.5)
    run = listened(*[b" "] * 100)
    begin = time.monotonic()
    assert run_status(run.journal, run.run_id).pid == os.getpid()
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "said", [b'{"ok": true}\n', b'{"ok": true, "state": [1]}\n', b'{"ok": true, "state": "odd"}\n']
)
def test_a_cancel_that_is_not_told_the_state_says_so(listened: Callable[..., Run], said: bytes) -> None:
    run = listened(said)
    with pytest.raises(SpawnerError, match="did not say what it was"):
        cancel_run(run.journal, run.run_id, task_id="1")


def test_a_coordinator_that_may_not_be_woken_is_asked(
    listened: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    run = listened(b'{"ok": true, "state": "running"}\n')
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuse)
        assert cancel_run(run.journal, run.run_id, task_id="1") is TaskState.RUNNING


def finished_run(folder: Path, *scripts: str) -> Run:
    run = Run.create(
        folder / "runs.db",
        [SpawnTask(script) for script in scripts],
        BACKENDS,
        RunOptions(
            default_agent="sh",
            cwd=folder,
            spool=folder / "runs",
            executor=LocalExecutor(grace_s=0.3),
        ),
    )
    run.execute_sync()
    return run


def test_runs_are_listed_with_what_is_left(tmp_path: Path) -> None:
    assert list_checkpoints(tmp_path / "runs.db") == []
    first = finished_run(tmp_path, "echo a")
    second = finished_run(tmp_path, "echo a", "exit 1")
    newest, oldest = list_checkpoints(tmp_path / "runs.db")
    assert (newest.run.run_id, newest.resumable, newest.total) == (second.run_id, True, 2)
    assert (oldest.run.run_id, oldest.resumable) == (first.run_id, False)
    assert newest.counts == {"succeeded": 1, "failed": 1}


def test_a_run_is_exported_as_a_checkpoint(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "echo a", "exit 1")
    path = export_checkpoint(tmp_path / "runs.db", run.run_id, tmp_path / "checkpoints")
    assert path == tmp_path / "checkpoints" / f"{run.run_id}.json"
    document = json.loads(path.read_text())
    assert (document["execution_id"], document["interrupted"]) == (run.run_id, False)
    assert set(document) == {"execution_id", "started_at", "interrupted", "tasks"}
    done, failed = document["tasks"]
    assert (done["id"], done["description"], done["agent"]) == ("1", "echo a", "sh")
    assert (done["status"], done["result"], done["error"]) == ("completed", "a\n", None)
    assert (failed["status"], failed["result"]) == ("failed", None)
    assert "exited with code 1" in failed["error"]
    assert done["started_at"] < done["completed_at"]


def test_old_runs_are_cleaned_away_and_new_ones_kept(tmp_path: Path) -> None:
    old = finished_run(tmp_path, "echo old")
    journal = tmp_path / "runs.db"
    assert clean_checkpoints(journal, older_than_days=1).removed == ()
    report = clean_checkpoints(journal, older_than_days=1, now=time.time() + 2 * 86_400)
    assert report.removed == (old.run_id,)
    assert not (tmp_path / "runs" / old.run_id).exists()
    assert list_checkpoints(journal) == []
    with Journal(journal) as store:
        assert verify(store).problem is None
    with pytest.raises(UnknownRunError):
        export_checkpoint(journal, old.run_id, tmp_path)


def test_a_run_that_is_resumed_during_a_clean_up_is_kept(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "echo x")
    with Journal(run.journal) as store, ExitStack() as held:

        def resume(run_id: str) -> None:
            held.enter_context(store.hold(run_id, holder=own_identity()))

        report = clean_checkpoints(
            run.journal,
            older_than_days=0,
            now=time.time() + 1,
            before=resume,
        )
        assert (report.removed, report.kept_running) == ((), (run.run_id,))
        assert (tmp_path / "runs" / run.run_id).is_dir()


def test_an_export_that_finds_no_room_leaves_no_draft(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "echo x")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(run.journal):  # its log has room
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                export_checkpoint(run.journal, run.run_id, tmp_path / "out")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_run_that_works_is_not_cleaned_away(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1")])
    run.wait((run.folder / "begun.1").exists)
    report = clean_checkpoints(run.journal, older_than_days=1, now=time.time() + 2 * 86_400)
    assert (report.removed, report.kept_running) == ((), (run.run_id,))


def test_the_socket_finds_a_place_when_the_path_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    run = Detached(folder, [SpawnTask(GATE, id="1")])
    run.wait((folder / "begun.1").exists)
    pause_run(run.journal, run.run_id)
    cancel_run(run.journal, run.run_id, at_once=True)
    assert run.wait_for_end() == "cancelled"


def test_a_coordinator_that_cannot_start_is_noticed(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "echo a")
    began_at = time.time()
    pid = detach([sys.executable, "-c", "raise SystemExit(3)"], log=tmp_path / "log")
    assert not wait_until_held(tmp_path / "runs.db", run.run_id, pid=pid, since=began_at)
    os.waitpid(pid, 0)


def rows(journal: Path, run_id: str) -> list[object]:
    with Journal(journal) as store:
        return store.connection.execute("SELECT * FROM events WHERE run_id = ?", (run_id,)).fetchall()


@pytest.mark.parametrize(("prompt", "state"), [("echo a", "succeeded"), ("exit 1", "failed")])
@pytest.mark.parametrize("task_id", few([None, "1"], 1))
def test_a_cancel_of_what_has_finished_changes_nothing(
    tmp_path: Path, prompt: str, state: str, task_id: str | None
) -> None:
    run = finished_run(tmp_path, prompt)
    before = rows(run.journal, run.run_id)
    assert cancel_run(run.journal, run.run_id, task_id=task_id) == state
    assert rows(run.journal, run.run_id) == before
    assert run_status(run.journal, run.run_id).state == state


def test_a_second_cancel_changes_nothing(detached: Callable[..., Detached]) -> None:
    run = detached([SpawnTask(GATE, id="1")])
    run.wait((run.folder / "begun.1").exists)
    assert cancel_run(run.journal, run.run_id) is None
    assert run.wait_for_end() == "cancelled"
    before = rows(run.journal, run.run_id)
    assert cancel_run(run.journal, run.run_id) == "cancelled"
    assert rows(run.journal, run.run_id) == before


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_run_that_finished_but_for_its_last_word_is_what_it_is(tmp_path: Path, state: str) -> None:
    """Its coordinator was killed between the end of the last task and the end of the run."""
    run = finished_run(tmp_path, "echo a" if state == "succeeded" else "exit 1")
    with Journal(run.journal) as store:
        holder = json.dumps({**own_identity().to_json(), "start_time": 1})
        store.connection.execute("UPDATE runs SET state = 'running', holder = ?", (holder,))
    cancel_run(run.journal, run.run_id)
    assert run_status(run.journal, run.run_id).state == state


@pytest.mark.parametrize("how", few(["SIGINT", "cancel"], 1))
@pytest.mark.parametrize(("prompt", "state"), [("echo a", "succeeded"), ("exit 1", "failed")])
async def test_an_attempt_that_finishes_while_it_is_cancelled_has_finished(
    tmp_path: Path, how: str, prompt: str, state: str
) -> None:
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask(prompt)],
        BACKENDS,
        RunOptions(default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs"),
    )
    cancels: list[asyncio.Task[object]] = []

    def at_the_end(event: RunEvent) -> None:
        if isinstance(event, TaskEnded) and how == "SIGINT":
            os.kill(os.getpid(), signal.SIGINT)
        elif isinstance(event, TaskEnded):
            cancels.append(asyncio.create_task(asyncio.to_thread(cancel_run, run.journal, run.run_id)))

    report = await run.execute(at_the_end)
    assert [await each for each in cancels] == [state for _each in cancels]
    assert report.state == state
    assert run_status(run.journal, run.run_id).state == state


def test_a_cancel_waits_for_the_socket_of_a_coordinator_that_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal names the coordinator before its socket is there."""
    held = threading.Event()

    @asynccontextmanager
    async def later(coordinator: Any, spool: Path) -> AsyncIterator[None]:
        held.set()
        await asyncio.sleep(0.3)
        async with serve_control(coordinator, spool):
            yield

    monkeypatch.setattr(execution, "serve_control", later)
    options = RunOptions(
        default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs", executor=LocalExecutor(grace_s=0.3)
    )
    run = Run.create(tmp_path / "runs.db", [SpawnTask("sleep 60", id="1")], BACKENDS, options)
    working = threading.Thread(target=run.execute_sync)
    working.start()
    assert held.wait(timeout=20)
    cancel_run(run.journal, run.run_id)
    working.join(timeout=30)
    assert run_status(run.journal, run.run_id).state == "cancelled"
