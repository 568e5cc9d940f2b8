"""Text and JSON of discarded work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.control.discarding import DiscardReport
    from aurora_spawner.workspaces.attic import AtticEntry

__all__ = ["as_document", "as_lines"]


def as_lines(task_id: str, report: DiscardReport) -> Iterator[str]:
    """Yields where the work is now, and the command that gets it back."""
    if not report.was_work:
        yield f"task {one_line(task_id)} had changed nothing; its worktree is removed"
        return
    yield f"the work of task {one_line(task_id)} is {printable(report.kept.ref)} for 30 days"
    yield f"to get it back: {_command(report.kept)}"
    for each in report.lost:
        yield f"another head that the agent had left: {_command(each)}"
    for other in report.part_of:
        yield f"it is part of the work of task {one_line(other)}, which stands on it"


def _command(entry: AtticEntry) -> str:
    return printable(f"git branch {_branch(entry)} {entry.ref}")


def _branch(entry: AtticEntry) -> str:
    """Returns a name for a new branch; one that begins with `aurora/` would count as ours."""
    return f"restored/{entry.name.partition('/')[2]}"


def as_document(run_id: str, task_id: str, report: DiscardReport) -> dict[str, object]:
    """Returns discarded work as data for `--json`."""
    return {
        "run_id": run_id,
        "task": task_id,
        "attic": report.kept.ref,
        "commit": report.kept.commit,
        "restore": ["git", "branch", _branch(report.kept), report.kept.ref],
        "lost": [{"attic": each.ref, "commit": each.commit} for each in report.lost],
        "part_of": list(report.part_of),
    }
