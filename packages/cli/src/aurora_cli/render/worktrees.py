"""Text and JSON of worktrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import count, one_line, printable, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.control.worktree_cleanup import WorktreeCleanup
    from aurora_spawner.control.worktrees import WorktreeStatus

__all__ = ["clean_document", "clean_lines", "list_document", "list_lines"]


def list_lines(found: Sequence[WorktreeStatus], *, cap: int | None) -> Iterator[str]:
    """Yields a line for each worktree, and one with their size.

    Args:
        cap: bytes that they may take together; None for no limit.
    """
    for each in found:
        place = printable(str(each.ours.path)) if each.ours.path else f"branch {printable(each.ours.branch)}"
        yield f"{_name(each)}  {each.state}  {size(each.size)}  {place}"
    if found:
        yield f"{size(sum(each.size for each in found))} in all{f' of {size(cap)} (max_disk_gb)' if cap else ''}"


def list_document(found: Sequence[WorktreeStatus], *, cap: int | None) -> dict[str, object]:
    """Returns worktrees as data for `--json`; `cap` as for `list_lines`."""
    taken = sum(each.size for each in found)
    return {"worktrees": [_row(each) for each in found], "size": taken, "max_disk": cap}


def clean_lines(report: WorktreeCleanup, *, dry_run: bool) -> Iterator[str]:
    """Yields what was removed, and each that was kept with the reason."""
    verb = "would remove" if dry_run else "removed"
    for each in report.removed:
        yield f"{verb} {_name(each)} ({each.state}, {size(each.size)})"
    for each in report.kept:
        yield f"kept {_name(each)}: {one_line(each.keep or '', 300)}"
    freed = size(sum(each.size for each in report.removed))
    yield f"{verb} {count(len(report.removed), 'worktree')}, {freed}; kept {len(report.kept)}"
    if report.swept:
        forgot = "would forget" if dry_run else "forgot"
        yield f"{forgot} {count(len(report.swept), 'discarded head')} older than 30 days"
        for entry in report.swept:
            yield f"  {entry.commit}  {printable(entry.name)}"


def clean_document(report: WorktreeCleanup) -> dict[str, object]:
    """Returns the result of a clean-up as data for `--json`."""
    return {
        "removed": [_row(each) for each in report.removed],
        "kept": [_row(each) for each in report.kept],
        "swept": [entry.ref for entry in report.swept],
    }


def _name(status: WorktreeStatus) -> str:
    return f"{one_line(status.ours.run_id)}/{one_line(status.task_id)}"


def _row(status: WorktreeStatus) -> dict[str, object]:
    ours = status.ours
    return {
        "run_id": ours.run_id,
        "task": status.task_id,
        "state": str(status.state),
        "size": status.size,
        "path": str(ours.path) if ours.path else None,
        "branch": ours.branch,
        "base": ours.base,
        "head": ours.head,
        "keep": status.keep,
    }
