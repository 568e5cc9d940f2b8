"""`aur worktrees clean`: remove worktrees whose work is merged or discarded."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.worktrees import clean_document, clean_lines

__all__ = ["command"]


@click.command(
    "clean",
    cls=AurCommand,
    examples=(
        ("aur worktrees clean", "Remove what is merged or discarded; the rest is kept, each with its reason."),
        (
            "aur worktrees clean --ignored --dry-run",
            "What would go if ignored files such as build output may go, too.",
        ),
    ),
)
@click.option("--ignored", is_flag=True, help="Also remove worktrees with ignored files, such as build output.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@json_option
def command(*, ignored: bool, dry_run: bool, as_json: bool) -> int:
    """Remove worktrees whose work is merged or discarded.

    A worktree goes only if its commits are on the target branch or were discarded, and it holds no uncommitted,
    untracked or ignored files. Nothing unmerged is ever removed, and worktrees of other tools are never touched.
    Discarded work is forgotten after 30 days.
    """
    report = wiring.open_existing().clean_worktrees(ignored_too=ignored, dry_run=dry_run)
    if as_json:
        emit_json(Schema.WORKTREES_CLEANED, clean_document(report))
    else:
        for line in clean_lines(report, dry_run=dry_run):
            emit(line)
    return ExitCode.DONE
