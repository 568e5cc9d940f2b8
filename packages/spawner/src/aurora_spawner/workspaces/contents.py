"""The contents of worktrees besides their base commit: the files of the user's checkout that are copied or linked."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.preparation import Preparation

INCLUDE_FILE: Final = ".worktreeinclude"
MOST_FILES: Final = 10_000
"""Files that are copied into one worktree."""
MOST_BYTES: Final = 10**9
"""Their size together."""
_INCLUDE_BYTES: Final = 128_000
_OWN_FOLDERS: Final = (".git/", ".aurora/")
_NAMED: Final = 3
"""Files that a sentence about many names."""
_AT_ONCE: Final = 500
"""Names in one git command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Files of the user's checkout that worktrees get. Paths are relative to the top of the repository."""

    copied: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    """A sentence for each thing that was asked for and that worktrees will not have."""


def find_contents(git: Git, folder: str, preparation: Preparation) -> Contents:
    """Finds what worktrees get from a checkout, as it is now; nothing is written.

    Args:
        git: In the user's checkout.
        folder: The folder that the paths of the preparation are relative to, itself relative to the checkout.

    Raises:
        WorkspaceError: A path is tracked by git and cannot be linked, leads out of the checkout, is a device or the
            like, or the copies would be too many or too large.
        GitError: Git failed.
    """
    return _Search(git, folder, preparation.link).contents(preparation)


@dataclass(frozen=True)
class _Search:
    git: Git
    folder: str
    link: Sequence[str]
    notices: list[str] = field(default_factory=list)

    def contents(self, preparation: Preparation) -> Contents:
        linked = tuple(name for name in map(self._name, preparation.link) if self._can_be_linked(name))
        wanted = [name for name in map(self._name, preparation.copy) if self._is_there(name, "copied")]
        found = [*self._untracked(wanted), *(self._included() if preparation.include else ())]
        copied = tuple(
            name for name in dict.fromkeys(found) if not _is_in(name, linked) and self._can_be_copied(name, wanted)
        )
        self._check_size(copied)
        return Contents(copied=copied, linked=linked, notices=tuple(self.notices))

    def _name(self, path: str) -> str:
        """Returns a path of the preparation relative to the checkout, without `.` and slashes too many."""
        return os.path.normpath(path if self.folder == "." else f"{self.folder}/{path}")

    def _is_there(self, name: str, what: str) -> bool:
        """Returns True if a path is there, and leads through no link.

        Raises:
            WorkspaceError: It leads through a link, or is no file, folder or link.
        """
        path = self.git.folder
        for part in Path(name).parts:
            if path.is_symlink():
                raise self._refusal(name, f"leads through the link {path.relative_to(self.git.folder)}")
            path /= part
        try:
            mode = path.lstat().st_mode
        except OSError:
            self.notices.append(f"{name} is not there, and is not {what}")
            return False
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            raise self._refusal(name, "is a device, pipe or socket")
        if stat.S_ISLNK(mode):
            self._check_link(name, what)
        return True

    def _check_link(self, name: str, what: str) -> None:
        target = (self.git.folder / name).resolve()
        if not target.is_relative_to(self.git.folder):
            raise self._refusal(name, f"is a link out of the project, to {target}")
        if what == "copied" and not target.is_file():
            raise self._refusal(name, f"is a link to {target}, which is no file")

    def _refusal(self, name: str, problem: str) -> WorkspaceError:
        return WorkspaceError(self.git.folder, f"{name} {problem}; worktrees cannot have it: remove it from the list")

    def _can_be_linked(self, name: str) -> bool:
        if not self._is_there(name, "linked"):
            return False
        if self.git.run("ls-files", "-z", "--", name).data:
            raise self._refusal(name, "holds files that git tracks, which each worktree has itself")
        return True

    def _untracked(self, wanted: Sequence[str]) -> list[str]:
        """Returns the files that git does not track among paths, and below them."""
        if not wanted:
            return []
        found = self.git.run("ls-files", "--others", "-z", "--", *wanted).fields
        for name in wanted:
            if not any(_is_in(each, (name,)) for each in found) and self.git.run("ls-files", "-z", "--", name).data:
                self.notices.append(f"{name} is tracked by git: worktrees have it as it is in their base commit")
        return found

    def _included(self) -> list[str]:
        """Returns the files that `.worktreeinclude` names and git ignores."""
        try:
            patterns = read_regular(self.git.folder / INCLUDE_FILE, limit=_INCLUDE_BYTES + 1)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise WorkspaceError(self.git.folder / INCLUDE_FILE, f"cannot be read: {error.strerror}") from error
        if len(patterns) > _INCLUDE_BYTES:
            raise WorkspaceError(self.git.folder / INCLUDE_FILE, f"is larger than {_INCLUDE_BYTES // 1000} kB")
        with tempfile.NamedTemporaryFile(prefix="aurora-include-") as file:
            file.write(patterns)
            file.flush()
            named = self._others(f"--exclude-from={file.name}")
        ignored: list[str] = []
        for start in range(0, len(named), _AT_ONCE):
            ignored += self._others("--exclude-standard", *("--", *named[start : start + _AT_ONCE]))
        return [name for name in ignored if not name.startswith(_OWN_FOLDERS)]

    def _others(self, *which: str) -> list[str]:
        return self.git.run("ls-files", "--others", "--ignored", "-z", *which).fields

    def _can_be_copied(self, name: str, wanted: Sequence[str]) -> bool:
        """Returns True for a file; says of all else that was found below a folder or by a pattern what it is."""
        path = self.git.folder / name
        if name.endswith("/"):
            self.notices.append(f"{name} is a git repository of its own, and is not copied")
            return False
        if "\n" in name:
            self.notices.append(f"{name!r} has a line break in its name, and is not copied")
            return False
        if path.is_symlink() and name not in wanted:
            target = path.resolve()
            if not (target.is_relative_to(self.git.folder) and target.is_file()):
                self.notices.append(f"{name} is a link to {target}, and is not copied")
                return False
        return True

    def _check_size(self, copied: Sequence[str]) -> None:
        if len(copied) > MOST_FILES:
            problem = f"would be copied into each worktree: {len(copied)} files, and at most {MOST_FILES} can be"
            raise WorkspaceError(self.git.folder, f"{_some(copied)} {problem}; link their folder instead")
        sizes = {name: size for name in copied for size in _size(self.git.folder / name)}
        total = sum(sizes.values())
        if total > MOST_BYTES:
            largest = sorted(sizes, key=lambda name: -sizes[name])
            problem = (
                f"would be copied into each worktree: {total / 1e9:.1f} GB, and at most {MOST_BYTES / 1e9:.0f} can be"
            )
            raise WorkspaceError(self.git.folder, f"{_some(largest)} {problem}; link them instead")


def _size(path: Path) -> Iterator[int]:
    try:
        yield path.stat().st_size
    except OSError:
        return


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + ("…" if len(names) > _NAMED else "")


def _is_in(name: str, folders: Iterable[str]) -> bool:
    return any(name == folder or name.startswith(f"{folder}/") for folder in folders)
