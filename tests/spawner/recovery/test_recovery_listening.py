"""What a running attempt tells of its provider counts while it runs."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from aurora_spawner import (
    CliBackend,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunEvent,
    RunOptions,
    SpawnTask,
    TaskState,
)
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.events import SessionStarted
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.liveness import output_listener
from aurora_spawner.liveness.output_listener import OutputFollower, signal_in
from aurora_spawner.rate_limits.gate import GateState
from aurora_spawner.rate_limits.gate_store import ProviderStore
from aurora_spawner.rate_limits.provider_signal import ProviderSignal
from aurora_spawner.tasks.run_events import ProviderPaused, TaskEnded

INIT = {"type": "system", "subtype": "init", "session_id": "s-1", "model": "m"}
RETRY = {
    "type": "system",
    "subtype": "api_retry",
    "attempt": 1,
    "max_retries": 1,
    "retry_delay_ms": 36_400,
    "error_status": 429,
    "error": "rate_limit",
}
SAID = {"type": "assistant", "message": {"model": "m", "content": [{"type": "text", "text": "I begin."}]}}
DONE = {"type": "result", "subtype": "success", "is_error": False, "result": "all done", "session_id": "s-1"}
UNTIL_SEEN = "n=0; while [ ! -e {} ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done; [ -e {} ] || exit 1"


def window(used: float, resets_at: float, **more: object) -> dict[str, object]:
    info = {"status": "allowed", "rateLimitType": "five_hour", "utilization": used, "resetsAt": resets_at, **more}
    return {"type": "rate_limit_event", "rate_limit_info": info}


def script(folder: Path, name: str, *steps: object) -> CliBackend:
    """An agent that prints events (objects) and runs commands (texts), one after the other."""
    lines = [f"echo '{json.dumps(step)}'" if isinstance(step, dict) else str(step) for step in steps]
    path = folder / f"{name}.sh"
    path.write_text("\n".join(("cat > /dev/null", *lines)) + "\n")
    return CliBackend(name=name, kind="claude", command=("sh", str(path)), named_provider="somebody")


def run(folder: Path, tasks: list[SpawnTask], *backends: CliBackend, at_once: int = 2) -> Run:
    return Run.create(
        folder / "runs.db",
        tasks,
        {backend.name: backend for backend in backends},
        RunOptions(
            default_agent=backends[0].name,
            max_concurrent=at_once,
            cwd=folder,
            spool=folder / "runs",
            recovery=RecoverySettings(
                policy=RecoveryPolicy(max_retries=0, fallback_to_llm=False), state_dir=folder / "state"
            ),
        ),
    )


def test_a_limit_pauses_its_account_while_the_agent_that_met_it_still_waits(tmp_path: Path) -> None:
    told = UNTIL_SEEN.format(tmp_path / "told", tmp_path / "told")
    agent = script(tmp_path, "agent", INIT, RETRY, told, SAID, DONE)
    events: list[RunEvent] = []

    def follow(event: RunEvent) -> None:
        events.append(event)
        if isinstance(event, ProviderPaused):
            (tmp_path / "told").touch()

    assert run(tmp_path, [SpawnTask("go")], agent).execute_sync(follow).ok
    (paused,) = [event for event in events if isinstance(event, ProviderPaused)]
    assert "rate-limiting (429): paused until" in paused.message
    assert 30 < paused.until - paused.at < 45, "as long as the provider said"
    assert events.index(paused) < next(place for place, each in enumerate(events) if isinstance(each, TaskEnded))


def test_the_first_answer_to_a_probe_opens_its_provider(tmp_path: Path) -> None:
    """The probe ends only after the second task has begun, which needs the provider open."""
    second = UNTIL_SEEN.format(tmp_path / "second", tmp_path / "second")
    probe = script(tmp_path, "probe", INIT, SAID, second, DONE)
    other = script(tmp_path, "other", f"touch {tmp_path / 'second'}", INIT, SAID, DONE)
    with ProviderStore(tmp_path / "state") as store:
        store.limited("somebody", began=0.0, retry_after_s=0.0, reason="429")
    tasks = [SpawnTask("go", "probe", priority=1), SpawnTask("go", "other")]
    report = run(tmp_path, tasks, probe, other).execute_sync()
    assert report.ok, [result.error for result in report.results.values()]
    with ProviderStore(tmp_path / "state") as store:
        assert store.gate("somebody").state is GateState.RAMPING


async def test_a_nearly_full_window_lets_nothing_more_start_and_what_runs_is_finished(tmp_path: Path) -> None:
    """The agent goes on once its window has counted; a third task, of another account, passes the second."""
    told = UNTIL_SEEN.format(tmp_path / "told", tmp_path / "told")
    first = script(tmp_path, "first", INIT, SAID, window(0.96, 4e9), told, DONE)
    other = replace(script(tmp_path, "other", INIT, SAID, DONE), named_provider="somebody else")
    tasks = [SpawnTask("go", id="one"), SpawnTask("go", id="two"), SpawnTask("go", "other", id="three")]
    run_of_three = run(tmp_path, tasks, first, other, at_once=1)
    paused: list[ProviderPaused] = []
    third_ended = asyncio.Event()

    def follow(event: RunEvent) -> None:
        if isinstance(event, ProviderPaused):
            paused.append(event)
            (tmp_path / "told").touch()
        elif isinstance(event, TaskEnded) and event.task_id == "three":
            third_ended.set()

    running = asyncio.create_task(run_of_three.execute(follow))
    await asyncio.wait_for(third_ended.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (notice,) = paused
    assert "somebody: 5-hour usage limit: paused until" in notice.message
    assert "96 % used" in notice.message
    with Journal(tmp_path / "runs.db") as journal:
        rows = {row.task_id: row for row in load_tasks(journal, run_of_three.run_id)}
    assert (rows["one"].state, rows["two"].state) == (TaskState.SUCCEEDED, TaskState.PENDING)
    assert not rows["two"].attempts


def test_more_that_may_be_bought_keeps_an_account_open(tmp_path: Path) -> None:
    line = json.dumps(window(1.0, 4e9, status="rejected", overageStatus="allowed")) + "\n"
    stdout = tmp_path / "stdout"
    stdout.write_text(line)
    assert signal_in(OutputFollower(DIALECTS["claude"], stdout).read()) is None
    stdout.write_text(json.dumps(window(1.0, 4e9, status="rejected", overageStatus="rejected")) + "\n")
    signal = signal_in(OutputFollower(DIALECTS["claude"], stdout).read())
    assert signal is not None
    assert (signal.windows[0].name, signal.windows[0].exhausted) == ("5-hour", True)


def test_an_output_that_is_not_there_or_is_garbage_tells_nothing(tmp_path: Path) -> None:
    assert signal_in(OutputFollower(DIALECTS["claude"], tmp_path / "none").read()) is None
    assert signal_in(OutputFollower(DIALECTS["claude"], tmp_path).read()) is None
    (tmp_path / "stdout").write_bytes(b'\xff\x00{"type": "rate_limit_event", "rate_limit_info": 7}\n[1]\n' * 100)
    assert signal_in(OutputFollower(DIALECTS["claude"], tmp_path / "stdout").read()) is None
    os.mkfifo(tmp_path / "pipe")
    assert signal_in(OutputFollower(DIALECTS["claude"], tmp_path / "pipe").read()) is None


def test_an_output_is_followed_so_far_and_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps(SAID) + "\n"
    (tmp_path / "stdout").write_text(said + json.dumps(window(0.96, 4e9)) + "\n")
    monkeypatch.setattr(output_listener, "LIVE_BYTES", len(said))
    follower = OutputFollower(DIALECTS["claude"], tmp_path / "stdout")
    assert signal_in(follower.read()) == ProviderSignal(answered=True)
    assert signal_in(follower.read()) is None


INIT = {"type": "system", "subtype": "init", "session_id": "s", "model": "m"}


def test_the_folder_of_an_agent_is_told(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text(json.dumps({**INIT, "cwd": "/elsewhere"}) + "\n")
    (event,) = OutputFollower(DIALECTS["claude"], tmp_path / "stdout").read()
    assert isinstance(event, SessionStarted)
    assert event.folder == "/elsewhere"
