"""The push of a finished branch to a remote; only a command that the user gives for it comes here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.workspaces.git import Git


def remotes_of(git: Git) -> tuple[str, ...]:
    """Returns the names of the repository's remotes."""
    return tuple(git.text("remote").splitlines())


def url_of_remote(git: Git, remote: str) -> str:
    """Returns the address that a push to a remote goes to."""
    return git.text("remote", "get-url", "--push", remote)


def push_commit(git: Git, remote: str, commit: str, branch: str) -> None:
    """Pushes a commit as a branch; a branch that is there may only move forward. Nothing is asked.

    Args:
        branch: Without `refs/heads/`.

    Raises:
        GitError: The remote cannot be reached, or refuses; with git's own words.
    """
    ssh = os.environ.get("GIT_SSH_COMMAND") or git.text_of_setting("core.sshCommand") or "ssh -o BatchMode=yes"
    git.run("push", "--quiet", remote, f"{commit}:refs/heads/{branch}", environment={"GIT_SSH_COMMAND": ssh})
