"""Real agent CLIs under `aur spawn`, through good days and bad ones.

Cut off from the network, against a stand-in for their models. `UPDATE_AGENT_TABLE=1` with `--all` writes what was
seen into docs/agents.md.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.e2e.stand_in import HUGE, USED
from tests.e2e.wirings import KINDS
from tests.exhaustive import few

from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.events import Succeeded, ToolCall, ToolResult
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.backends.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Played, Stage
    from tests.e2e.table import Table

    from aurora_spawner.backends.events import AgentEvent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.parametrize("kind", few(KINDS, 1))]

TOOLLESS = ("aider",)
"""Edits by its answer; has neither tools nor sessions."""
SLOW_START = ("gemini", "opencode", "qwen", "aider", "cline")


@pytest.fixture(autouse=True)
def _present(kind: str, need: Callable[[str], None]) -> None:
    need(kind)


def play_of(kind: str, play: str) -> str:
    """The name of a play for an agent whose requests all count."""
    return f"{play}!" if kind in TOOLLESS else play


def nothing_left(played: Played) -> None:
    """No process that the run started may live; one that was killed may take a while to go on a busy machine."""
    end = time.monotonic() + 15
    while played.left_over() and time.monotonic() < end:
        time.sleep(0.1)
    assert [command_of(pid) for pid in played.left_over()] == []


def command_of(pid: int) -> str:
    """The command line of a process, for the message of a failure."""
    try:
        return f"{pid}: {' '.join(psutil.Process(pid).cmdline())} ({psutil.Process(pid).status()})"
    except psutil.Error:
        return f"{pid}: gone meanwhile"


def seen(played: Played) -> str:
    """A cell of the table: how it ended, after how long, and after what."""
    task = played.task
    word = "done" if task["state"] == "succeeded" else "failed"
    causes = [*dict.fromkeys(played.causes())]
    after = f" after {', '.join(causes)}" if causes and word == "done" else f": {', '.join(causes)}" if causes else ""
    return f"{word}{after}, {played.document['duration_s']:.0f} s"


def test_it_writes_a_file_with_a_tool_and_tells_what_it_used(kind: str, stage: Stage, table: Table) -> None:
    play = "edit" if kind in TOOLLESS else "tool"
    stage.add_agent(kind, play, f"{kind}-tool")
    stage.add_task(f"{kind}-tool", "Please write a note", "Files: note.txt")
    played = stage.play()
    assert played.task["state"] == "succeeded", played.task["error"]
    assert "written by" in (stage.project / "note.txt").read_text()
    used, asked = played.task["usage"], len(played.asked(f"{kind}-tool"))
    if kind == "copilot":
        assert used is None, "with a provider of one's own it tells nothing"
    else:
        read, written = USED
        total = used["input_tokens"] + used["cache_read_tokens"] + used["cache_write_tokens"]
        counted = 1 if kind in TOOLLESS else asked  # it does not count what it asks for a commit's message
        assert total >= read * counted
        assert used["output_tokens"] >= written * counted
    assert bool(played.task["session_id"]) == bool(PROFILES[kind].resumed)
    assert "The note is written." in played.task["output"] or kind in TOOLLESS
    nothing_left(played)
    table.note(kind, "tool", f"{seen(played)}; {'usage unknown' if used is None else 'usage told'}")


def test_its_events_can_be_followed_while_it_works(kind: str, stage: Stage, table: Table) -> None:
    if kind in TOOLLESS:
        table.note(kind, "progress", "no events")
        pytest.skip("it prints plain text")
    stage.add_agent(kind, "slow", f"{kind}-slow")
    stage.add_task(f"{kind}-slow")
    process = stage.start()
    path = stage.attempt_file("stdout")
    stream, read = EventStream(DIALECTS[kind]), 0
    early: list[AgentEvent] = []
    while not any(isinstance(event, ToolResult) for event in early) and process.poll() is None:
        content = path.read_bytes()
        early += stream.feed(content[read:])
        read = len(content)
        time.sleep(0.05)
    went_on = process.poll() is None
    played = stage.finish(process)
    assert played.task["state"] == "succeeded", played.task["error"]
    assert went_on
    assert any(isinstance(event, ToolCall) for event in early)
    assert not any(isinstance(event, Succeeded) for event in early)
    nothing_left(played)
    table.note(kind, "progress", "yes")


def test_a_retry_goes_on_with_the_session_of_the_dead_attempt(kind: str, stage: Stage, table: Table) -> None:
    if not PROFILES[kind].resumed:
        table.note(kind, "resume", "no")
        pytest.skip("it has no sessions, or does not tell them")
    stage.add_agent(kind, "sleep", f"{kind}-resume")
    stage.recovery |= {"max_retries": 2}
    stage.add_task(f"{kind}-resume", "Please finish this")
    process = stage.start()
    stage.appears("tool.pid")
    time.sleep(1)  # until it has told of the tool, too
    os.kill(int(stage.attempt_file("agent").read_text()), signal.SIGKILL)
    played = stage.finish(process)
    assert played.task["state"] == "succeeded", played.task["error"]
    assert played.task["resumed"]
    assert "Done after all." in played.task["output"]
    first, *_between, last = played.asked(f"{kind}-resume")
    assert last["messages"] > first["messages"] or kind == "gemini", "the session holds what was said before"
    nothing_left(played)
    table.note(kind, "resume", f"yes, {played.document['duration_s']:.0f} s")


def test_two_rate_limits_cost_no_attempt(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, play_of(kind, "r429"), f"{kind}-r429")
    stage.add_task(f"{kind}-r429")
    played = stage.play()
    assert played.task["state"] == "succeeded", played.task["error"]
    assert played.task["retry_count"] == 0
    assert set(played.causes()) <= {"rate_limit"}
    assert "Patience was rewarded." in played.task["output"]
    nothing_left(played)
    table.note(kind, "r429", seen(played))


def test_a_long_rate_limit_pauses_its_provider(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, play_of(kind, "r429long"), f"{kind}-long")
    stage.add_task(f"{kind}-long")
    stage.add_task(f"{kind}-long")
    played = stage.play()
    assert played.status == 0, [task["error"] for task in played.document["tasks"]]
    assert [task["retry_count"] for task in played.document["tasks"]] == [0, 0]
    notices = " ".join(played.notices())
    gave_up = "rate_limit" in played.causes("1") + played.causes("2")
    assert gave_up or kind in ("copilot", "opencode", "qwen", "aider", "cline"), "it is our gate that waits"
    assert not gave_up or "provider" in notices
    nothing_left(played)
    how = "paused" if gave_up else "waited by itself"
    table.note(kind, "r429long", f"{how}, done, {played.document['duration_s']:.0f} s")


def test_a_refused_key_stops_the_provider_at_once(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, play_of(kind, "r401"), f"{kind}-r401")
    stage.add_task(f"{kind}-r401")
    stage.add_task(f"{kind}-r401", "Please do it, too", "Depends: 1")
    played = stage.play()
    assert played.status == 1
    assert played.task["state"] == "failed"
    assert played.causes() == ["authentication"]
    assert "sign in or set its key" in played.task["error"]
    assert played.task["retry_count"] == 0
    nothing_left(played)
    table.note(kind, "r401", f"{seen(played)}; {len(played.asked(f'{kind}-r401'))} calls")


def test_a_server_that_fails_for_ever_is_a_transient_failure(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, play_of(kind, "r500"), f"{kind}-r500", timeout_s=20)
    stage.recovery["max_retries"] = 0
    stage.add_task(f"{kind}-r500")
    played = stage.play()
    assert played.task["state"] == "failed"
    assert set(played.causes()) <= {"server_error", "overloaded", "deadline"}
    assert played.causes() != ["deadline"] or kind not in ("claude", "codex")
    nothing_left(played)
    table.note(kind, "r500", seen(played))


def test_a_connection_that_breaks_is_overcome(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, play_of(kind, "drop"), f"{kind}-drop")
    stage.recovery |= {"max_retries": 2, "circuit_breaker_enabled": False}
    stage.add_task(f"{kind}-drop")
    played = stage.play()
    assert played.task["state"] == "succeeded", played.task["error"]
    assert "Now it is whole." in played.task["output"]
    assert set(played.causes()) <= {"network", "server_error", "interrupted", "api_timeout"}
    nothing_left(played)
    table.note(kind, "drop", seen(played))


def test_an_agent_that_waits_for_ever_is_ended_by_the_watchdog(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, "hang", f"{kind}-hang")
    quiet_s = 9 if kind in SLOW_START else 4
    stage.recovery |= {"max_retries": 0, "early_detection": {"threshold_s": quiet_s, "terminate": True}}
    stage.add_task(f"{kind}-hang")
    played = stage.play()
    assert played.task["state"] == "failed"
    assert played.causes() == ["stalled"]
    assert "it stalled: waiting for the model" in played.task["error"]
    nothing_left(played)
    table.note(kind, "hang", seen(played))


def test_a_huge_answer_comes_whole(kind: str, stage: Stage, table: Table) -> None:
    stage.add_agent(kind, play_of(kind, "huge"), f"{kind}-huge")
    stage.add_task(f"{kind}-huge")
    played = stage.play()
    assert played.task["state"] == "succeeded", played.task["error"]
    said = " ".join(played.task["output"].split())
    assert abs(len(said) - len(HUGE)) < 200
    nothing_left(played)
    table.note(kind, "huge", f"{seen(played)}, {len(said) // 1000} kB")


def test_an_agent_that_is_told_to_end_while_a_tool_runs_leaves_nothing_running(
    kind: str, stage: Stage, table: Table
) -> None:
    if kind in TOOLLESS:
        table.note(kind, "sigterm", "no tools")
        pytest.skip("it has no tools")
    stage.add_agent(kind, "sleep", f"{kind}-term")
    stage.recovery["max_retries"] = 0
    stage.add_task(f"{kind}-term")
    process = stage.start()
    tool = int(stage.appears("tool.pid").read_text())
    agent = int(stage.attempt_file("agent").read_text())
    os.kill(agent, signal.SIGTERM)
    time.sleep(3)
    ignores = _lives(agent)
    if ignores:
        process.send_signal(signal.SIGINT)
    played = stage.finish(process)
    assert played.task["state"] == ("cancelled" if ignores else "failed")
    assert ignores or played.causes() == ["interrupted"]
    assert not ignores or kind in ("gemini", "cline")
    nothing_left(played)
    assert not _lives(tool)
    table.note(kind, "sigterm", "ignores it; ended with the run" if ignores else seen(played))


def _lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
