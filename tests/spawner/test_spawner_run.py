"""A run: dataflow over dependencies, evidence, time limits, and an end without leftovers."""

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.warm_python import WarmPopen

from aurora_spawner import (
    CommandBackend,
    Run,
    RunEvent,
    RunOptions,
    RunReport,
    SpawnTask,
    TaskState,
    spawn,
    spawn_parallel,
    spawn_sequential,
)
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.errors import BackendError, GraphError, JournalError
from aurora_spawner.journal.entries import Entry
from aurora_spawner.journal.store import Journal
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import TaskEnded, TaskStarted
from aurora_spawner.testing import SimulatedExecutor

BACKENDS = {
    "echo": CommandBackend("echo", ("cat",)),
    "sh": CommandBackend("sh", ("sh",)),
    "missing": CommandBackend("missing", ("no-such-program-anywhere",)),
}


def make_run(folder: Path, tasks: list[SpawnTask], **options: object) -> Run:
    executor = LocalExecutor(grace_s=0.3)
    options = {"default_agent": "echo", "cwd": folder, "spool": folder / "runs", "executor": executor, **options}
    return Run.create(folder / "runs.db", tasks, BACKENDS, RunOptions(**options))  # type: ignore[arg-type]


def execute(folder: Path, tasks: list[SpawnTask], **options: object) -> RunReport:
    return make_run(folder, tasks, **options).execute_sync()


def alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


def read_when_there(path: Path) -> str:
    """The content of a file that another process is about to write."""
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return path.read_text().strip()


def journal_rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "runs.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_answer_is_what_the_agent_prints(tmp_path: Path) -> None:
    report = execute(tmp_path, [SpawnTask("hello")])
    assert report.ok
    assert report.results["1"].output == "hello"
    assert report.results["1"].exit_code == 0
    assert report.results["1"].execution_time > 0


def test_a_dependant_reads_the_results_before_it(tmp_path: Path) -> None:
    tasks = [
        SpawnTask("first finding", id="a"),
        SpawnTask("second finding", id="b"),
        SpawnTask("join them", id="c", depends_on=("a", "b")),
    ]
    output = execute(tmp_path, tasks).results["c"].output
    assert output.startswith("join them")
    assert re.search(r"--- task a \(agent echo\) \w{16} ---\nfirst finding\n", output)
    assert output.index("first finding") < output.index("second finding")


def test_a_json_prompt_gets_results_as_json(tmp_path: Path) -> None:
    tasks = [
        SpawnTask("first", id="a"),
        SpawnTask('{"goal": "x"}', id="b", depends_on=("a",), prompt_format="json"),
    ]
    document = json.loads(execute(tmp_path, tasks).results["b"].output)
    assert document == {
        "goal": "x",
        "dependency_results": [{"task_id": "a", "agent": "echo", "success": True, "output": "first"}],
    }


def test_a_failed_task_skips_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    tasks = [
        SpawnTask("echo out; echo why >&2; exit 3", "sh", id="bad"),
        SpawnTask("x", id="needs", depends_on=("bad",)),
        SpawnTask("x", id="needs_too", depends_on=("needs",)),
        SpawnTask("x", id="free"),
    ]
    report = execute(tmp_path, tasks)
    states = {task_id: result.state for task_id, result in report.results.items()}
    assert states == {
        "bad": TaskState.FAILED,
        "needs": TaskState.SKIPPED,
        "needs_too": TaskState.SKIPPED,
        "free": TaskState.SUCCEEDED,
    }
    assert report.results["bad"].error == "it exited with code 3: why"
    assert report.results["bad"].output == "out\n"
    assert not report.ok
    assert (report.succeeded, report.failed, report.skipped) == (1, 1, 2)


