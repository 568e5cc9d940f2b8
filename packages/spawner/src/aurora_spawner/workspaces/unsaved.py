"""Work in a worktree that no commit holds, and that would be lost with its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.checkouts import linked_git_dir, reveal
from aurora_spawner.workspaces.manifest import read_manifest, sort_out

if TYPE_CHECKING:
    from aurora_spawner.workspaces.git import Git

_LISTING: Final = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignored=traditional")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaved:
    """Work in a worktree that no commit holds; file names are relative to the worktree."""

    changed: tuple[str, ...] = ()
    """Tracked files with changes, and untracked ones."""
    ignored: tuple[str, ...] = ()
    """Files that `.gitignore` hides, folders as one entry."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.ignored)


def unsaved(git: Git) -> Unsaved:
    """Returns what would be lost if the folder were deleted; what it was given is not, unless it was changed.

    Args:
        git: Git in a worktree.
    """
    reveal(git)
    listing = git.run("status", *_LISTING).fields
    ignored = tuple(entry[3:] for entry in listing if entry.startswith("!!"))
    changed = tuple(entry[3:] for entry in listing if not entry.startswith("!!"))
    manifest = read_manifest(linked_git_dir(git.folder))
    if manifest is not None:
        changed, ignored = sort_out(git.folder, manifest, changed=changed, ignored=ignored)
    return Unsaved(changed=changed, ignored=ignored)
