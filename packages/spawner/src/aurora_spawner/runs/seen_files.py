"""Claims by what agents are seen to change: their tool calls, and their worktrees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.gates.tool_calls import UseKind
from aurora_spawner.journal.work_facts import FilesClaimed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.gates.tool_calls import ToolCall
    from aurora_spawner.runs.run_context import RunContext


def claim_changed(run: RunContext, task_id: str, files: Iterable[str]) -> None:
    """Claims the files that the worktree of a task differs in, relative to the repository."""
    folder = "." if run.worktrees is None else run.worktrees.isolation.folder
    _claim(run, task_id, files if folder == "." else (os.path.relpath(each, folder) for each in files))


def claim_edited(run: RunContext, call: ToolCall) -> None:
    """Claims the files that a tool call is about to write or delete, inside the folder that the agent works in."""
    flight = run.tasks.in_flight.get(call.task_id)
    if flight is None:
        return  # it has ended while somebody was asked, and so has its claim
    cwd = run.cwd_of(flight.worktree)
    edits = (use for use in call.uses if use.kind in (UseKind.WRITE, UseKind.DELETE))
    files = (Path(os.path.normpath(call.cwd / file)) for use in edits for file in use.files)
    inside = (file for file in files if file.is_relative_to(call.workspace))
    _claim(run, call.task_id, (os.path.relpath(file, cwd) for file in inside))


def _claim(run: RunContext, task_id: str, files: Iterable[str]) -> None:
    new = run.scheduler.claims.see(run.task(task_id), files)
    if new:
        run.recorder.append_nowait(task_id, FilesClaimed(files=list(new), seen=True))
