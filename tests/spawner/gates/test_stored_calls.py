"""Tool calls in the journal: whole where people see them whole, else not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aurora_spawner.gates.stored_calls import call_from_json, call_to_json
from aurora_spawner.gates.tool_calls import ToolCall, ToolUse, UseKind

CALL = ToolCall(
    task_id="1",
    agent="claude",
    tool="Bash",
    uses=(
        ToolUse(kind=UseKind.COMMAND, command="rm -rf 'a b' \udc80"),
        ToolUse(kind=UseKind.WRITE, files=("a b", "/c"), lines_changed=3),
        ToolUse(kind=UseKind.FETCH, url="http://127.0.0.1/x"),
    ),
    cwd=Path("/w/sub"),
    workspace=Path("/w"),
    isolated=True,
)


EMPTIED = replace(CALL, uses=(ToolUse(kind=UseKind.WRITE, files=("a",), lines_changed=0),))


@pytest.mark.parametrize("call", [CALL, EMPTIED, replace(CALL, uses=(), isolated=False)])
def test_a_call_is_read_as_it_was_written(call: ToolCall) -> None:
    stored = json.loads(json.dumps(call_to_json(call)))
    assert call_from_json(stored, task_id="1", agent="claude", tool="Bash") == call


@pytest.mark.parametrize("command", [f"echo {'x' * 600}", "export AWS_KEY=AKIAIOSFODNN7EXAMPLE"])
def test_what_nobody_sees_whole_is_not_written(command: str) -> None:
    call = replace(CALL, uses=(*CALL.uses, ToolUse(kind=UseKind.COMMAND, command=command)))
    assert command not in call.subject
    assert call_to_json(call) is None


@pytest.mark.parametrize("folder", ["/w" * 5_000_000, "/w/AKIAIOSFODNN7EXAMPLE"])
def test_a_folder_that_an_agent_makes_up_is_not_written(folder: str) -> None:
    """It is not among the words of a call, and may have megabytes or a key."""
    assert call_to_json(replace(CALL, cwd=Path(folder))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"uses": 3},
        {"uses": [{"kind": "magic"}]},
        {"uses": [{"kind": "write", "more": 1}]},
        {"uses": ["rm"]},
        {"uses": [{"kind": "command", "command": 3}]},
        {"uses": [{"kind": "fetch", "url": ["x"]}]},
        {"uses": [{"kind": "write", "files": [3]}]},
        {"uses": [{"kind": "write", "lines_changed": "3"}]},
        {"cwd": 3},
        {"cwd": "/w\0"},
        {"workspace": "w"},
    ],
)
def test_what_is_no_call_is_refused(change: dict[str, object]) -> None:
    stored = {**(call_to_json(CALL) or {}), **change}
    with pytest.raises(ValueError, match=r"no tool call|magic"):
        call_from_json(stored, task_id="1", agent="claude", tool="Bash")
