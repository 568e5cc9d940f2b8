"""`aur plan replan`: plan anew what a failed run has left, and change its task file."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, name_here, run_argument
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.answer import planning_note
from aurora_cli.render.index import index_with_progress
from aurora_cli.render.replan import as_document, as_text
from aurora_cli.user_prompts import check_can_confirm
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner.control.lookup import find_run

__all__ = ["command"]


@click.command(
    "replan",
    cls=AurCommand,
    examples=(
        ("aur plan replan spawn-1763690000000", "Give what failed to another agent, after a review."),
        ("aur plan replan spawn-1763690000000 --tool claude", "Let Claude Code plan the rest anew."),
        ("aur plan replan spawn-1763690000000 --yes", "Without a review; then `aur resume` goes on."),
    ),
)
@run_argument
@click.option(
    "--tool",
    metavar="NAME",
    help="The agent that plans; `tool` of the configuration by default. Without one another agent gets what failed.",
)
@click.option("--yes", is_flag=True, help="Change the task file without a review; required without a terminal.")
@click.option("--no-index", is_flag=True, help="Plan from the index as it stands; do not look for changed files.")
@json_option
def command(*, run_id: str, tool: str | None, yes: bool, no_index: bool, as_json: bool) -> int:
    """Plan anew what a failed run has left.

    A critical task of it has failed for good. What is done stays done, with its ids. The new tasks take the place of
    those that failed or were not begun in the run's task file; those with the same words stay with their settings.
    Nothing starts: `aur resume` goes on with the run. The plan is in the journal before the file is changed, and is
    made once a run; a command that was cut off can be given again, and asks no model twice. A task that a provider or
    the budget held up has not failed for good.
    """
    with wiring.open_existing(tool=tool) as aurora:
        find_run(aurora.project.runs_db, run_id)  # a wrong name is told before a missing --yes
        check_can_confirm(yes=yes, as_json=as_json, needs="review the plan at")
        if not no_index and aurora.config.tool not in (None, LOCAL_AGENT):
            index_with_progress(aurora.memory)
        planning_note(aurora.config.tool)
        replan = aurora.replan_run(run_id, index=False)
        if replan is None:
            note(f"interrupted; to go on: aur plan replan {name_here(run_id)}")
            return ExitCode.INTERRUPTED
        decided = aurora.is_replan_decided(replan)
        if not as_json:
            emit(as_text(replan, decided=decided))
        if not (yes or decided) and not _agreed():
            note("aborted; nothing was changed")
            return ExitCode.NOT_REACHED
        aurora.accept_replan(replan)
    if as_json:
        emit_json(Schema.REPLAN, as_document(replan))
    else:
        emit(f"written: {replan.taskfile}\ngo on:   aur resume {name_here(run_id)}")
    return ExitCode.DONE


def _agreed() -> bool:
    choice = click.Choice(["p", "a"], case_sensitive=False)
    answer = click.prompt("p = proceed, a = abort", type=choice, default="p", show_choices=False, err=True)
    return bool(answer == "p")
