"""What counts as done, and what only looks like it."""

from __future__ import annotations

import json
import os
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnResult, SpawnTask
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.reply_builder import digest_of
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.runs.evidence import says_something
from aurora_spawner.supervision.local_executor import LocalExecutor

PLANES = (range(0x20000), range(0xE0000, 0xF0000))
"""Those that have characters which are not drawn; no other has, and all are ten times as many."""
UNSEEN = [chr(code) for plane in PLANES for code in plane if unicodedata.category(chr(code)) in ("Cf", "Zs", "Cc")]
IGNORED = "".join(each for each in UNSEEN if not (0x600 <= ord(each) <= 0x8E2 or 0x11000 <= ord(each) < 0x1BCA0))
"""Without the marks of some scripts that are drawn though they are called formats."""


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " \t\n",
            "\u200b",
            "\u200b\u200d\ufeff\u2060",
            "\u00a0\u3000",
            "\u2800\u3164\u115f",
            "\ufe0f",
            "\x00\x00",
        ),
        *("\U000e0041", "\x1b[0m", "\x1b[31m\x1b[0m\n", "\x1b]0;title\x07", "\x1b[2J\x1b[1;1H\u200b"),
    ],
)
def test_what_nobody_sees_is_no_answer(text: str) -> None:
    assert not says_something(text)


@given(st.text(st.sampled_from(IGNORED)))
def test_no_mixture_of_unseen_characters_is_an_answer(text: str) -> None:
    assert "\x1b" in text or not says_something(text)


@given(st.text(st.sampled_from(IGNORED)), st.sampled_from("aß漢ع0.—🙂"), st.text(st.sampled_from(IGNORED)))
def test_one_character_is_an_answer(before: str, seen: str, after: str) -> None:
    assert "\x1b" in before + after or says_something(before + seen + after)


def test_an_agent_that_prints_only_unseen_characters_has_not_done_its_task(tmp_path: Path) -> None:
    result = run_one(tmp_path, "printf '\\342\\200\\213\\357\\273\\277'", dialect=None)
    assert result.error == "it exited without an answer"


# An agent that only talks.

DONE = {"type": "result", "subtype": "success", "is_error": False, "result": "Done.", "session_id": "s"}
CALL = {"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "Write", "id": "1", "input": {}}]}}


def says(*events: object) -> str:
    return "".join(f"echo '{json.dumps(event)}'; " for event in events)


def run_one(
    folder: Path, script: str, *, files: tuple[str, ...] = (), dialect: str | None = "claude", retries: int = 0
) -> SpawnResult:
    backend = CommandBackend("agent", ("sh", "-c", script), dialect=DIALECTS[dialect] if dialect else None)
    run = Run.create(
        folder / "runs.db",
        [SpawnTask("write the report", files=files)],
        {"agent": backend},
        RunOptions(
            default_agent="agent",
            cwd=folder,
            spool=folder / "runs",
            executor=LocalExecutor(grace_s=0.5),
            recovery=RecoveryPolicy(max_retries=retries, base_delay=0.0, jitter=False) if retries else None,
        ),
    )
    return run.execute_sync().results["1"]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A declared output that is there already, and was not changed for long."""
    path = tmp_path / "report.md"
    path.write_text("as it was")
    settle(path)
    return path


def settle(path: Path) -> None:
    """Wait until a change of this moment is told from a later one."""
    time.sleep(max(0.0, path.stat().st_ctime + 1.1 - time.time()))


@pytest.mark.parametrize("files", [("report.md",), ("*.md",), ("report.md", "**/*.md")])
def test_an_agent_that_used_no_tool_and_changed_nothing_has_not_done_it(report: Path, files: tuple[str, ...]) -> None:
    result = run_one(report.parent, says(DONE), files=files)
    assert not result.success
    assert result.error == f"it used no tool and changed none of the declared files: {', '.join(files)}"


def test_a_second_try_that_only_talks_has_not_done_it_either(report: Path) -> None:
    result = run_one(report.parent, says(DONE), files=("report.md",), retries=1)
    assert not result.success
    assert result.retry_count == 1


@pytest.mark.parametrize(
    "script",
    [says(CALL, DONE), "echo new >report.md; " + says(DONE), "cp -p report.md r; mv r report.md; " + says(DONE)],
    ids=["used a tool", "wrote it", "replaced it by a copy as old"],
)
def test_a_tool_or_a_change_is_enough(report: Path, script: str) -> None:
    assert run_one(report.parent, script, files=("report.md",)).success


def test_what_a_first_try_wrote_counts_for_the_second(report: Path) -> None:
    script = f"if [ $AURORA_ATTEMPT_NUMBER = 1 ]; then echo new >report.md; exit 1; fi; sleep 1.2; {says(DONE)}"
    assert run_one(report.parent, script, files=("report.md",), retries=1).success


def test_an_agent_that_tells_no_tools_is_believed(report: Path) -> None:
    assert run_one(report.parent, "echo done", files=("report.md",), dialect=None).success


def test_a_task_without_outputs_may_be_answered_without_tools(tmp_path: Path) -> None:
    assert run_one(tmp_path, says(DONE)).success


# Background agents of an agent's own.


def started(task_id: str, **more: object) -> dict[str, object]:
    event = {"type": "system", "subtype": "task_started", "task_id": task_id, "description": "look"}
    return {**event, "is_backgrounded": True, "subagent_type": "Explore", **more}


def notified(task_id: str, status: str) -> dict[str, object]:
    return {"type": "system", "subtype": "task_notification", "task_id": task_id, "status": status, "summary": ""}


def updated(task_id: str, status: str) -> dict[str, object]:
    return {"type": "system", "subtype": "task_updated", "task_id": task_id, "patch": {"status": status}}


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([started("a"), DONE], 1),
        ([started("a"), started("b"), notified("a", "completed"), DONE], 1),
        ([started("a"), updated("a", "running"), DONE], 1),
        ([started("a"), DONE, notified("a", "completed"), DONE], 0),
        ([started("a"), notified("a", "failed"), DONE], 0),
        ([started("a"), updated("a", "killed"), DONE], 0),
        ([started("a", is_backgrounded=False), DONE], 0),
        ([started("a", subagent_type=None), DONE], 0),
    ],
)
def test_done_is_only_done_with_nothing_left_in_the_background(events: list[object], left: int) -> None:
    reply = digest_of(DIALECTS["claude"], [f"{json.dumps(event)}\n".encode() for event in events])
    assert reply.finished is (left == 0)
    assert reply.failure == (f"it ended while {left} of its own background agents still worked" if left else None)


@pytest.mark.parametrize(("timeout_s", "told"), [(None, "0"), (90.5, "90500")])
def test_claude_waits_for_its_background_agents_as_long_as_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout_s: float | None, told: str
) -> None:

    program = tmp_path / "claude"
    variable = "CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS"
    words = says({**DONE, "result": "LIMIT"}).replace("LIMIT", f"'\"${variable}\"'")
    program.write_text(f"#!/bin/sh\n{words}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go", timeout_s=timeout_s)],
        {"claude": CliBackend(name="claude", kind="claude")},
        RunOptions(
            default_agent="claude",
            cwd=tmp_path,
            spool=tmp_path / "runs",
        ),
    )
    assert run.execute_sync().results["1"].output == told
