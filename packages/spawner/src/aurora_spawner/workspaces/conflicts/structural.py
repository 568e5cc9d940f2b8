"""The structural merge driver of this machine: it merges by syntax what git cannot merge line by line."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import GitError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merging import merge_trees

if TYPE_CHECKING:
    from aurora_spawner.workspaces.merging import TreeMerge

MERGIRAF: Final = "mergiraf"
_ARGUMENTS: Final = "merge --git %O %A %B -p %P -l %L"
"""As on https://mergiraf.org/usage.html, without the names of the sides: only git 2.44 and later can give them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuralDriver:
    """A merge driver that git is given for one merge; no configuration of the user's changes."""

    name: str
    command: str

    def merge(self, git: Git, ours: str, theirs: str) -> TreeMerge | None:
        """Merges two commits with the driver for all files that have no driver of their own by their attributes.

        Returns:
            The merge; None if git failed with it, such as when the driver takes too long.
        """
        settings = (f"merge.{self.name}.driver={self.command}", f"merge.default={self.name}")
        with_driver = Git(git.folder, git_dir=git.git_dir, settings=settings)
        try:
            return merge_trees(with_driver, ours, theirs)
        except GitError:
            return None


def installed_driver(repository: Path) -> StructuralDriver | None:
    """Returns the driver on PATH; None without one. A program of the repository itself is none.

    Args:
        repository: The checkout whose work is merged; its files come from others.
    """
    found = shutil.which(MERGIRAF)
    if found is None or not Path(found).is_absolute() or Path(found).resolve().is_relative_to(repository.resolve()):
        return None
    # Git gives up the whole merge on an exit status above 128; then this file is in conflict, as without the driver.
    return StructuralDriver(name=MERGIRAF, command=f"{shlex.quote(found)} {_ARGUMENTS} || exit 1")
