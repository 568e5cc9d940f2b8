"""`aur trust`: review what a project can run, and trust it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.trust import as_document, as_lines, list_document, list_lines
from aurora_cli.user_prompts import is_interactive
from aurora_core.trust import WHOLE_PROJECT, changes, digest_of
from aurora_soar.aurora.trust import trust_store
from aurora_soar.taskruns.checks import task_file_claim
from aurora_soar.user_only import check_user
from aurora_spawner import read_taskfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Project
    from aurora_core.trust import Change, Claim
    from aurora_soar import Aurora

__all__ = ["command"]


@click.command(
    "trust",
    cls=AurCommand,
    examples=(
        ("aur trust", "Show what this project can run or loosen, and ask."),
        ("aur trust --yes", "Trust it without confirmation, in a script."),
        ("aur trust tasks.md", "Let Aurora run the checks that a task file names."),
        ("aur trust --list", "List the projects that you trust."),
        ("aur trust --remove", "Stop trusting this project."),
    ),
)
@click.argument(
    "path",
    required=False,
    type=click.Path(path_type=Path),
    help="A folder of the project (default: the current one), or a task file.",
)
@click.option("--yes", is_flag=True, help="Trust what is shown, without confirmation.")
@click.option("--list", "list_all", is_flag=True, help="List the projects that you trust.")
@click.option("--remove", is_flag=True, help="Stop trusting the project.")
@json_option
def command(*, path: Path | None, yes: bool, list_all: bool, remove: bool, as_json: bool) -> int:
    """Review what a project can run, and trust it.

    Settings of a project that can start a program or loosen a rule are ignored until you trust it: its agents and its
    default agent, policies looser than the defaults, models named by its personas, keys in its .env, and what its
    worktree.yaml runs, sets or links. After a change of one of them you have to trust it again. Each task file with
    checks is trusted by itself. AURORA_TRUST=1 trusts everything while it is set. The exit status is 1 while
    something is not trusted.
    """
    if sum((yes, list_all, remove)) > 1:
        raise click.UsageError("--yes, --list and --remove exclude each other")
    if list_all:
        return _list(as_json=as_json)
    check_user("trust is", "ask the user to run: aur trust")
    if remove:
        return _remove(path, as_json=as_json)
    if path is not None and path.is_file():
        return _trust_file(wiring.open_folder(path.resolve().parent), path, yes=yes, as_json=as_json)
    folder = Path.cwd() if path is None else ExistingPath("folder").convert(str(path), None, None)
    return _trust(wiring.open_folder(folder.resolve()), yes=yes, as_json=as_json)


def _trust(aurora: Aurora, *, yes: bool, as_json: bool) -> ExitCode:
    store, project = trust_store(), aurora.project
    claims = aurora.claims()
    known = store.known(project.root)
    before = tuple(each for each in known.claims if each.part in WHOLE_PROJECT) if known else ()
    changed = changes(before, claims) if before else ()
    already = known is not None and digest_of(before) == digest_of(claims)
    if not as_json:
        _show(project, claims, changed)
    wanted = already or not claims or store.everything or yes or (not as_json and _confirmed())
    if wanted and not already:
        store.remember(project.root, claims)
    if as_json:
        emit_json(Schema.TRUST, as_document(project, claims, changed, trusted=wanted))
    elif claims:
        note("already trusted" if already else "trusted" if wanted else "not trusted; these settings are ignored")
    return ExitCode.DONE if wanted else ExitCode.NOT_REACHED


def _trust_file(aurora: Aurora, path: Path, *, yes: bool, as_json: bool) -> ExitCode:
    """Trusts the commands that a task file names for Aurora itself to run."""
    store, project = trust_store(), aurora.project
    claim = task_file_claim(project, path, read_taskfile(path).commands)
    claims = () if claim is None else (claim,)
    already = claim is None or store.trusts_claim(project, claim)
    if not as_json:
        for line in as_lines(project, claims, ()):
            emit(line)
        if claim is None:
            note(f"{path}: no command that needs trust")
    wanted = already or yes or (not as_json and _confirmed())
    if wanted and not already and claim is not None:
        store.remember_claim(project.root, claim)
    if as_json:
        emit_json(Schema.TRUST, as_document(project, claims, (), trusted=wanted))
    elif claim is not None:
        note("already trusted" if already else "trusted" if wanted else "not trusted; these commands do not run")
    return ExitCode.DONE if wanted else ExitCode.NOT_REACHED


def _show(project: Project, claims: Sequence[Claim], changed: Sequence[Change]) -> None:
    for line in as_lines(project, claims, changed):
        emit(line)
    if not claims:
        note(f"{project.root}: nothing needs trust")


def _confirmed() -> bool:
    if not is_interactive():
        note("there is no terminal to ask for confirmation; use `aur trust --yes`")
        return False
    return click.confirm("Trust this project and all of these settings?", default=False, err=True)


def _list(*, as_json: bool) -> ExitCode:
    projects = trust_store().projects()
    if as_json:
        emit_json(Schema.TRUSTED_PROJECTS, list_document(projects))
        return ExitCode.DONE
    for line in list_lines(projects):
        emit(line)
    if not projects:
        note("you trust no project yet")
    return ExitCode.DONE


def _remove(path: Path | None, *, as_json: bool) -> ExitCode:
    """Removes a project, which may have been deleted, from the trusted projects."""
    folder = (path or Path.cwd()).resolve()
    store = trust_store()
    root = folder if store.known(folder) else wiring.open_folder(folder).project.root
    removed = store.forget(root)
    if as_json:
        emit_json(Schema.TRUST_REMOVED, {"project": str(root), "removed": removed})
    else:
        note(f"{root}: {'no longer trusted' if removed else 'was not trusted'}")
    return ExitCode.DONE
