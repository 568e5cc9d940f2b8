"""`aur attach`: watch and answer a run or a session of another terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, target_argument
from aurora_soar.user_only import check_user
from aurora_spawner.control.lookup import find_run
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.conversations.stored import read_session

if TYPE_CHECKING:
    from aurora_soar import Aurora

__all__ = ["command"]


@click.command(
    "attach",
    cls=AurCommand,
    examples=(
        ("aur attach spawn-1763690000000", "Watch a run of another terminal, and answer what it asks."),
        ("aur attach interact-1763690000000", "All that was said in a session, and your turns in it."),
        ("aur attach spawn-1763690000000 --json", "The events of a run, one JSON object a line."),
        ("aur attach spawn-1763690000000/1.2 --take-over", "Work in the session of a task's agent yourself."),
    ),
)
@target_argument
@click.option("--take-over", is_flag=True, help="Open the agent's own program on the task's session, here.")
@json_option
def command(*, target: str, take_over: bool, as_json: bool) -> ExitCode:
    """Watch and answer what runs in another terminal.

    Of a run, its events are shown as in its own terminal, and what its gates and agents ask can be answered here. Of
    a session, everything that was said is shown, then what is said; what you type is a turn in it. Any number of
    terminals can be attached at once. Ctrl-C detaches: the run or the session goes on. With --json, and for a session
    off the terminal, events are written one JSON object a line, and answers and turns are read likewise.

    With --take-over the attempt of a task is interrupted, and its agent's own program opens here on its session and
    in its folder; the task is held until you leave it, and then goes on in that session.

    The exit status is 0 if the run has succeeded, the session was left in order, or the task was handed back; 1 if it
    has not, or its process was killed; 130 after Ctrl-C.
    """
    run_id, _, task_id = target.partition("/")
    check_user("what runs in other terminals is", "`aur comm` has the board of your own run")
    with wiring.open_existing() as aurora:
        run, _tasks = find_run(aurora.project.runs_db, run_id)
        if take_over:
            return _take_over(aurora, run_id, task_id, as_json=as_json)
        if task_id:
            raise click.UsageError(f"a task has no events of its own: aur attach {run_id}, or aur logs -f {target}")
        if run.kind == SESSION_RUN:
            return _attach_session(aurora, run_id, as_json=as_json)
        return _attach_run(aurora, run_id, as_json=as_json)


def _take_over(aurora: Aurora, run_id: str, task_id: str, *, as_json: bool) -> ExitCode:
    from aurora_cli.attachment.take_over import take_over

    if not task_id:
        raise click.UsageError("--take-over needs a task: aur attach RUN/TASK --take-over")
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--take-over opens the agent's program in your terminal, and there is none here")
    take_over(aurora, run_id, task_id)
    return ExitCode.DONE


def _attach_run(aurora: Aurora, run_id: str, *, as_json: bool) -> ExitCode:
    from aurora_cli.attachment.run_view import attach_run, attach_run_in_lines

    return asyncio.run((attach_run_in_lines if as_json else attach_run)(aurora.project.runs_db, run_id))


def _attach_session(aurora: Aurora, session_id: str, *, as_json: bool) -> ExitCode:
    journal = aurora.project.runs_db
    read_session(journal, session_id)
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        from aurora_cli.attachment.session_lines import attach_session_in_lines

        return asyncio.run(attach_session_in_lines(journal, session_id))
    from aurora_cli.attachment.session_terminal import COMMANDS, attach_session
    from aurora_cli.interaction.prompt_line import PromptLine
    from aurora_cli.interaction.terminal_guard import guarded_terminal

    history = aurora.project.aurora_dir / "logs" / "interact.history"
    with guarded_terminal() as changed:
        line = PromptLine(history, COMMANDS, lambda: (), changed=changed)
        return asyncio.run(attach_session(journal, session_id, line))
