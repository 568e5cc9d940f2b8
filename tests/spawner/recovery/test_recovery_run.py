"""Runs that recover: retries, fallbacks, breakers, rate limits, stalls, with real processes and a real journal."""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.warm_python import WarmPopen, run_warm

from aurora_spawner import (
    CommandBackend,
    Run,
    RunEvent,
    RunOptions,
    RunReport,
    SpawnTask,
    TaskState,
)
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.backends.base import Backend
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.rate_limits.gate_store import ProviderStore
from aurora_spawner.recovery.policy import BatchAction, RecoveryPolicy
from aurora_spawner.recovery.policy_parts import BreakerPolicy, EarlyDetection, TimeoutPolicy
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import NOT_PICKED
from aurora_spawner.tasks.run_events import (
    BatchTripped,
    RunPaused,
    RunUnpaused,
    TaskDeferred,
    TaskEnded,
    TaskEvent,
    TaskRetried,
    TaskStalled,
    TaskStarted,
)
from aurora_spawner.testing import SimulatedExecutor, echo

QUICK = RecoveryPolicy(base_delay=0.01, max_delay=0.02)
SH = CommandBackend("sh", ("sh",))
BACKENDS: Mapping[str, Backend] = {
    "sh": SH,
    "other": CommandBackend("other", ("sh", "-c", "echo by other")),
    "broken": CommandBackend("broken", ("sh", "-c", "echo broken >&2; exit 3")),
    "model": CommandBackend("model", ("sh", "-c", "echo by model")),
    "local": CommandBackend("local", ("sh", "-c", "echo by local")),
    "missing": CommandBackend("missing", ("no-such-program-anywhere",)),
}
FLAKY = "n=$(cat {0}.n 2>/dev/null || echo 0); echo $((n + 1)) > {0}.n; [ $n -ge {1} ] && echo done || exit 3"
"""Fails so many times, then answers."""


