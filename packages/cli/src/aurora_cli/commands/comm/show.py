"""`aur comm show`: show the board of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli.documents import Schema
from aurora_cli.errors import NoRunError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import FiniteRange, in_workspace, json_option
from aurora_cli.output import emit, emit_json, emit_json_line, note
from aurora_cli.render.posts import board_document, post_lines
from aurora_spawner.control.own_board import WAIT_LIMIT_S, follow_own_board, read_own_board
from aurora_spawner.control.own_run import has_own_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.tasks.posts import Post

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur comm", "The board of the newest run; inside an agent, what its task may read."),
        ("aur comm show spawn-1763690000000 --watch", "Follow what is posted until the run ends."),
        ("aur comm --after 3 --wait 60", "Inside an agent: wait up to a minute for a post after number 3."),
    ),
)
@click.argument(
    "run_id", metavar="[RUN]", required=False, callback=in_workspace, help="A run's name (default: the newest)."
)
@click.option("--after", type=click.IntRange(0), default=0, metavar="N", help="Only posts after this number.")
@click.option("--watch", is_flag=True, help="Follow what is posted; with --json, one JSON object a line.")
@click.option(
    "--wait",
    "wait_s",
    type=FiniteRange(0, WAIT_LIMIT_S),
    metavar="SECONDS",
    help="Inside an agent: wait so long for a post of another; 60 at most.",
)
@json_option
def command(*, run_id: str | None, after: int, watch: bool, wait_s: float | None, as_json: bool) -> ExitCode:
    """Show the board of a run, the oldest post first.

    Inside an agent it is that of its own run, with the posts that its task may read. While it waits there with
    --wait, its task holds no slot, so that the one it waits for can start; if nothing was posted, the exit status
    is 1.
    """
    if watch and wait_s is not None:
        raise click.UsageError("--watch follows without an end, and --wait has one; leave one out")
    if has_own_run():
        if run_id is not None:
            raise click.UsageError("inside an agent, the board is that of its own run; name none")
        return _show_own(after=after, watch=watch, wait_s=wait_s or 0.0, as_json=as_json)
    if wait_s is not None:
        raise click.UsageError("--wait is for agents; use --watch")
    return _show(run_id, after=after, watch=watch, as_json=as_json)


def _show_own(*, after: int, watch: bool, wait_s: float, as_json: bool) -> ExitCode:
    if watch:
        _print_each(follow_own_board(after=after), as_json=as_json)
        return ExitCode.DONE
    page = read_own_board(after=after, wait_s=wait_s)
    if as_json:
        emit_json(Schema.BOARD, board_document(None, page.posts, last=page.last, more=page.more))
    else:
        _print_each(page.posts, as_json=False)
        if page.more:
            note(f"there is more: aur comm --after {page.last}")
    return ExitCode.DONE if page.posts or not wait_s else ExitCode.NOT_REACHED


def _show(run_id: str | None, *, after: int, watch: bool, as_json: bool) -> ExitCode:
    from aurora_cli import wiring
    from aurora_soar.taskruns.run_kinds import RUNS_WITH_BOARD
    from aurora_spawner.control.board import follow_posts, newest_run, posts_of

    journal = wiring.open_existing().project.runs_db
    run_id = run_id or newest_run(journal, kinds=RUNS_WITH_BOARD)
    if run_id is None:
        raise NoRunError
    if watch:
        _print_each(follow_posts(journal, run_id, after=after), as_json=as_json)
        return ExitCode.DONE
    posts = posts_of(journal, run_id, after=after)
    if as_json:
        emit_json(Schema.BOARD, board_document(run_id, posts, last=posts[-1].number if posts else after, more=False))
        return ExitCode.DONE
    _print_each(posts, as_json=False)
    if not posts:
        note(f"nothing is posted on the board of {run_id}")
    return ExitCode.DONE


def _print_each(posts: Iterable[Post], *, as_json: bool) -> None:
    for post in posts:
        if as_json:
            emit_json_line(Schema.POST, post.to_dict())
        else:
            for line in post_lines(post):
                emit(line)
