"""A retry resumes the session of a dead attempt if that helps, and starts a new one if it does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from aurora_spawner import (
    CliBackend,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunEvent,
    RunOptions,
    SpawnResult,
    SpawnTask,
)
from aurora_spawner.attempts.attempt_folder import attempt_folder
from aurora_spawner.backends.sessions import SESSION_RECORD, SessionRecord, read_session_record, session_record_for
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.result import TaskState, result_from_json
from aurora_spawner.tasks.run_events import TaskStarted
from aurora_spawner.tasks.usage import NOTHING, Usage, cost_since, usage_from_json

AGENT = """\
import json, pathlib, sys
plays = json.loads(pathlib.Path("plays.json").read_text())
asked = pathlib.Path("asked.jsonl")
number = len(asked.read_text().splitlines()) if asked.exists() else 0
with asked.open("a") as file:
    print(json.dumps({"args": sys.argv[1:], "prompt": sys.stdin.read()}), file=file)
for event in plays[number]["events"]:
    print(json.dumps(event), flush=True)
sys.exit(plays[number]["code"])
"""


def init(session: str = "s-1") -> dict[str, Any]:
    return {"type": "system", "subtype": "init", "session_id": session, "model": "m"}


SAID = {"type": "assistant", "message": {"model": "m", "content": [{"type": "text", "text": "half of it"}]}}


def result(cost: float = 0.0, **more: Any) -> dict[str, Any]:
    used = {"input_tokens": 5, "output_tokens": 1}
    return {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "all of it",
        "session_id": "s-1",
        "usage": used,
        "total_cost_usd": cost,
        **more,
    }


def broken(cost: float = 0.0, status: int = 500) -> dict[str, Any]:
    return result(
        cost, is_error=True, api_error_status=status, result=f"API Error: {status}", terminal_reason="api_error"
    )


async def run(
    folder: Path, *plays: tuple[list[dict[str, Any]], int], retries: int = 2, kind: str = "claude"
) -> tuple[SpawnResult, list[RunEvent]]:
    (folder / "agent.py").write_text(AGENT)
    (folder / "plays.json").write_text(json.dumps([{"events": events, "code": code} for events, code in plays]))
    backend = CliBackend(name=kind, kind=kind, command=(sys.executable, "agent.py"))
    events: list[RunEvent] = []
    made = Run.create(
        folder / "runs.db",
        [SpawnTask("Do all of it", id="1")],
        {kind: backend},
        RunOptions(
            default_agent=kind,
            cwd=folder,
            spool=folder / "runs",
            recovery=RecoverySettings(
                policy=RecoveryPolicy(
                    max_retries=retries, base_delay=0.01, jitter=False, circuit_breaker_enabled=False
                ),
                state_dir=None,
            ),
        ),
    )
    report = await made.execute(events.append)
    return report.results["1"], events


def asked(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "asked.jsonl").read_text().splitlines()]


async def test_a_cut_off_session_is_gone_on_with_and_that_is_said(tmp_path: Path) -> None:
    came, events = await run(tmp_path, ([init(), SAID], 1), ([init(), SAID, result(0.5)], 0))
    assert came.success
    assert came.resumed
    assert came.session_id == "s-1"
    first, second = asked(tmp_path)
    assert "--resume" not in first["args"]
    assert second["args"][-2:] == ["--resume", "s-1"]
    assert first["prompt"] == "Do all of it"
    assert "cut off before it was done" in second["prompt"]
    assert second["prompt"].endswith("Do all of it")
    messages = [event.message for event in events if isinstance(event, TaskStarted)]
    assert messages == ["", "resumes its session"]


async def test_the_cost_of_a_session_is_told_once(tmp_path: Path) -> None:
    came, _events = await run(tmp_path, ([init(), SAID, broken(0.5)], 1), ([init(), SAID, result(0.75)], 0))
    assert came.usage == Usage(input_tokens=5, output_tokens=1, cost_usd=0.25)


async def test_a_newer_claude_tells_what_its_own_process_cost(tmp_path: Path) -> None:
    own = {"model_usage_since_last_result": {"m": {"costUSD": 0.125}, "n": {"costUSD": 0.125}}}
    came, _events = await run(tmp_path, ([init(), SAID, broken(0.5)], 1), ([init(), SAID, result(0.75, **own)], 0))
    assert came.usage == Usage(input_tokens=5, output_tokens=1, cost_usd=0.25)


async def test_the_tokens_of_a_codex_thread_are_told_once(tmp_path: Path) -> None:
    def thread(total: int, end: str) -> list[dict[str, Any]]:
        said = {"type": "item.completed", "item": {"type": "agent_message", "text": "x"}}
        used = {"type": "turn.completed", "usage": {"input_tokens": total, "output_tokens": total // 10}}
        broke = {"type": "turn.failed", "error": {"message": "stream disconnected"}}
        return [{"type": "thread.started", "thread_id": "t"}, said, used, *([broke] if end == "broke" else [])]

    came, _events = await run(tmp_path, (thread(100, "broke"), 1), (thread(250, "well"), 0), kind="codex")
    assert asked(tmp_path)[1]["args"][-3:] == ["resume", "t", "-"]
    assert came.usage == Usage(input_tokens=150, output_tokens=15)


async def test_a_retry_that_got_nowhere_does_not_lose_the_session(tmp_path: Path) -> None:
    came, _events = await run(
        tmp_path, ([init(), SAID], 1), ([init(), broken(status=503)], 1), ([init(), SAID, result()], 0)
    )
    assert came.success
    assert [each["args"][-1] for each in asked(tmp_path)][1:] == ["s-1", "s-1"]


@pytest.mark.parametrize(
    "first",
    [
        ([init()], 1),
        ([SAID], 1),
        ([init(), SAID, result(result="")], 0),
        ([init(), SAID, broken(status=413)], 1),
    ],
    ids=["it had not begun to work", "it has no session", "it came to its own end", "its context is too long"],
)
async def test_where_a_session_is_of_no_use_the_retry_begins_anew(
    first: tuple[list[dict[str, Any]], int], tmp_path: Path
) -> None:
    await run(tmp_path, first, ([init("s-2"), SAID, result(session_id="s-2")], 0))
    assert all("--resume" not in each["args"] for each in asked(tmp_path))


async def test_an_unknown_session_is_followed_by_a_fresh_start(tmp_path: Path) -> None:
    unknown = result(
        is_error=True, subtype="error_during_execution", result="No conversation found", session_id="s-9"
    )
    came, _events = await run(tmp_path, ([init(), SAID], 1), ([unknown], 1), ([init("s-3"), SAID, result()], 0))
    assert came.success
    assert not came.resumed
    assert ["--resume" in each["args"] for each in asked(tmp_path)] == [False, True, False]
    assert came.retry_count == 1, "the attempt at the session costs none"


def test_another_agents_session_is_none(tmp_path: Path) -> None:
    folder = attempt_folder(tmp_path, position=0, task_id="1", number=1)
    folder.prepare("x", {folder.path / SESSION_RECORD: SessionRecord(agent="somebody").to_text()})
    folder.stdout.write_text("\n".join(json.dumps(each) for each in (init(), SAID)))
    backend = CliBackend(name="claude", kind="claude")
    assert session_record_for(tmp_path, position=0, task_id="1", number=2, backend=backend) == SessionRecord(
        agent="claude"
    )
    same = CliBackend(name="somebody", kind="claude")
    found = session_record_for(tmp_path, position=0, task_id="1", number=2, backend=same)
    assert found == SessionRecord(agent="somebody", session_id="s-1")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"agent": 3}', "[" * 100_000])
def test_a_damaged_memo_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / SESSION_RECORD).write_text(content)
    assert read_session_record(tmp_path) is None


def test_a_memo_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = SessionRecord(
        agent="a", session_id="s", used_before=Usage(output_tokens=3, cost_usd=0.5), dialect="codex"
    )
    (tmp_path / SESSION_RECORD).write_text(record.to_text())
    assert read_session_record(tmp_path) == record


# What is used, and what is kept of it.


def test_usages_add_up_and_unknown_costs_stay_unknown() -> None:
    one, other = Usage(input_tokens=1, cost_usd=0.5), Usage(output_tokens=2, cost_usd=0.25)
    assert one + other == Usage(input_tokens=1, output_tokens=2, cost_usd=0.75)
    assert (one + Usage(output_tokens=1)).cost_usd is None
    assert (NOTHING + one).cost_usd == 0.5
    assert (one + other).total_tokens == 3


@pytest.mark.parametrize(
    ("total", "before", "since"), [(3.0, 1.0, 2.0), (3.0, None, 3.0), (1.0, 3.0, 1.0), (None, 1.0, None)]
)
def test_a_growing_cost_is_differenced(total: float | None, before: float | None, since: float | None) -> None:
    assert cost_since(total, before) == since


def test_a_result_survives_the_journal_and_older_ones_are_read() -> None:
    kept = SpawnResult(
        task_id="1",
        agent="claude",
        state=TaskState.FAILED,
        usage=Usage(input_tokens=1),
        reported=ReportedFailure(status=401, message="no"),
        model="m",
        session_id="s",
        resumed=True,
    )
    stored = json.loads(json.dumps(kept.to_json()))
    assert result_from_json(stored) == kept
    newer = {**stored, "of_tomorrow": 1, "usage": {**stored["usage"], "of_tomorrow": 1}}
    assert result_from_json(newer) == kept
    older = {name: stored[name] for name in ("task_id", "agent", "state")}
    assert result_from_json(older) == SpawnResult(task_id="1", agent="claude", state=TaskState.FAILED)
    assert usage_from_json(None) is None


def test_a_growing_total_is_differenced_and_one_begun_anew_is_all_new() -> None:
    total, before = Usage(input_tokens=9, cost_usd=3.0), Usage(input_tokens=4, cost_usd=1.0)
    assert total.since(before) == Usage(input_tokens=5, cost_usd=2.0)
    assert total.since(None) == total
    assert before.since(total) == before
    assert Usage(output_tokens=1).with_session(before) == Usage(input_tokens=4, output_tokens=1, cost_usd=1.0)