def test_dependants_of_an_uncritical_failure_go_on(tmp_path: Path) -> None:
    tasks = [
        SpawnTask("exit 1", "sh", id="bad", critical=False),
        SpawnTask("x", id="after", depends_on=("bad",)),
    ]
    report = execute(tmp_path, tasks)
    assert report.results["after"].success
    assert "failed" in report.results["after"].output


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("exit 0", "it exited without an answer"),
        ("kill -9 $$", "it was ended by signal 9"),
        ("echo fine; exit 4", "it exited with code 4"),
    ],
)
def test_an_exit_code_alone_is_no_evidence(tmp_path: Path, script: str, error: str) -> None:
    result = execute(tmp_path, [SpawnTask(script, "sh")]).results["1"]
    assert result.state is TaskState.FAILED
    assert result.error == error


def test_an_answer_that_was_not_kept_whole_is_no_evidence(tmp_path: Path) -> None:
    end = AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="half of it", stdout_bytes=10, lost_bytes=7)
    result = execute(tmp_path, [SpawnTask("go", "sh")], executor=SimulatedExecutor(agent=lambda _: end)).results["1"]
    assert result.state is TaskState.FAILED
    assert result.error == "7 bytes of what it printed are lost, the disk was full; make room and try it again"


def test_declared_files_must_exist(tmp_path: Path) -> None:
    tasks = [
        SpawnTask("echo done; touch made.txt", "sh", id="a", files=("made.txt", "*.txt")),
        SpawnTask("echo done", "sh", id="b", files=("never.txt",)),
    ]
    report = execute(tmp_path, tasks)
    assert report.results["a"].success
    assert report.results["b"].error == "declared files are missing: never.txt"


@pytest.mark.parametrize("name", ["x" * 300, "a**b", "[", "{folder}/made/*.absent", "made/" * 900])
def test_a_declared_file_that_cannot_be_is_missing_and_no_fault(tmp_path: Path, name: str) -> None:
    report = execute(tmp_path, [SpawnTask("hi", files=(name.format(folder=tmp_path),))])
    assert "declared files are missing" in (report.results["1"].error or "")


@pytest.mark.parametrize("name", ["made/a.md", "**/*.md", "*/a.*", ".hidden/*", "{folder}/made/*.md", "made/b[1].md"])
def test_a_declared_file_may_be_a_path_or_a_pattern(tmp_path: Path, name: str) -> None:
    script = "mkdir made .hidden; touch made/a.md 'made/b[1].md' .hidden/c; echo made"
    report = execute(tmp_path, [SpawnTask(script, "sh", files=(name.format(folder=tmp_path),))])
    assert report.ok, report.results


def test_the_time_limit_ends_everything_the_agent_started(tmp_path: Path) -> None:
    script = "setsid sleep 299 & echo $!; trap '' TERM; sleep 299"
    result = execute(tmp_path, [SpawnTask(script, "sh", timeout_s=0.3)]).results["1"]
    assert result.termination_reason == "deadline"
    assert "time limit" in (result.error or "")
    assert not alive(result.output.strip())


def test_a_program_that_is_not_there_fails_its_task_with_its_name(tmp_path: Path) -> None:
    report = execute(tmp_path, [SpawnTask("x", "missing"), SpawnTask("x")])
    assert "no-such-program-anywhere is not on PATH" in (report.results["1"].error or "")
    assert report.results["2"].success


def test_an_unknown_agent_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="there are: echo, missing, sh"):
        make_run(tmp_path, [SpawnTask("x", "nobody")])
    assert not (tmp_path / "runs.db").exists()


def test_a_cycle_is_refused_before_anything_runs(tmp_path: Path) -> None:
    tasks = [SpawnTask("x", id="a", depends_on=("b",)), SpawnTask("x", id="b", depends_on=("a",))]
    with pytest.raises(GraphError, match="depends on itself"):
        make_run(tmp_path, tasks)


def test_no_more_than_the_limit_run_at_once(tmp_path: Path) -> None:
    running = most = 0

    def count(event: RunEvent) -> None:
        nonlocal running, most
        running += {TaskStarted: 1, TaskEnded: -1}.get(type(event), 0)
        most = max(most, running)

    tasks = [SpawnTask("sleep 0.05; echo", "sh") for _ in range(6)] + [SpawnTask("echo x", "sh")]
    make_run(tmp_path, tasks, max_concurrent=3).execute_sync(count)
    assert most == 3


