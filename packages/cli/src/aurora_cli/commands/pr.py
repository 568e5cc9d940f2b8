"""`aur pr`: push the merged work of a run, and open a pull request for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.delivery_prompts import ask_for_approval
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, run_argument
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.pull_requests import as_document, plan_lines, report_lines
from aurora_cli.user_prompts import check_can_confirm
from aurora_spawner.control.lookup import find_run

if TYPE_CHECKING:
    from aurora_soar import Aurora
    from aurora_soar.taskruns.pull_request import PullRequestPlan, PullRequestReport

__all__ = ["command"]


@click.command(
    "pr",
    cls=AurCommand,
    examples=(
        ("aur pr spawn-1763690000000", "Show what would be pushed, ask, and open a pull request."),
        ("aur pr spawn-1763690000000 --draft --yes", "Open a draft, without confirmation."),
    ),
)
@run_argument
@click.option("--remote", metavar="NAME", help="The remote that is pushed to; the only one, or origin, by default.")
@click.option("--into", "target", metavar="BRANCH", help="The branch that the work is for; the run's by default.")
@click.option("--title", metavar="TEXT", help="The title; made of the tasks by default.")
@click.option("--draft", is_flag=True, help="Open it as a draft.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@accept_changes_option
@json_option
def command(
    *,
    run_id: str,
    remote: str | None,
    target: str | None,
    title: str | None,
    draft: bool,
    yes: bool,
    accept_changes: bool,
    as_json: bool,
) -> int:
    """Push the work of a run, and open a pull request for it.

    The integration branch is pushed to the remote; no other branch moves, here or there. The pull request is opened
    by gh (GitHub) or glab (GitLab), which must be installed and signed in. Work that is not merged yet is merged by
    `aur merge`; a run with --merge never leaves its work on that branch. A branch that has an open pull request
    already is pushed again, and the address is printed. If the policies ask about the push, a terminal asks for
    your approval; --yes leaves it to `aur approve`, and the next call pushes. An agent cannot use this command.
    """
    aurora = wiring.open_existing()
    find_run(aurora.project.runs_db, run_id)  # a wrong name is told before a missing --yes
    check_can_confirm(yes=yes, as_json=as_json)
    plan = aurora.plan_pull_request(run_id, remote=remote, target=target, title=title, draft=draft)
    if not yes:
        for line in plan_lines(plan):
            note(line)
        if not click.confirm("Push it?", default=False, err=True):
            return ExitCode.NOT_REACHED
    report = _opened(aurora, plan, accept_changes=accept_changes, ask=not yes)
    if as_json:
        emit_json(Schema.PULL_REQUEST, as_document(plan, report))
    else:
        for line in report_lines(plan, report):
            emit(line)
    return ExitCode.REFUSED if report.push.refusal else ExitCode.DONE


def _opened(aurora: Aurora, plan: PullRequestPlan, *, accept_changes: bool, ask: bool) -> PullRequestReport:
    """Pushes and opens it; asks for the approval that the policies want, if somebody is there to ask."""
    report = aurora.open_pull_request(plan, accept_changes=accept_changes)
    approval = report.push.approval
    if not approval or not ask:
        return report
    note(report.push.refusal)
    approved = ask_for_approval(aurora.project.runs_db, approval, "Approve it?", told="asked at the push")
    return aurora.open_pull_request(plan, accept_changes=accept_changes) if approved else report
