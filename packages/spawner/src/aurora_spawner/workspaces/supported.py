"""Repositories that worktrees can be made of, and the reasons for which they cannot be made of others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.workspaces.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import GITLINK, Git
from aurora_spawner.workspaces.listing import list_worktrees

if TYPE_CHECKING:
    from collections.abc import Sequence


def supported_checkout(folder: Path) -> Git:
    """Returns git in the checkout around a folder, of which worktrees have all that it has.

    Raises:
        WorkspaceError: There is none, it has submodules, Git LFS that is not installed, or is a sparse checkout;
            or git is too old.
    """
    try:
        git = Git.of_checkout(folder)
    except GitError as error:
        reason = _without_files(folder) or error.reason
        raise WorkspaceError(folder, f"is in no git checkout ({reason}); use --isolation none") from error
    git.check_version()
    _check_complete(git)
    return git


def _without_files(folder: Path) -> str:
    """Returns that a folder is in a bare repository, and where that has worktrees; empty if it is in none."""
    try:
        places = [str(each.path) for each in list_worktrees(Git(folder))[1:]]
    except GitError:
        return ""
    return f"it is a bare repository; its worktrees are {first_of(places)}" if places else "it is a bare repository"


def _check_complete(git: Git) -> None:
    entries = [entry.partition("\t") for entry in git.run("ls-files", "--stage", "-z").fields]
    submodules = [name for mode, _, name in entries if mode.startswith(GITLINK)]
    if submodules:
        problem = f"has submodules ({first_of(submodules)}), which a worktree does not get; use --isolation none"
        raise WorkspaceError(git.folder, problem)
    if git.text_of_setting("core.sparseCheckout", kind="bool") == "true":
        problem = "is a sparse checkout, and so would be each worktree; `git sparse-checkout disable` ends that"
        raise WorkspaceError(git.folder, f"{problem}, or use --isolation none")
    _check_lfs(git, [name for _, _, name in entries if Path(name).name == ".gitattributes"])


def _check_lfs(git: Git, names: list[str]) -> None:
    info = Path(git.text("rev-parse", "--path-format=absolute", "--git-path", "info/attributes"))
    files = (info, git.folder / ".gitattributes", *(git.folder / name for name in names))
    if not any(file.is_file() and b"filter=lfs" in file.read_bytes() for file in files):
        return
    filters = [git.text_of_setting(f"filter.lfs.{kind}") for kind in ("process", "clean")]
    if shutil.which("git-lfs") is None or not any(filters):
        problem = "keeps files in Git LFS; install git-lfs and run `git lfs install`, or use --isolation none"
        raise WorkspaceError(git.folder, problem)


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Returns some names for a message, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