def test_the_journal_tells_what_happened_in_order(tmp_path: Path) -> None:
    execute(tmp_path, [SpawnTask("hello", id="a")])
    kinds = [row[0] for row in journal_rows(tmp_path, "SELECT kind FROM events ORDER BY seq")]
    assert kinds == [
        "run_created",
        "tasks_added",
        "run_taken",
        "attempt_intended",
        "attempt_started",
        "attempt_ended",
        "task_settled",
        "run_ended",
    ]
    assert journal_rows(tmp_path, "SELECT state, holder FROM runs") == [("succeeded", None)]
    assert journal_rows(tmp_path, "SELECT task_id, state, attempts FROM tasks") == [("a", "succeeded", 1)]


async def test_a_cancelled_caller_leaves_no_agent(tmp_path: Path) -> None:
    run = make_run(tmp_path, [SpawnTask("echo $$ > pid; sleep 299", "sh")])
    started = asyncio.Event()
    task = asyncio.create_task(run.execute(lambda event: started.set() if isinstance(event, TaskStarted) else None))
    await started.wait()
    pid = await asyncio.to_thread(read_when_there, tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)
    assert journal_rows(tmp_path, "SELECT state FROM runs") == [("interrupted",)]


COORDINATOR = """
    import sys
    from pathlib import Path
    from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
    from aurora_spawner.supervision.local_executor import LocalExecutor
    folder = Path(sys.argv[1])
    run = Run.create(
        folder / "runs.db",
        [SpawnTask(sys.argv[2]) for _ in "1234"],
        {"sh": CommandBackend("sh", ("sh",))},
        RunOptions(default_agent="sh", max_concurrent=2, cwd=folder, spool=folder / "runs",
        executor=LocalExecutor(grace_s=0.3),)
    )
    report = run.execute_sync()
    print(report.interrupted, report.cancelled, flush=True)
    sys.exit(130 if report.interrupted else 0)
"""


