"""Text and JSON of workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_core.workspaces import Workspace
    from aurora_spawner.control.status import RunStatus

__all__ = ["activity_document", "activity_words", "problem_line", "workspace_document", "workspace_line"]

_COLOURS: Final[Mapping[str, str]] = {"there": "green", "untrusted": "yellow"}


def workspace_line(workspace: Workspace, state: str, words: str = "") -> str:
    """Returns the line of a workspace: its name, its state, what is at work there, and its folder."""
    shown = click.style(state, fg=_COLOURS.get(state, "red"))
    about = f"  {words}" if words else ""
    return f"{workspace.name}  {shown}{about}  {one_line(str(workspace.root), 400)}"


def problem_line(workspace: Workspace, problem: str) -> str:
    """Returns the line that tells what is wrong with a workspace."""
    return f"workspace {workspace.name}: {one_line(problem, 600)}"


def workspace_document(workspace: Workspace) -> dict[str, object]:
    """Returns an entry of the list as data for `--json`."""
    return {"name": workspace.name, "path": str(workspace.root), "added_at": workspace.added_at}


def activity_words(statuses: Sequence[RunStatus]) -> str:
    """Returns how much is at work in a workspace, and how many questions wait there."""
    return ", ".join(_activity(statuses))


def _activity(statuses: Sequence[RunStatus]) -> Iterator[str]:
    numbers = activity_document(statuses)
    yield f"{count(numbers['working'], 'run')} at work"
    if numbers["stopped"]:
        yield f"{numbers['stopped']} to resume"
    if numbers["agents"]:
        yield count(numbers["agents"], "agent")
    if numbers["questions"]:
        yield count(numbers["questions"], "question")


def activity_document(statuses: Sequence[RunStatus]) -> dict[str, int]:
    """Returns the same in numbers, as data for `--json`."""
    working = [each for each in statuses if each.pid is not None]
    return {
        "working": len(working),
        "stopped": len(statuses) - len(working),
        "agents": sum(len(each.running) for each in working),
        "questions": sum(len(each.approvals) for each in statuses),
    }
