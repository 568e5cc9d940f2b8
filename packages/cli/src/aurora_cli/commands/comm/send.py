"""`aur comm send`: post on the board of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from aurora_cli.documents import Schema
from aurora_cli.errors import NoRunError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import in_workspace, json_option
from aurora_cli.output import emit_json, note
from aurora_cli.render.posts import posted_document, posted_line
from aurora_spawner.board.drafts import ALL, TEXT_LIMIT
from aurora_spawner.control.own_board import post_on_own_board
from aurora_spawner.control.own_run import has_own_run
from aurora_spawner.tasks.posts import PostKind

if TYPE_CHECKING:
    from aurora_spawner.tasks.posts import Posted

__all__ = ["command"]

STDIN = "-"


@click.command(
    "send",
    cls=AurCommand,
    examples=(
        ('aur comm send "The API listens on port 8081"', "Tell all agents of the run a fact."),
        ('aur comm send --to 1.2 --kind question "Which port?"', "Ask the agent of a task."),
        ("aur comm send --kind handover - < notes.md", "Hand over what is in a file."),
    ),
)
@click.argument("text", help="What to post; - reads it from standard input.")
@click.option(
    "--to", default=ALL, show_default=True, metavar="TASK|AGENT|all", help="A task, or else an agent, of the run."
)
@click.option(
    "--kind",
    type=click.Choice([each.value for each in PostKind]),
    default=PostKind.FACT.value,
    show_default=True,
    help="What the post is.",
)
@click.option("--run", "run_id", metavar="RUN", callback=in_workspace, help="A run's name (default: the newest).")
@json_option
def command(*, text: str, to: str, kind: str, run_id: str | None, as_json: bool) -> ExitCode:
    """Post on the board of a run.

    Agents that start later have it in their prompts, as data and never as instructions, and those that run can read
    it with `aur comm`. Inside an agent it goes on the board of its own run, under the name of its task. A post has
    at most 4,000 characters; it is durable when this returns.
    """
    words = sys.stdin.read(4 * TEXT_LIMIT) if text == STDIN else text
    posted = _post(words, kind=PostKind(kind), to=to, run_id=run_id)
    if as_json:
        emit_json(Schema.POSTED, posted_document(posted))
    note(posted_line(posted))
    return ExitCode.DONE


def _post(text: str, *, kind: PostKind, to: str, run_id: str | None) -> Posted:
    if has_own_run():
        if run_id is not None:
            raise click.UsageError("inside an agent, the board is that of its own run; leave out --run")
        return post_on_own_board(text, kind=kind, to=to)
    from aurora_cli import wiring
    from aurora_soar.taskruns.run_kinds import RUNS_WITH_BOARD
    from aurora_spawner.control.board import newest_run, post_from_outside

    journal = wiring.open_existing().project.runs_db
    run_id = run_id or newest_run(journal, kinds=RUNS_WITH_BOARD)
    if run_id is None:
        raise NoRunError
    return post_from_outside(journal, run_id, text, kind=kind, to=to)
