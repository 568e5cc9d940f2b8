"""`aur review`: write comments on the lines of a task's change, and let its agent work them in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import run_progress, wiring
from aurora_cli.errors import CommentsKeptError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, run_argument, task_argument
from aurora_cli.output import note
from aurora_spawner.control.comment_file import CommentFileError, comment_file, read_comments
from aurora_spawner.control.lookup import check_task
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from aurora_soar import Aurora
    from aurora_spawner.control.commenting import CommentableWork

__all__ = ["command"]


@click.command(
    "review",
    cls=AurCommand,
    examples=(
        ("aur review spawn-1763690000000 1.2", "Open the task's change in $EDITOR; comments go back to its agent."),
        ("aur review spawn-1763690000000 1.2 --yes", "The same; merge without a question."),
    ),
)
@run_argument
@task_argument
@click.option("--yes", is_flag=True, help="Merge without a question, as for `aur spawn`.")
@accept_changes_option
@json_option
@click.pass_context
def command(ctx: click.Context, *, run_id: str, task_id: str, yes: bool, accept_changes: bool, as_json: bool) -> int:
    """Write comments on the change of a task for its agent.

    The change of a finished task opens in $VISUAL or $EDITOR. A comment is a line that begins with ">", below the
    line that it is about. The comments go to the task's agent in the same session, as one round; then checks, review
    and merge follow as for any work. Without comments nothing happens. Comments on lines that have changed meanwhile
    are refused.
    """
    aurora = wiring.open_existing()
    check_task(aurora.project.runs_db, run_id, task_id)  # a wrong name is told before a missing editor
    if not (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        raise click.UsageError("there is no editor; set EDITOR, for example: EDITOR=nano", ctx)
    work = aurora.commentable_work(run_id, task_id, accept_changes=accept_changes)
    aurora.plan_resume(run_id)  # what would keep the run from going on is told before anybody writes comments
    if not work.diff:
        note("nothing was changed, so there is nothing to comment on")
        return ExitCode.DONE
    if not _comment(aurora, run_id, task_id, work):
        note("no comments; nothing was sent")
        return ExitCode.DONE
    return run_progress.resume(aurora, aurora.plan_resume(run_id), yes=yes, as_json=as_json)


def _comment(aurora: Aurora, run_id: str, task_id: str, work: CommentableWork) -> bool:
    """Opens the editor and sends the comments; returns False if there are none.

    Raises:
        CommentsKeptError: They cannot be sent; the file with them stays.
    """
    original = comment_file(work.diff, run_id=run_id, task_id=task_id)
    handle, name = tempfile.mkstemp(prefix="aurora-review-", suffix=".diff")
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(original)
    try:
        click.edit(filename=name)
        text = path.read_bytes().decode(errors="replace")  # as it is: a lone carriage return ends no line of a patch
        comments = read_comments(text, original)
        if comments:
            aurora.send_comments(run_id, task_id, comments, seen=work)
    except (CommentFileError, SpawnerError, OSError, click.ClickException) as error:
        raise CommentsKeptError(path, str(error)) from error
    path.unlink(missing_ok=True)
    return bool(comments)
