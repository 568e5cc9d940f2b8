"""`aur goals`: plan a goal, review the plan, and keep it as a folder whose tasks can be run."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.plan_review import reviewed_plan
from aurora_cli.render.answer import planning_note
from aurora_cli.render.goal_plan import as_document, as_text
from aurora_cli.render.index import index_with_progress
from aurora_cli.user_prompts import check_can_confirm
from aurora_soar.plans.plan import ReviewDecision

__all__ = ["command"]


@click.command(
    "goals",
    cls=AurCommand,
    examples=(
        ('aur goals "Add rate limiting to the API"', "Plan by rules, review, and write .aurora/plans/0001-…/."),
        ('aur goals "Port the parser to Rust" --tool claude', "Let Claude Code plan."),
        ('aur goals "Fix the login loop" --yes', "Write the plan without a review."),
        ("aur goals --issue 42", "Plan issue 42 of the project on GitHub or GitLab, read by gh or glab."),
        ("aur goals --from specs/001-login", "Take a folder of spec-kit, OpenSpec or Kiro as the plan."),
    ),
)
@click.argument("goal", nargs=-1, help="The goal; each item of a list in it becomes a subgoal.")
@click.option(
    "--issue",
    type=click.IntRange(1),
    metavar="N",
    help="Take issue N of the project as the goal; gh or glab reads it, and must be signed in.",
)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Take the tasks of a spec-kit, OpenSpec or Kiro folder as they are, instead of planning.",
)
@click.option(
    "--tool", metavar="NAME", help="The agent that plans; `tool` of the configuration by default, else rules."
)
@click.option("--yes", is_flag=True, help="Write the plan without a review; required without a terminal.")
@click.option("--no-index", is_flag=True, help="Plan from the index as it stands; do not look for changed files.")
@click.option("--no-cache", is_flag=True, help="Take no plan from the cache; plan anew, and keep that.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    goal: tuple[str, ...],
    issue: int | None,
    folder: Path | None,
    tool: str | None,
    yes: bool,
    no_index: bool,
    no_cache: bool,
    as_json: bool,
) -> int:
    """Plan a goal, and keep the plan as tasks that can be run.

    The goal is cut into subgoals, each with the agent or persona that fits it best. A gap is a subgoal whose ideal
    agent is not there. Cost and time are estimated from earlier runs of the same agents. In the review, p writes the
    plan, and gaps are filled by agents that are told to work as the ideal one; f leaves gaps to the default agent as
    it is; e opens the tasks in $VISUAL or $EDITOR; a writes nothing, and the exit status is 1. No task of the plan
    is run; an agent that plans (--tool) works in your checkout, and what it changes there is named.

    An issue was written by others: agents are told to take its words as a description, and the review shows what
    would be done.

    With --from the tasks of FOLDER are the plan, with their ids, order and details; its files stay as they are, and
    what of them is missing, left open or not run is named.
    """
    text = " ".join(goal)
    if [bool(text.strip()), issue is not None, folder is not None].count(True) != 1:
        raise click.UsageError("give one of these: a goal, --issue with a number, --from with a folder", ctx)
    if folder is not None and no_cache:
        raise click.UsageError("--from plans nothing that could be in the cache", ctx)
    check_can_confirm(yes=yes, as_json=as_json, needs="review the plan at")
    with wiring.open_folder(tool=tool) as aurora:
        text, source = (text, "") if issue is None else (aurora.issue(issue).text, f"issue {issue}")
        _check(text, folder)
        aurora.set_up()
        if not no_index:
            index_with_progress(aurora.memory)
        if folder is None:
            planning_note(aurora.config.tool)
        review = (
            aurora.plan_folder(folder, index=False)
            if folder is not None
            else aurora.plan_goal(text, index=False, source=source, fresh=no_cache)
        )
        if review is None:
            note("interrupted; no plan was written")
            return ExitCode.INTERRUPTED
        if not as_json:
            emit(as_text(review))
        review, decision = (review, ReviewDecision.PROCEED) if yes else reviewed_plan(aurora, review)
        if decision is ReviewDecision.ABORT:
            note("aborted; no plan was written")
            return ExitCode.NOT_REACHED
        stored = aurora.write_plan(review, decision)
    if as_json:
        emit_json(Schema.NEW_PLAN, as_document(review, stored))
    else:
        emit(f"written: {_shown(stored.folder)}\nrun it:  aur spawn {_shown(stored.taskfile)}")
    return ExitCode.DONE


def _check(text: str, folder: Path | None) -> None:
    """Refuses an empty goal, or a folder that cannot be taken, before anything is set up."""
    from aurora_soar import read_question
    from aurora_soar.plans.goal_text import looked_up
    from aurora_soar.plans.spec_folder import read_spec_folder

    if folder is None:
        read_question(looked_up(text))
    else:
        read_spec_folder(folder)


def _shown(path: Path) -> str:
    """Returns a path from the current folder if it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