STUBBORN = "echo $$ >> pids; trap '' TERM; setsid sleep 299 & echo $! >> pids; wait; sleep 299"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_without_leftovers(tmp_path: Path, number: signal.Signals) -> None:
    with WarmPopen(
        [sys.executable, "-c", textwrap.dedent(COORDINATOR), str(tmp_path), STUBBORN],
        stdout=subprocess.PIPE,
        text=True,
    ) as coordinator:
        pids = tmp_path / "pids"
        while len(read_when_there(pids).split()) < 4:
            time.sleep(0.01)
        coordinator.send_signal(number)
        if number is signal.SIGINT:
            coordinator.send_signal(number)  # the second one does not wait for the grace
        output, _ = coordinator.communicate(timeout=30)
    assert output.split() == ["True", "4"]
    assert coordinator.returncode == 130
    assert not [pid for pid in pids.read_text().split() if alive(pid)]
    assert journal_rows(tmp_path, "SELECT state FROM runs") == [("interrupted",)]
    reasons = journal_rows(tmp_path, "SELECT reason FROM attempts")
    assert reasons == [("cancelled",), ("cancelled",)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_ignored_signal_does_not_end_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """As under `nohup`, and for SIGINT in the background of a script."""
    ignoring = f"import signal\nsignal.signal({int(number)}, signal.SIG_IGN)\n"
    agent = "echo $$ >> pids; until [ -e go ]; do sleep 0.02; done; echo done"
    with WarmPopen(
        [sys.executable, "-c", ignoring + textwrap.dedent(COORDINATOR), str(tmp_path), agent],
        stdout=subprocess.PIPE,
        text=True,
    ) as coordinator:
        read_when_there(tmp_path / "pids")
        coordinator.send_signal(number)
        time.sleep(0.2)  # an ending would be under way
        (tmp_path / "go").touch()
        output, _ = coordinator.communicate(timeout=30)
    assert (output.split(), coordinator.returncode) == (["False", "0"], 0)
    assert journal_rows(tmp_path, "SELECT state FROM runs") == [("succeeded",)]


def test_spawn_needs_no_journal(tmp_path: Path) -> None:
    result = asyncio.run(spawn(SpawnTask("hello"), backends=BACKENDS, cwd=tmp_path))
    assert result.output == "hello"
    assert not list(tmp_path.iterdir())


async def test_spawn_parallel_answers_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    tasks = [SpawnTask("sleep 0.1; echo slow", "sh"), SpawnTask("echo fast", "sh")]
    results = await spawn_parallel(tasks, backends=BACKENDS, cwd=tmp_path)
    assert [result.output for result in results] == ["slow\n", "fast\n"]


async def test_spawn_sequential_passes_results_on_and_goes_past_failures(tmp_path: Path) -> None:
    tasks = [SpawnTask("first"), SpawnTask("exit 1", "sh"), SpawnTask("third")]
    first, second, third = await spawn_sequential(tasks, backends=BACKENDS, cwd=tmp_path)
    assert (first.success, second.success, third.success) == (True, False, True)
    assert "task 2 (agent sh, failed" in third.output


async def test_spawn_sequential_stops_on_demand(tmp_path: Path) -> None:
    tasks = [SpawnTask("exit 1", "sh"), SpawnTask("second")]
    results = await spawn_sequential(tasks, backends=BACKENDS, cwd=tmp_path, stop_on_failure=True)
    assert [result.state for result in results] == [TaskState.FAILED, TaskState.SKIPPED]


async def test_spawn_sequential_may_keep_results_apart(tmp_path: Path) -> None:
    results = await spawn_sequential(
        [SpawnTask("first"), SpawnTask("second")], backends=BACKENDS, cwd=tmp_path, pass_context=False
    )
    assert [result.output for result in results] == ["first", "second"]


def test_a_watcher_that_raises_ends_the_run_and_its_agents(tmp_path: Path) -> None:
    run = make_run(tmp_path, [SpawnTask("echo $$ > pid; sleep 299", "sh")])

    def raise_on_start(event: RunEvent) -> None:
        if isinstance(event, TaskStarted):
            read_when_there(tmp_path / "pid")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run.execute_sync(raise_on_start)
    assert not alive((tmp_path / "pid").read_text().strip())


def test_starts_are_spaced_and_agents_limited(tmp_path: Path) -> None:
    begun: list[float] = []
    running = most = 0

    def watch(event: RunEvent) -> None:
        nonlocal running, most
        if isinstance(event, TaskStarted):
            begun.append(time.monotonic())
        running += {TaskStarted: 1, TaskEnded: -1}.get(type(event), 0)
        most = max(most, running)

    tasks = [SpawnTask("sleep 0.1; echo x", "sh") for _ in range(4)]
    run = make_run(tmp_path, tasks, start_rate_per_s=20.0, agent_limits={"sh": 2})
    assert run.execute_sync(watch).ok
    assert most <= 2
    assert begun[-1] - begun[0] >= 3 / 20 - 0.02


@pytest.mark.parametrize("watched", [True, False])
def test_a_last_result_that_cannot_be_written_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """With a watcher its telling waits for the result, without one nothing does but the end of the run."""
    run = make_run(tmp_path, [SpawnTask("first", id="1"), SpawnTask("second", id="2", depends_on=("1",))])
    append = Journal.append

    def refuse_the_last(self: Journal, entries: Sequence[Entry], *, lease: str | None = None) -> None:
        if any(kind == "task_settled" and task_id == "2" for _run, task_id, kind, *_rest in entries):
            raise JournalError(self.path, "the disk is full")
        append(self, entries, lease=lease)

    told: list[RunEvent] = []
    monkeypatch.setattr(Journal, "append", refuse_the_last)
    with pytest.raises(JournalError, match="disk is full"):
        run.execute_sync(told.append if watched else None)
    monkeypatch.undo()
    assert not any(isinstance(event, TaskEnded) and event.task_id == "2" for event in told)
    report = Run.resume(run.journal, run.run_id, BACKENDS).execute_sync()
    assert report.ok
    (ended,) = journal_rows(tmp_path, "SELECT count(*) FROM events WHERE kind = 'task_settled' AND task_id = '2'")
    assert ended == (1,)