class Recorder:
    """Keeps the events of a run."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []

    def __call__(self, event: RunEvent) -> None:
        self.events.append(event)

    def kinds(self, task_id: str | None = None) -> list[type[RunEvent]]:
        about = [each for each in self.events if isinstance(each, TaskEvent) and each.task_id == task_id]
        return [type(event) for event in (self.events if task_id is None else about)]


def make(folder: Path, tasks: list[SpawnTask], recovery: RecoverySettings | RecoveryPolicy, **options: Any) -> Run:
    settings = recovery if isinstance(recovery, RecoverySettings) else RecoverySettings(policy=recovery)
    backends = options.pop("backends", BACKENDS)
    return Run.create(
        folder / "runs.db",
        tasks,
        backends,
        RunOptions(
            cwd=folder,
            spool=folder / "runs",
            recovery=replace(settings, state_dir=settings.state_dir and folder / "state"),
            **{"default_agent": "sh", "executor": LocalExecutor(grace_s=0.3), **options},
        ),
    )


def run(
    folder: Path, tasks: list[SpawnTask], recovery: RecoverySettings | RecoveryPolicy, **options: Any
) -> RunReport:
    on_event = options.pop("on_event", None)
    report = make(folder, tasks, recovery, **options).execute_sync(on_event)
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    return report


def paths(folder: Path) -> dict[str, list[str]]:
    """The states that each task went through, from the journal."""
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        rows = connection.execute("SELECT task_id, changes FROM recoveries").fetchall()
    return {task_id: [change["to_state"] for change in json.loads(changes)] for task_id, changes in rows}


def test_a_healthy_task_takes_the_plain_path(tmp_path: Path) -> None:
    report = run(tmp_path, [SpawnTask("echo hi")], QUICK)
    assert report.results["1"].output == "hi\n"
    assert paths(tmp_path) == {"1": ["executing", "succeeded"]}
    assert not report.results["1"].fallback


def test_a_retry_heals(tmp_path: Path) -> None:
    recorder = Recorder()
    report = run(tmp_path, [SpawnTask(FLAKY.format("a", 2))], QUICK, on_event=recorder)
    result = report.results["1"]
    assert result.success
    assert result.retry_count == 2
    assert paths(tmp_path)["1"] == [
        "executing",
        "retry_pending",
        "retrying",
        "retry_pending",
        "retrying",
        "succeeded",
    ]
    assert recorder.kinds("1") == [
        TaskStarted,
        TaskRetried,
        TaskStarted,
        TaskRetried,
        TaskStarted,
        TaskEnded,
    ]
    assert "retry 1 of 2" in str(recorder.events[2].message)


def test_the_chain_comes_after_the_retries(tmp_path: Path) -> None:
    settings = RecoverySettings(policy=QUICK, fallbacks={"sh": ("broken", "other")})
    result = run(tmp_path, [SpawnTask("exit 3")], settings).results["1"]
    assert result.output == "by other\n"
    assert (result.fallback, result.original_agent, result.agent, result.retry_count) == (True, "sh", "other", 2)
    assert paths(tmp_path)["1"][-4:] == ["fallback_executing", "fallback_pending", "fallback_executing", "succeeded"]


def test_a_model_ends_the_chain_and_the_local_agent_only_where_asked(tmp_path: Path) -> None:
    tasks = [SpawnTask("exit 3")]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert run(tmp_path / "a", tasks, replace(QUICK, max_retries=0)).results["1"].output == "by model\n"
    local = replace(QUICK, max_retries=0, fallback_to_llm=False, fallback_to_local=True)
    assert run(tmp_path / "b", tasks, local).results["1"].output == "by local\n"


def test_without_any_fallback_the_last_error_stays(tmp_path: Path) -> None:
    policy = replace(QUICK, fallback_to_llm=False, max_retries=1)
    result = run(tmp_path, [SpawnTask("echo why >&2; exit 3")], policy).results["1"]
    assert result.error == "it exited with code 3: why"
    assert (result.success, result.fallback, result.original_agent, result.retry_count) == (False, False, None, 1)
    assert paths(tmp_path)["1"][-1] == "failed"


def test_a_program_that_is_not_there_falls_back_at_once(tmp_path: Path) -> None:
    result = run(tmp_path, [SpawnTask("x", "missing")], QUICK).results["1"]
    assert (result.output, result.original_agent, result.retry_count) == ("by model\n", "missing", 0)


def test_dependants_start_after_the_recovery(tmp_path: Path) -> None:
    tasks = [SpawnTask(FLAKY.format("a", 1), id="a"), SpawnTask("cat", "sh", id="b", depends_on=("a",))]
    assert run(tmp_path, tasks, QUICK).ok


def test_a_waiting_retry_holds_no_slot(tmp_path: Path) -> None:
    policy = RecoveryPolicy(base_delay=0.6, jitter=False, circuit_breaker_enabled=False)
    recorder = Recorder()
    tasks = [SpawnTask(FLAKY.format("a", 1), priority=9), *(SpawnTask("echo x") for _ in range(3))]
    report = run(tmp_path, tasks, policy, max_concurrent=1, on_event=recorder)
    assert report.ok
    ended = [event.task_id for event in recorder.events if isinstance(event, TaskEnded)]
    assert ended == ["2", "3", "4", "1"]


def test_an_open_circuit_sends_tasks_around(tmp_path: Path) -> None:
    policy = replace(QUICK, max_retries=0, breaker=BreakerPolicy(failure_threshold=2))
    tasks = [SpawnTask("x", "broken") for _ in range(4)]
    report = run(tmp_path, tasks, policy, max_concurrent=1)
    assert [result.output for result in report.results.values()] == ["by model\n"] * 4
    found = paths(tmp_path)
    assert found["1"][0] == found["2"][0] == "executing"
    assert found["3"] == found["4"] == ["circuit_open", "fallback_executing", "succeeded"]


def test_a_breaker_without_anybody_else_fails_its_tasks(tmp_path: Path) -> None:
    policy = replace(QUICK, max_retries=0, fallback_to_llm=False)
    report = run(tmp_path, [SpawnTask("x", "broken") for _ in range(3)], policy, max_concurrent=1)
    assert report.results["3"].error == "agent broken is left alone after failures: its circuit is open"
    assert paths(tmp_path)["3"] == ["circuit_open", "failed"]


LIMITED = """
n=$(cat limited.n 2>/dev/null || echo 0); echo $((n + 1)) > limited.n
if [ $n -lt {0} ]; then echo 'HTTP 429 Too Many Requests' >&2; echo 'retry-after: 0.2' >&2; exit 1; fi
echo fine
"""


def test_a_rate_limit_costs_no_attempt(tmp_path: Path) -> None:
    recorder = Recorder()
    tasks = [SpawnTask(LIMITED.format(3)) for _ in range(4)]
    report = run(tmp_path, tasks, QUICK, on_event=recorder, max_concurrent=2)
    assert report.ok
    assert {result.retry_count for result in report.results.values()} == {0}
    assert TaskDeferred in recorder.kinds()
    assert not any(result.fallback for result in report.results.values())
    with ProviderStore(tmp_path / "state") as store:
        assert [gate.state for gate in store.gates()] == ["ramping"]


NEVER = "echo x >> asked; echo 'HTTP 503: overloaded_error' >&2; echo 'retry-after: 0.2' >&2; exit 1"


def test_a_provider_that_never_answers_is_left_by_all_its_tasks(tmp_path: Path) -> None:
    recorder = Recorder()
    policy = replace(QUICK, max_provider_wait=0.5)
    tasks = [SpawnTask(NEVER) for _ in range(6)]
    report = run(tmp_path, tasks, policy, max_concurrent=2, on_event=recorder)
    assert [result.output for result in report.results.values()] == ["by model\n"] * 6
    assert {result.retry_count for result in report.results.values()} == {0}
    assert len((tmp_path / "asked").read_text().split()) <= 6
    alone = replace(policy, fallback_to_llm=False)
    report = run(tmp_path, tasks, alone, max_concurrent=2)
    assert len({result.error for result in report.results.values()}) == 1
    assert "max_provider_wait (0.5 s)" in str(report.results["6"].error)


def test_the_wait_so_far_survives_a_kill(tmp_path: Path) -> None:
    """A coordinator that is killed while it waits leaves its count to the next."""
    script = tmp_path / "waiting.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask\n"
        "folder = Path(sys.argv[1])\n"
        "settings = RecoverySettings(policy=RecoveryPolicy(max_provider_wait=3.0), state_dir=folder / 'state')\n"
        f"run = Run.create(folder / 'runs.db', [SpawnTask({NEVER!r})], {{'sh': CommandBackend('sh', ('sh',))}},\n"
        "    RunOptions(default_agent='sh', cwd=folder, spool=folder / 'runs', recovery=settings))\n"
        "(folder / 'run_id').write_text(run.run_id); run.execute_sync()\n"
    )
    with WarmPopen([sys.executable, str(script), str(tmp_path)]) as coordinator:
        while not (tmp_path / "asked").exists() or len((tmp_path / "asked").read_text().split()) < 4:
            assert coordinator.poll() is None
            time.sleep(0.02)
        coordinator.kill()
    with ProviderStore(tmp_path / "state") as store:
        (gate,) = store.gates()
    assert gate.waited_s >= 0.4
    settings = RecoverySettings(
        policy=RecoveryPolicy(max_provider_wait=gate.waited_s + 0.1), state_dir=tmp_path / "state"
    )
    before = len((tmp_path / "asked").read_text().split())
    resumed = Run.resume(tmp_path / "runs.db", (tmp_path / "run_id").read_text(), {"sh": SH}, recovery=settings)
    error = str(resumed.execute_sync().results["1"].error)
    assert " pause" in error
    assert "exceeds max_provider_wait" in error
    assert len((tmp_path / "asked").read_text().split()) <= before + 1


def test_a_paused_provider_leaves_slots_to_others(tmp_path: Path) -> None:
    recorder = Recorder()
    slow = LIMITED.format(1).replace("0.2", "0.7")
    tasks = [SpawnTask(slow, priority=9), *(SpawnTask("x", "other") for _ in range(3))]
    assert run(tmp_path, tasks, QUICK, on_event=recorder, max_concurrent=1).ok
    ended = [event.task_id for event in recorder.events if isinstance(event, TaskEnded)]
    assert ended == ["2", "3", "4", "1"]


def test_two_runs_in_two_projects_wait_together(tmp_path: Path) -> None:
    began = time.time()
    with ProviderStore(tmp_path / "state") as store:
        store.limited("shared", began=began, retry_after_s=0.8, reason="429 in the other project")
    backends = {"sh": CommandBackend("sh", ("sh",), provider="shared")}
    settings = RecoverySettings(policy=QUICK)
    report = run(tmp_path, [SpawnTask("echo x")], settings, backends=backends)
    assert report.ok
    assert report.results["1"].started_at is not None
    assert report.results["1"].started_at - began >= 0.8


def test_a_refused_key_stops_the_provider_with_one_message(tmp_path: Path) -> None:
    policy = replace(QUICK, fallback_to_llm=False)
    tasks = [SpawnTask("echo 'Error: 401 Unauthorized' >&2; exit 1") for _ in range(5)]
    report = run(tmp_path, tasks, policy, max_concurrent=1)
    errors = {result.error for result in report.results.values()}
    assert len(errors) == 1
    assert "sign in" in errors.pop().__str__()
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (1,)


def test_a_refused_key_falls_back_to_another_agent(tmp_path: Path) -> None:
    tasks = [SpawnTask("echo 'Error: 401 Unauthorized' >&2; exit 1") for _ in range(3)]
    report = run(tmp_path, tasks, QUICK, max_concurrent=1)
    assert [result.output for result in report.results.values()] == ["by model\n"] * 3
    assert paths(tmp_path)["3"] == ["circuit_open", "fallback_executing", "succeeded"]


def test_a_new_run_asks_a_stopped_provider_once_more(tmp_path: Path) -> None:
    refused = "[ -e signed_in ] && echo ok || { echo 'Error: 401 Unauthorized' >&2; exit 1; }"
    policy = replace(QUICK, fallback_to_llm=False, circuit_breaker_enabled=False)
    assert not run(tmp_path, [SpawnTask(refused)], policy).ok
    (tmp_path / "signed_in").write_text("")
    assert run(tmp_path, [SpawnTask(refused) for _ in range(3)], policy).ok


def test_callbacks_are_called_and_those_that_raise_harm_nothing(tmp_path: Path) -> None:
    called: list[tuple[Any, ...]] = []

    async def on_fallback(agent: str, error: str) -> None:
        await asyncio.sleep(0)
        called.append(("fallback", agent, error))

    def on_retry(agent: str, attempt: int, error: str) -> None:
        called.append(("retry", agent, attempt))
        raise ValueError("of the callback")

    policy = replace(QUICK, on_retry=on_retry, on_fallback=on_fallback, max_retries=1)
    report = run(tmp_path, [SpawnTask("exit 3")], policy)
    assert report.ok
    assert called == [("retry", "sh", 1), ("fallback", "sh", "it exited with code 3")]
    assert report.notices == ("the callback on_retry raised ValueError: of the callback",)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        query = "SELECT count(*) FROM events WHERE kind = 'callback_failed'"
        assert connection.execute(query).fetchone() == (1,)


def test_a_failed_recovery_is_reported(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    policy = replace(
        QUICK,
        max_retries=0,
        fallback_to_llm=False,
        on_recovery_failed=lambda agent, error: told.append((agent, error)),
    )
    run(tmp_path, [SpawnTask("exit 3")], policy)
    assert told == [("sh", "it exited with code 3")]


def test_a_callback_is_called_when_its_reason_is_durable(tmp_path: Path) -> None:
    """Among many tasks at once, each of which lets others start when it fails."""
    query = (
        "SELECT count(*) FROM events WHERE kind = 'recovery_transition' AND task_id = ?"
        " AND json_extract(payload, '$.change.to_state') = ?"
    )
    durable: list[int] = []

    def on_state_change(task_id: str, _agent: str, _before: object, after: object) -> None:
        if str(after) in ("retry_pending", "succeeded"):
            with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
                durable.extend(connection.execute(query, (task_id, str(after))).fetchone())

    def fails_once(order: AttemptOrder) -> AttemptEnd:
        return echo(order) if order.number > 1 else AttemptEnd(reason=EndReason.EXITED, exit_code=3)

    settings = RecoverySettings(policy=replace(QUICK, base_delay=0.0), on_state_change=on_state_change)
    tasks = [SpawnTask(f"task {number}") for number in range(12)]
    run(tmp_path, tasks, settings, executor=SimulatedExecutor(agent=fails_once), max_concurrent=3)
    assert durable == [1] * 24


def test_every_change_is_reported_as_it_happens(tmp_path: Path) -> None:
    seen: list[tuple[str, str, str, str]] = []
    settings = RecoverySettings(policy=QUICK, on_state_change=lambda *change: seen.append(tuple(map(str, change))))  # type: ignore[arg-type]
    run(tmp_path, [SpawnTask(FLAKY.format("a", 1))], settings)
    assert seen == [
        ("1", "sh", "initial", "executing"),
        ("1", "sh", "executing", "retry_pending"),
        ("1", "sh", "retry_pending", "retrying"),
        ("1", "sh", "retrying", "succeeded"),
    ]


def test_an_override_holds_for_its_agent_alone(tmp_path: Path) -> None:
    policy = replace(QUICK, max_retries=0, fallback_to_llm=False).with_override("sh", max_retries=1)
    report = run(tmp_path, [SpawnTask("exit 3"), SpawnTask("x", "broken")], policy)
    assert [result.retry_count for result in report.results.values()] == [1, 0]


def test_too_many_failures_skip_the_rest(tmp_path: Path) -> None:
    policy = RecoveryPolicy.no_recovery()
    policy = replace(policy, max_failure_rate=0.5, min_batch=3, on_batch_failure=BatchAction.SKIP)
    policy = replace(policy, circuit_breaker_enabled=False)
    report = run(tmp_path, [SpawnTask("exit 3") for _ in range(10)], policy, max_concurrent=1)
    assert (report.failed, report.skipped) == (3, 7)
    assert report.results["10"].error == "skipped, because 3 of 3 tasks failed, more than 50%"
    assert "the rest was skipped" in report.notices[0]


def candidates(monkeypatch: pytest.MonkeyPatch, script: str, **fields: Any) -> SpawnTask:
    """Return a task with candidates that need no worktrees, as they would if they wrote files."""
    monkeypatch.setattr("aurora_spawner.runs.run.check_places", lambda *_tasks, **_places: None)
    return SpawnTask(script, id="c", candidates=2, **fields)


@pytest.mark.parametrize("asked", [False, True])
def test_what_is_skipped_is_no_task_whose_candidates_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    async def no(_reason: str) -> bool:
        return False

    def follow(event: RunEvent) -> None:
        if isinstance(event, TaskEnded) and event.task_id == "late":
            (tmp_path / "go").touch()

    choice = candidates(monkeypatch, "until test -e go; do sleep 0.02; done; echo done")
    tasks = [choice, SpawnTask("exit 3"), SpawnTask("exit 3"), SpawnTask("echo x", id="late")]
    policy = BATCH if asked else replace(BATCH, on_batch_failure=BatchAction.SKIP)
    settings = RecoverySettings(policy=policy, on_batch_held=no if asked else None)
    report = run(tmp_path, tasks, settings, max_concurrent=3, on_event=follow)
    assert (report.results["c"].state, report.results["c"].output) == (TaskState.SUCCEEDED, "done\n")
    assert report.results["late"].state is TaskState.SKIPPED


@pytest.mark.parametrize("asked", [False, True])
def test_a_task_whose_candidates_are_skipped_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    async def no(_reason: str) -> bool:
        return False

    policy = BATCH if asked else replace(BATCH, on_batch_failure=BatchAction.SKIP)
    settings = RecoverySettings(policy=policy, on_batch_held=no if asked else None)
    tasks = [SpawnTask("exit 3"), SpawnTask("exit 3"), candidates(monkeypatch, "echo done")]
    result = run(tmp_path, tasks, settings, max_concurrent=1).results["c"]
    assert (result.state, result.error) == (
        TaskState.SKIPPED,
        "skipped, because 2 of 2 tasks failed, more than 50%",
    )


def test_a_task_counts_once_however_many_candidates_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = replace(BATCH, on_batch_failure=BatchAction.SKIP)
    tasks = [candidates(monkeypatch, "echo done"), SpawnTask("exit 3"), SpawnTask("exit 3"), SpawnTask("echo x")]
    report = run(tmp_path, tasks, policy, max_concurrent=1)
    assert report.notices == ("2 of 3 tasks failed, more than 50%; the rest was skipped",)


def test_a_task_that_waits_for_your_pick_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = replace(BATCH, max_failure_rate=0.0, min_batch=1)
    tasks = [candidates(monkeypatch, "echo done", pick="ask"), SpawnTask("echo x", id="x")]
    report = run(tmp_path, tasks, policy, max_concurrent=1)
    assert report.notices == ()
    assert report.results["c"].termination_reason == NOT_PICKED
    assert report.results["x"].success


@pytest.mark.parametrize(("answer", "failed"), [(True, 8), (False, 3)])
def test_the_user_may_be_asked_about_the_rest(tmp_path: Path, answer: bool, failed: int) -> None:
    asked: list[str] = []

    def ask(reason: str) -> bool:
        asked.append(reason)
        return answer

    policy = replace(RecoveryPolicy.no_recovery(), max_failure_rate=0.5, min_batch=3, circuit_breaker_enabled=False)
    settings = RecoverySettings(policy=policy, on_batch_held=ask)
    report = run(tmp_path, [SpawnTask("exit 3") for _ in range(8)], settings, max_concurrent=1)
    assert report.failed == failed
    assert asked[0] == "3 of 3 tasks failed, more than 50%"


BATCH = replace(RecoveryPolicy.no_recovery(), max_failure_rate=0.5, min_batch=2, circuit_breaker_enabled=False)


@pytest.mark.parametrize(
    ("answer", "counts", "said"), [(True, (3, 1, 0), "continued"), (False, (3, 0, 1), "skipped")]
)
def test_attempts_go_on_while_the_user_thinks(
    tmp_path: Path, answer: bool, counts: tuple[int, int, int], said: str
) -> None:
    recorder, ended = Recorder(), asyncio.Event()

    def follow(event: RunEvent) -> None:
        recorder(event)
        if isinstance(event, TaskEnded) and event.task_id == "slow":
            ended.set()

    async def ask(_reason: str) -> bool:
        await ended.wait()
        return answer

    tasks = [SpawnTask("sleep 1; exit 3", id="slow"), SpawnTask("exit 3"), SpawnTask("exit 3"), SpawnTask("echo x")]
    settings = RecoverySettings(policy=BATCH, on_batch_held=ask)
    report = run(tmp_path, tasks, settings, on_event=follow, max_concurrent=2)
    assert (report.failed, report.succeeded, report.skipped) == counts
    assert report.notices == (f"2 of 2 tasks failed, more than 50%; the rest was {said}",)
    kinds = recorder.kinds()
    assert kinds.index(BatchTripped) < kinds.index(RunPaused)
    assert (RunUnpaused in kinds) is answer


async def test_a_question_is_withdrawn_when_the_run_ends(tmp_path: Path) -> None:
    asked, withdrawn = asyncio.Event(), asyncio.Event()

    async def ask(_reason: str) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            withdrawn.set()

    tasks = [SpawnTask("exit 3") for _ in range(4)]
    made = make(tmp_path, tasks, RecoverySettings(policy=BATCH, on_batch_held=ask), max_concurrent=1)
    running = asyncio.create_task(made.execute())
    await asyncio.wait_for(asked.wait(), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert withdrawn.is_set()


def test_a_question_that_fails_leaves_the_run_held(tmp_path: Path) -> None:
    async def ask(_reason: str) -> bool:
        raise OSError("no terminal any more")

    made = make(
        tmp_path,
        [SpawnTask("exit 3") for _ in range(4)],
        RecoverySettings(policy=BATCH, on_batch_held=ask),
        max_concurrent=1,
    )

    async def drive() -> RunReport:
        from aurora_spawner.control.steering import unpause_run

        blamed = asyncio.Event()
        running = asyncio.create_task(
            made.execute(lambda event: blamed.set() if isinstance(event, RunPaused) else None)
        )
        await blamed.wait()
        await asyncio.to_thread(unpause_run, tmp_path / "runs.db", made.run_id)
        return await running

    report = asyncio.run(drive())
    assert report.failed >= 3
    assert any("no terminal any more" in notice for notice in report.notices)


async def test_a_held_run_goes_on_when_the_user_says_so(tmp_path: Path) -> None:
    policy = replace(RecoveryPolicy.no_recovery(), max_failure_rate=0.5, min_batch=2, circuit_breaker_enabled=False)
    held = asyncio.Event()
    tasks = [SpawnTask("exit 3"), SpawnTask("exit 3"), SpawnTask("echo x")]
    made = make(tmp_path, tasks, policy, max_concurrent=1)
    running = asyncio.create_task(made.execute(lambda event: held.set() if isinstance(event, RunPaused) else None))
    await asyncio.wait_for(held.wait(), 20)
    from aurora_spawner.control.steering import run_status, unpause_run

    def wait_until_paused() -> None:
        while not run_status(tmp_path / "runs.db", made.run_id).paused:
            time.sleep(0.01)  # told before it is durable

    await asyncio.to_thread(wait_until_paused)
    await asyncio.to_thread(unpause_run, tmp_path / "runs.db", made.run_id)
    report = await running
    assert report.results["3"].success


def test_a_stalled_attempt_is_ended_and_recovered(tmp_path: Path) -> None:
    watch = EarlyDetection(threshold_s=1.0, terminate=True)
    policy = replace(QUICK, max_retries=0, early_detection=watch)
    recorder = Recorder()
    report = run(tmp_path, [SpawnTask("sleep 30")], policy, on_event=recorder)
    assert report.results["1"].output == "by model\n"
    told = next(event for event in recorder.events if isinstance(event, TaskStalled))
    assert "sleep" in str(told.message) or "no activity" in str(told.message)


def test_a_stall_is_only_reported_if_the_policy_does_not_end_it(tmp_path: Path) -> None:
    policy = replace(QUICK, early_detection=EarlyDetection(threshold_s=0.5))
    recorder = Recorder()
    report = run(tmp_path, [SpawnTask("sleep 2; echo done")], policy, on_event=recorder)
    assert report.results["1"].output == "done\n"
    assert recorder.kinds("1").count(TaskStalled) == 1


def test_a_progressive_limit_ends_who_is_quiet_and_extends_who_is_active(tmp_path: Path) -> None:
    limits = TimeoutPolicy(initial_s=1.0, max_timeout_s=20)
    policy = replace(RecoveryPolicy.no_recovery(), timeout=limits)
    busy = "for i in a b c d e f g h i j k l m n o; do echo step $i; sleep 0.2; done"
    report = run(tmp_path, [SpawnTask(busy), SpawnTask("sleep 30")], policy)
    assert report.results["1"].success
    assert report.results["2"].termination_reason == "deadline"
    assert "time limit" in str(report.results["2"].error)
    assert report.results["2"].execution_time < limits.max_timeout_s


def test_what_the_task_asks_for_comes_before_the_policy(tmp_path: Path) -> None:
    policy = replace(RecoveryPolicy.no_recovery(), timeout=TimeoutPolicy(initial_s=60))
    result = run(tmp_path, [SpawnTask("sleep 30", timeout_s=0.3)], policy).results["1"]
    assert result.termination_reason == "deadline"


def test_a_cancelled_task_is_not_recovered(tmp_path: Path) -> None:
    async def cancel_soon() -> RunReport:
        made = make(tmp_path, [SpawnTask("sleep 30")], QUICK)
        started = asyncio.Event()
        running = asyncio.create_task(
            made.execute(lambda event: started.set() if isinstance(event, TaskStarted) else None)
        )
        await asyncio.wait_for(started.wait(), 20)
        from aurora_spawner.control.steering import cancel_run

        await asyncio.to_thread(cancel_run, tmp_path / "runs.db", made.run_id, task_id="1")
        return await running

    report = asyncio.run(cancel_soon())
    assert report.results["1"].state is TaskState.CANCELLED
    assert paths(tmp_path)["1"] == ["executing", "failed"]


def test_provider_limits_that_cannot_be_stored_are_reported_and_harm_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "providers.db").write_text("certainly not a database" * 100)
    report = run(tmp_path, [SpawnTask(LIMITED.format(1)) for _ in range(2)], QUICK)
    assert report.ok
    assert "provider limits are not shared" in report.notices[0]


@pytest.mark.parametrize("asked", ["999999999999", "99999999999999999999", "1000000000000000000"])
def test_a_provider_that_asks_for_ages_fails_tasks_and_crashes_nothing(tmp_path: Path, asked: str) -> None:
    task = SpawnTask(LIMITED.format(9).replace("0.2", asked))
    settings = RecoverySettings(policy=replace(QUICK, fallback_to_llm=False), state_dir=tmp_path)
    report = run(tmp_path, [task], settings)
    assert str(report.results["1"].error).startswith("sh@")
    assert "exceeds max_provider_wait" in str(report.results["1"].error)
    again = run(tmp_path, [task], settings)
    assert "exceeds max_provider_wait" in str(again.results["1"].error), "what the first run kept harms no other"


async def test_status_says_until_when_a_provider_is_paused(tmp_path: Path) -> None:
    from aurora_spawner.control.steering import cancel_run, run_status

    deferred = asyncio.Event()
    made = make(tmp_path, [SpawnTask(LIMITED.format(9).replace("0.2", "60"))], QUICK)
    running = asyncio.create_task(
        made.execute(lambda event: deferred.set() if isinstance(event, TaskDeferred) else None)
    )
    await asyncio.wait_for(deferred.wait(), 20)
    status = await asyncio.to_thread(run_status, tmp_path / "runs.db", made.run_id)
    (gate,) = status.providers
    assert gate["state"] == "paused"
    assert 50 < gate["until"] - time.time() < 70
    assert "429" in gate["reason"]
    health = {each["agent"]: each["health"] for each in status.health}
    assert health == {"sh": "unavailable"}
    assert status.tasks == {"pending": 1}
    await asyncio.to_thread(cancel_run, tmp_path / "runs.db", made.run_id)
    assert (await running).cancelled == 1


def test_an_interrupted_run_keeps_its_retries(tmp_path: Path) -> None:
    """A run that ends in order while a task waits for its retry goes on there."""
    policy = RecoveryPolicy(base_delay=0.4, max_delay=0.4, jitter=False, fallback_to_llm=False)
    made = make(tmp_path, [SpawnTask(FLAKY.format("a", 2))], policy)

    async def interrupted() -> None:
        waits = asyncio.Event()
        running = asyncio.create_task(
            made.execute(lambda event: waits.set() if isinstance(event, TaskRetried) else None)
        )
        await asyncio.wait_for(waits.wait(), 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(interrupted())
    assert paths(tmp_path)["1"] == ["executing", "retry_pending"]
    again = Run.resume(tmp_path / "runs.db", made.run_id, BACKENDS, recovery=made.recovery)
    result = again.execute_sync().results["1"]
    assert result.success
    assert result.retry_count == 2


def test_an_attempt_begun_without_recovery_is_recovered_by_a_resume_that_has_it(tmp_path: Path) -> None:
    """The first coordinator knew nothing of recovery, and was killed while its agent ran."""
    program = f"""
