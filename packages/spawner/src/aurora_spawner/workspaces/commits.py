"""Commits of what is staged in a worktree: by `git commit` with the user's hooks, or in fewer steps without any."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.git import identity_beside
from aurora_spawner.workspaces.merging import commit_merge, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Worktree

_ASKED: Final = r"^(user\.(name|email)|hook\..*)$"
_HOOKS: Final = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The commit and the branch that are checked out in a worktree."""

    commit: str
    """Empty for a branch without a commit."""
    branch: str
    """With `refs/heads/`; empty for a detached HEAD."""
    hooks: Path
    """The folder of the user's hooks."""


def read_head(git: Git) -> Head:
    """Returns what is checked out."""
    question = ("--path-format=absolute", "--git-path", "hooks", "HEAD", "--symbolic-full-name", "HEAD")
    said = git.run("rev-parse", *question, accepted=(0, 128))
    if said.status:
        return Head(commit="", branch=git.branch(), hooks=Path(os.devnull))
    *hooks, commit, branch = said.text.split("\n")
    return Head(commit=commit, branch="" if branch == "HEAD" else branch, hooks=Path("\n".join(hooks)))


def new_commit(worktree: Worktree, head: Head, message: str, trailers: Mapping[str, str]) -> str:
    """Commits what is staged on what is checked out; a branch that is not the task's stays where it is.

    Args:
        message: Subject and body.
        trailers: Are added to it, each as one line.

    Returns:
        The commit.

    Raises:
        GitError: Git failed, a hook of the user's included.
    """
    git, own = worktree.git, f"refs/heads/{worktree.branch}"
    if head.branch and head.branch != own:
        git.run("update-ref", "--no-deref", "HEAD", head.commit)
    lines = [f"{name}: {one_line(value)}" for name, value in trailers.items()]
    subject = message.replace("\0", "").encode(errors="replace").decode().strip()  # which git takes, as arguments too
    settings = git.settings_like(_ASKED)
    identity = identity_beside(settings)
    has_hooks = any((head.hooks / name).exists() for name in _HOOKS) or any(
        each.startswith("hook.") for each in settings
    )
    if "\n" in subject or has_hooks:
        added = [part for line in lines for part in ("--trailer", line)]
        git.run("commit", "--quiet", "-F", "-", *added, stdin=subject.encode(), environment=identity)
        return git.text("rev-parse", "HEAD")
    text = "\n\n".join([subject, *(["\n".join(lines)] if lines else [])]) + "\n"
    made = commit_merge(git, git.text("write-tree"), (head.commit,), text, identity=identity)
    git.run("update-ref", "-m", f"commit: {subject}", "HEAD", made, head.commit)
    return made
