"""`aur resume`: continue a run that was paused or cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import run_progress, wiring
from aurora_cli.commands.soar import resume_question
from aurora_cli.documents import Schema
from aurora_cli.errors import RunAtWorkError
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, name_here, run_argument
from aurora_cli.output import emit_json, note
from aurora_cli.render.index import index_with_progress
from aurora_soar.resumption.kinds import QUESTION_RUN
from aurora_soar.resumption.record import asked_question
from aurora_spawner.control.lookup import find_run, is_held
from aurora_spawner.control.steering import unpause_run
from aurora_spawner.conversations.kinds import SESSION_RUN

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_soar import Aurora

__all__ = ["command", "resume"]


@click.command(
    "resume",
    cls=AurCommand,
    examples=(
        ("aur resume spawn-1763690000000", "Continue where it stopped."),
        ("aur resume spawn-1763690000000 --retry-failed", "And try again what failed."),
        ("aur resume spawn-1763690000000 --bg", "In the background."),
    ),
)
@run_argument
@click.option("--retry-failed", is_flag=True, help="Also run again what failed, was skipped or was cancelled.")
@click.option("--bg", "background", is_flag=True, help="In the background; survives this terminal and the logout.")
@click.option("--yes", is_flag=True, help="Merge without a question, as for `aur spawn`.")
@accept_changes_option
@json_option
def command(
    *, run_id: str, retry_failed: bool, background: bool, accept_changes: bool, yes: bool, as_json: bool
) -> int:
    """Resume a run that was paused or interrupted.

    A paused run continues in its own process, with the options that it has. A run without a live process is resumed
    here: what is finished stays finished, agents that still work are adopted, and a task that was edited in the task
    file runs again. A question that was cut off is continued as by `aur soar --resume`.
    """
    return resume(
        run_id,
        retry_failed=retry_failed,
        background=background,
        accept_changes=accept_changes,
        yes=yes,
        as_json=as_json,
    )


def resume(
    run_id: str,
    *,
    taskfile: Path | None = None,
    max_concurrent: int | None = None,
    stagger_s: float = 0.0,
    retry_failed: bool,
    background: bool,
    accept_changes: bool,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Continues a paused run, or resumes one that no process works on.

    Args:
        taskfile: replaces the file that the run was made from.
        max_concurrent: agents at once; None leaves it to the run.
        stagger_s: time between two starts; 0 for none.

    Raises:
        RunAtWorkError: a process works on the run, and an option could not reach it.
    """
    with wiring.open_existing() as aurora:
        return _resume(
            aurora,
            run_id,
            taskfile=taskfile,
            max_concurrent=max_concurrent,
            stagger_s=stagger_s,
            retry_failed=retry_failed,
            background=background,
            accept_changes=accept_changes,
            yes=yes,
            as_json=as_json,
        )


def _resume(
    aurora: Aurora,
    run_id: str,
    *,
    taskfile: Path | None,
    max_concurrent: int | None,
    stagger_s: float,
    retry_failed: bool,
    background: bool,
    accept_changes: bool,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    kind = find_run(aurora.project.runs_db, run_id)[0].kind
    if kind == SESSION_RUN:
        name = name_here(run_id)
        raise click.UsageError(f"{name} is a session; continue it with: aur interact --resume {name}")
    if is_held(aurora.project.runs_db, run_id):
        useless = {
            "TASKFILE": taskfile is not None,
            "--max-concurrent or --sequential": max_concurrent is not None,
            "--stagger-delay": stagger_s > 0,
            "--retry-failed": retry_failed,
            "--bg": background,
            "--accept-changes": accept_changes,
        }
        if any(useless.values()):
            raise RunAtWorkError(name_here(run_id), [option for option, given in useless.items() if given])
        if kind == QUESTION_RUN:  # nobody can have paused it: who works on it is told
            return resume_question(run_id, accept_changes=False, as_json=as_json)
        return _unpause(aurora.project.runs_db, run_id, as_json=as_json)
    if kind == QUESTION_RUN and not retry_failed:
        if not background:
            return resume_question(run_id, accept_changes=accept_changes, as_json=as_json)
        asked_question(
            aurora.project.runs_db, run_id
        )  # else its process would be the one to say that it has an answer
        index_with_progress(aurora.memory)
        accepted = ["--accept-changes"] if accept_changes else []
        return run_progress.question_in_background(aurora, run_id, more=accepted, as_json=as_json)
    plan = aurora.plan_resume(run_id, taskfile, accept_changes=accept_changes)
    if background:
        aurora.refresh_memory(plan.agents, index_with_progress)
        more = [f"--stagger-delay={stagger_s}"] if stagger_s else []
        more += ["--retry-failed"] if retry_failed else []
        more += ["--yes"] if yes else []
        more += [f"--max-concurrent={max_concurrent}"] if max_concurrent else []
        more += ["--", str(taskfile.absolute())] if taskfile else []
        return run_progress.in_background(aurora, run_id, more=more, as_json=as_json)
    return run_progress.resume(
        aurora,
        plan,
        max_concurrent=max_concurrent,
        stagger_s=stagger_s,
        retry_failed=retry_failed,
        yes=yes,
        as_json=as_json,
    )


def _unpause(journal: Path, run_id: str, *, as_json: bool) -> ExitCode:
    unpause_run(journal, run_id)
    if as_json:
        emit_json(Schema.RUN_CONTINUED, {"run_id": run_id})
    note(f"{name_here(run_id)} continues")
    return ExitCode.DONE
