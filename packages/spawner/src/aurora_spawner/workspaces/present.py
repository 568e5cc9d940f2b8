"""The present state of a worktree as a commit, uncommitted and untracked files included; nothing in it changes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.workspaces.checkouts import reveal
from aurora_spawner.workspaces.staging import embedded_repository, stage_work

if TYPE_CHECKING:
    from aurora_spawner.workspaces.worktrees import Worktree


def present_commit(worktree: Worktree, message: str) -> str:
    """Returns the commit that is checked out, or one on top of it with what is uncommitted, on no branch.

    It is read through an index of its own. Ignored files are not part of it.

    Raises:
        ForeignWorktreeError: The worktree is gone, or its `.git` file is.
        WorkspaceError: It holds a repository of its own, whose content no commit of this one can hold.
        GitError: Git failed.
    """
    git = worktree.git
    asked = ("HEAD^{commit}", "HEAD^{tree}", "--path-format=absolute", "--git-path", "index")
    head, old, own = git.text("rev-parse", *asked).split("\n", 2)
    with tempfile.TemporaryDirectory(prefix="aurora-index-") as folder:
        index = Path(folder) / "index"
        if Path(own).exists():
            shutil.copy2(own, index)  # with its time, by which git knows which files may have changed unseen
        environment = {"GIT_INDEX_FILE": str(index)}
        reveal(git, index=index)
        stage_work(worktree, index=index)
        for entry in git.run("ls-files", "--stage", "-z", environment=environment).fields:
            if entry.startswith("160000"):
                name = entry.partition("\t")[2]
                raise embedded_repository(worktree, name)
        tree = git.text("write-tree", environment=environment)
    if tree == old:
        return head
    identity = git.identity()
    return git.run("commit-tree", tree, "-p", head, "-F", "-", stdin=message.encode(), environment=identity).text
