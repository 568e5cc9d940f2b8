"""A pull request for the work of a run: what it would hold, and how it is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import ForgeError
from aurora_soar.forges import NewRequest, find_forge, place_of
from aurora_soar.user_only import check_user
from aurora_spawner.control.publishing import publishable_work, push_work
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.pushing import remotes_of, url_of_remote

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_soar.forges import Forge
    from aurora_spawner.control.publishing import PublishableWork, PushReport
    from aurora_spawner.gates.deliveries import MergeGate
    from aurora_spawner.journal.views import TaskRow

__all__ = ["PullRequestPlan", "PullRequestReport", "forge_of", "open_pull_request", "plan_pull_request"]

_TITLE_LENGTH: Final = 120
_LISTED: Final = 200
"""Tasks that a description lists; a forge refuses a longer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestPlan:
    """A pull request that can be opened; nothing is pushed yet.

    Attributes:
        existing: the address of the open pull request that the branch has already; "" if it has none.
    """

    work: PublishableWork
    remote: str
    forge: Forge
    request: NewRequest
    existing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestReport:
    """The end of a push and of the pull request for it.

    Attributes:
        address: of the pull request; "" if the push was refused, or if its program named none.
        opened: True if it is a new one.
    """

    push: PushReport
    address: str = ""
    opened: bool = False


def plan_pull_request(
    journal: Path, run_id: str, *, remote: str | None, target: str | None, title: str | None, draft: bool
) -> PullRequestPlan:
    """Finds out what a pull request for a run's work would hold, and whether it can be opened.

    Args:
        remote: the only one, or `origin`, if None.
        target: the branch that the work is for, if None.
        title: made of the tasks if None.
        draft: open it as a draft.

    Raises:
        UserOnlyError: this process belongs to an agent.
        UnknownRunError: the journal has no such run.
        NoWorkError: there is no merged work that its target lacks.
        ForgeError: there is no remote, `gh` and `glab` are missing or not signed in, or one of them failed.
        WorkspaceError: git failed.
    """
    check_user("pull requests are", "ask the user to run: aur pr " + run_id)
    work = publishable_work(journal, run_id)
    name, forge = forge_of(work.repository, remote)
    request = NewRequest(
        branch=work.branch, target=target or work.target, title=title or _title(work), body=_body(work), draft=draft
    )
    return PullRequestPlan(
        work=work, remote=name, forge=forge, request=request, existing=forge.request_of(work.branch)
    )


def open_pull_request(journal: Path, plan: PullRequestPlan, *, gate: MergeGate) -> PullRequestReport:
    """Pushes the work once the policies agree, and opens the pull request unless there is one.

    Raises:
        ForgeError: the branch is pushed, and the pull request could not be opened; a second call opens it.
        RunHeldError, NoWorkError, WorkspaceError: nothing was pushed.
    """
    push = push_work(journal, plan.work.run_id, remote=plan.remote, gate=gate)
    if push.refusal:
        return PullRequestReport(push=push)
    address = plan.existing or plan.forge.request_of(plan.work.branch)
    if address:
        return PullRequestReport(push=push, address=address)
    return PullRequestReport(push=push, address=plan.forge.open_request(plan.request), opened=True)


def forge_of(folder: Path, remote: str | None) -> tuple[str, Forge]:
    """Returns a remote of a repository, and the program of its forge.

    Args:
        folder: a folder of the repository.
        remote: the only one, or `origin`, if None.

    Raises:
        ForgeError: there is no such remote, or its program is missing or not signed in.
        WorkspaceError: the folder is in no repository, or git failed.
    """
    git = Git.of_checkout(folder)
    name = _remote(git, remote)
    return name, find_forge(git.folder, place_of(url_of_remote(git, name)))


def _remote(git: Git, wanted: str | None) -> str:
    remotes = remotes_of(git)
    if not remotes:
        raise ForgeError("git", "the repository has no remote", hint="add one with: git remote add origin ADDRESS")
    if wanted is not None and wanted not in remotes:
        raise ForgeError("git", f"no remote is called {wanted!r}", hint=f"there is: {', '.join(remotes)}")
    found = wanted or (remotes[0] if len(remotes) == 1 else "origin")
    if found not in remotes:
        raise ForgeError("git", "there are several remotes", hint=f"name one with --remote: {', '.join(remotes)}")
    return found


def _title(work: PublishableWork) -> str:
    first = " ".join(work.merged[0].task.headline.split())
    more = len(work.merged) - 1
    rest = f" and {more} more" if more else ""
    return first[: _TITLE_LENGTH - len(rest)].rstrip() + rest


def _body(work: PublishableWork) -> str:
    lines = ["Made by agents in one Aurora run; each task was merged and checked on this branch.", ""]
    lines += [f"- {_described(row)}" for row in work.merged[:_LISTED]]
    if len(work.merged) > _LISTED:
        lines.append(f"- and {len(work.merged) - _LISTED} more")
    left = [row for row in work.unmerged if row.task.candidate_of is None]
    if left:
        lines += ["", "Not in it:", "", *(f"- {_code(row.task.headline)} ({row.state})" for row in left[:_LISTED])]
    return "\n".join([*lines, "", f"Run {_code(work.run_id)}, branch {_code(work.branch)}", ""])


def _described(row: TaskRow) -> str:
    agent = f" by {_code(row.result.agent)}" if row.result else ""
    checks = len(row.checked[-1].runs) if row.checked and row.checked[-1].passed else 0
    passed = f", {checks} {'check' if checks == 1 else 'checks'} passed" if checks else ""
    return f"{_code(row.task.headline)}{agent}{passed}"


def _code(text: str) -> str:
    """Returns a text as Markdown shows it letter by letter: no mention, link or markup in it has an effect."""
    plain = " ".join(text.split())[:300]
    fence = "`" * (1 + max(map(len, re.findall(r"`+", plain)), default=0))
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"