import os, signal, sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.tasks.run_events import TaskStarted
folder = Path({str(tmp_path)!r})
run = Run.create(folder / "runs.db", [SpawnTask("sleep 0.5; exit 3")], {{"sh": CommandBackend("sh", ("sh",))}},
    RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs"))
(folder / "run_id").write_text(run.run_id)
run.execute_sync(lambda event: isinstance(event, TaskStarted) and os.kill(os.getpid(), signal.SIGKILL))
"""
    run_warm([sys.executable, "-c", program], timeout=30)
    settings = RecoverySettings(policy=QUICK, state_dir=None)
    again = Run.resume(tmp_path / "runs.db", (tmp_path / "run_id").read_text(), BACKENDS, recovery=settings)
    result = again.execute_sync().results["1"]
    assert result.output == "by model\n"
    assert paths(tmp_path)["1"][0] == "executing"


def test_a_task_that_is_run_again_begins_its_recovery_anew(tmp_path: Path) -> None:
    policy = replace(QUICK, max_retries=1, fallback_to_llm=False)
    made = make(tmp_path, [SpawnTask(FLAKY.format("a", 3))], policy)
    assert not made.execute_sync().ok
    again = Run.resume(tmp_path / "runs.db", made.run_id, BACKENDS, retry_failed=True, recovery=made.recovery)
    result = again.execute_sync().results["1"]
    assert result.success
    assert paths(tmp_path)["1"] == ["executing", "retry_pending", "retrying", "succeeded"]
