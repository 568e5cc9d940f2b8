"""The layout of a project: the `.aurora` folder at its root and the files in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.checkouts import linked_worktree, linked_worktree_above
from aurora_core.errors import ProjectError
from aurora_core.private_files import PRIVATE_FOLDER, make_private

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SAFE_DIRECTORY", "Project", "shared_answers_folder"]

FOLDER: Final = ".aurora"
SAFE_DIRECTORY: Final = "AURORA_SAFE_DIRECTORY"
"""The variable that names folders whose projects may belong to other users: separated as in PATH, `*` for any."""
# What is made here stays here; config.yaml, policies.yaml and project.md may be shared through version control.
_IGNORED: Final = (
    "# What Aurora keeps for itself on this machine.\n"
    "memory.db*\nruns.db*\nruns/\nlogs/\ncheckpoints/\ncache/\n*.lock\n.gitignore\n"
)


def shared_answers_folder(environ: Mapping[str, str]) -> Path | None:
    """Returns the folder of the memory of answers that a user's projects share; None without a home folder."""
    base = environ.get("XDG_DATA_HOME") or (f"{environ['HOME']}/.local/share" if environ.get("HOME") else "")
    return Path(base) / "aurora" / "shared" if base else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder that has, or may get, an `.aurora` folder.

    Attributes:
        root: absolute, links resolved.
    """

    root: Path

    @classmethod
    def find(cls, start: Path) -> Project | None:
        """Returns the innermost project that holds a path, or None.

        `~/.aurora` belongs to the user and not to a project, so the home folder is only a project for itself. A
        linked git worktree is a project of its own: the folders above it are another checkout.

        Raises:
            ProjectError: the `.aurora` that was found belongs to another user, or is a link out of its folder.
        """
        start = start.resolve()
        home = Path.home().resolve()
        for folder in (start, *start.parents):
            if (folder / FOLDER).is_dir() and (folder != home or start == home):
                _check_trustworthy(folder)
                return cls(root=folder)
            if linked_worktree(folder):
                return None
        return None

    @classmethod
    def uninitialised(cls, start: Path) -> Project:
        """Returns the project that `init` would make: of the linked git worktree around a folder, else of the folder.

        Nothing is created.
        """
        return cls(root=linked_worktree_above(start) or start.resolve())

    @classmethod
    def init(cls, root: Path) -> Project:
        """Creates the `.aurora` folder of a project; an existing one is kept.

        Only its owner can read it, whatever the umask is.

        Raises:
            ProjectError: it is not a folder, `.aurora` cannot be made in it, belongs to another user or is a link
                out of it.
        """
        root = root.resolve()
        if not root.is_dir():
            raise ProjectError(root, "is not a folder; name one that exists")
        project = cls(root=root)
        ignore = project.aurora_dir / ".gitignore"
        try:
            project.aurora_dir.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            _check_trustworthy(root)
            make_private(project.aurora_dir, PRIVATE_FOLDER)
            # An empty one is what a full disk left of an earlier try.
            if not ignore.exists() or ignore.stat().st_size == 0:
                ignore.write_text(_IGNORED, encoding="utf-8")
        except OSError as error:
            raise ProjectError(project.aurora_dir, f"cannot be made: {error.strerror}") from error
        return project

    @classmethod
    def existing(cls, root: Path) -> Project:
        """Returns the project of a folder that has an `.aurora` folder; creates nothing.

        Raises:
            ProjectError: it has no `.aurora`, or one that belongs to another user or is a link out of it.
        """
        root = root.resolve()
        if not (root / FOLDER).is_dir():
            raise ProjectError(root, "is not a project: run `aur init` in it")
        _check_trustworthy(root)
        return cls(root=root)

    @property
    def aurora_dir(self) -> Path:
        """The `.aurora` folder, which holds every other path of the project."""
        return self.root / FOLDER

    @property
    def memory_db(self) -> Path:
        """The database of the memory."""
        return self.aurora_dir / "memory.db"

    @property
    def runs_db(self) -> Path:
        """The journal of runs."""
        return self.aurora_dir / "runs.db"

    @property
    def config_file(self) -> Path:
        """The project's settings; a linked git worktree without its own uses those of the main checkout."""
        return self._shared("config.yaml")

    @property
    def policies_file(self) -> Path:
        """The project's policies; a linked git worktree without its own uses those of the main checkout."""
        return self._shared("policies.yaml")

    @property
    def worktree_file(self) -> Path:
        """The contents of tasks' worktrees; a linked git worktree without its own uses that of the main checkout."""
        return self._shared("worktree.yaml")

    def _shared(self, name: str) -> Path:
        own = self.aurora_dir / name
        linked = None if os.path.lexists(own) else linked_worktree(self.root)
        if linked is None or not linked.confirmed or linked.main_checkout is None:
            return own
        main = linked.main_checkout / FOLDER
        usable = (main / name).is_file() and not _refusal_reason(linked.main_checkout)
        return main / name if usable else own

    @property
    def conversation_logs(self) -> Path:
        """The folder of conversation logs."""
        return self.aurora_dir / "logs" / "conversations"


def _check_trustworthy(root: Path) -> None:
    if fault := _refusal_reason(root):
        raise ProjectError(root / FOLDER, fault)


def _refusal_reason(root: Path) -> str:
    """Returns why the `.aurora` of a folder must not be used; "" if it may be.

    Settings of another user can name programs to start. git has a similar rule (`safe.directory`).
    """
    folder = root / FOLDER
    if folder.is_symlink() and not folder.resolve().is_relative_to(root):
        return f"is a link to {folder.resolve()}, out of its project; put a folder in its place"
    if not hasattr(os, "geteuid") or _is_declared_safe(root):
        return ""
    owner = folder.stat().st_uid
    if owner in _own_users():
        return ""
    return (
        f"belongs to another user ({owner}); if you trust it, set {SAFE_DIRECTORY}={root}, "
        "else set up your own project with `aur init` in a folder below"
    )


def _own_users() -> set[int]:
    """Returns the user's id; for root by sudo, the id of the calling user too."""
    users = {os.geteuid()}
    sudo = os.environ.get("SUDO_UID", "")
    if users == {0} and sudo.isascii() and sudo.isdigit():
        users.add(int(sudo))
    return users


def _is_declared_safe(root: Path) -> bool:
    declared = [entry for entry in os.environ.get(SAFE_DIRECTORY, "").split(os.pathsep) if entry]
    return any(entry == "*" or Path(entry).resolve() == root for entry in declared)
