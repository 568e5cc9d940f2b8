"""The list of a user's workspaces: projects that are seen and steered from one place, each with a journal of its own.

The list holds names and folders, and nothing of what is in them. A folder is looked at anew each time: one that is
gone, was replaced by another, or belongs to another user is told as such, and nothing in it is read.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_core.bounded import read_regular
from aurora_core.errors import ProjectError, UnknownWorkspaceError, WorkspaceListError, WorkspaceNameError
from aurora_core.folder_lock import folder_locked
from aurora_core.private_files import private_folder, write_private
from aurora_core.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Workspace", "WorkspaceFolder", "WorkspaceList", "WorkspaceState", "look_at"]

MAX_BYTES: Final = 1_000_000
MOST: Final = 500
"""Workspaces in the list."""
_VERSION: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_RULE: Final = "it takes 1 to 40 letters, digits, dots, dashes and underscores, the first a letter or a digit"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


class WorkspaceState(StrEnum):
    """The state of a workspace's folder; only one that is there is read."""

    THERE = "there"
    GONE = "gone"
    """There is no such folder, or no project in it."""
    MOVED = "moved"
    """Another folder, or a link, is in the place of the one that was added."""
    FOREIGN = "foreign"
    """Its project must not be used: it is another user's, or a link out of its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A project in the list.

    Attributes:
        name: unique in the list; its runs are named `name:run`.
        root: absolute, links resolved when it was added.
        added_at: as ISO 8601, UTC.
        inode: of the folder when it was added, by which another folder in its place is known.
    """

    name: str
    root: Path
    added_at: str
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFolder:
    """The finding in the place of a workspace.

    Attributes:
        project: None unless its state is `there`.
        problem: why it is not used, and what to do; "" if it is.
    """

    state: WorkspaceState
    project: Project | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceList:
    """The list, in a file of the user's own folder.

    Attributes:
        path: None without a home folder; then the list is empty, and nothing can be added.
    """

    path: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> WorkspaceList:
        """Returns the list of the user of this environment."""
        home = environ.get("HOME", "")
        return cls(path=Path(home) / ".aurora" / "workspaces.json" if home else None)

    def all(self) -> tuple[Workspace, ...]:
        """Returns all workspaces, by name.

        Raises:
            WorkspaceListError: the list cannot be read; the field is named.
        """
        return () if self.path is None else tuple(sorted(_read(self.path), key=lambda each: each.name))

    def named(self, name: str) -> Workspace:
        """Returns the workspace of a name.

        Raises:
            UnknownWorkspaceError: there is none; the nearest name is suggested.
            WorkspaceListError: the list cannot be read.
        """
        known = {each.name: each for each in self.all()}
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            raise UnknownWorkspaceError(name, nearest[0] if nearest else "")
        return known[name]

    def add(self, project: Project, name: str | None = None) -> Workspace:
        """Adds a project, or gives the one that is in the list another name; returns its entry.

        Args:
            name: the name of its folder if None.

        Raises:
            WorkspaceNameError: the name cannot be used, or is taken.
            WorkspaceListError: the list cannot be read or written.
        """
        name = _UNFIT.sub("-", project.root.name).strip("-.")[:40] if name is None else name
        path = self._writable()
        if not _NAME.fullmatch(name):
            raise WorkspaceNameError(name, _RULE)
        added = Workspace(
            name=name,
            root=project.root,
            added_at=datetime.now(UTC).isoformat(timespec="seconds"),
            inode=project.root.stat().st_ino,
        )
        with _locked(path):
            others = [each for each in _read(path) if each.root != project.root]
            taken = next((each for each in others if each.name == name), None)
            if taken is not None:
                raise WorkspaceNameError(name, f"{taken.root} has it")
            if len(others) >= MOST:
                raise WorkspaceListError(path, f"has {MOST} workspaces, the most that it takes; remove one first")
            _write(path, [*others, added])
        return added

    def remove(self, name: str) -> Workspace:
        """Removes a workspace from the list, and nothing from the disk; returns what was removed.

        Raises:
            UnknownWorkspaceError: there is none of that name.
            WorkspaceListError: the list cannot be read or written.
        """
        path = self._writable()
        with _locked(path):
            removed = self.named(name)
            _write(path, [each for each in _read(path) if each.name != name])
        return removed

    def _writable(self) -> Path:
        if self.path is None:
            raise WorkspaceListError(Path("~/.aurora/workspaces.json"), "cannot be written: HOME is not set")
        return self.path


def look_at(workspace: Workspace) -> WorkspaceFolder:
    """Looks at the place of a workspace; nothing of its contents is read."""
    root = workspace.root
    try:
        inode = root.stat().st_ino
        real = root.resolve(strict=True)
    except OSError as error:
        problem = f"{root} cannot be reached ({error.strerror}): {_forget(workspace)}"
        return WorkspaceFolder(state=WorkspaceState.GONE, problem=problem)
    if real != root or inode != workspace.inode:
        problem = f"{root} is another folder than the one that was added: {_add_again(workspace, real)}"
        return WorkspaceFolder(state=WorkspaceState.MOVED, problem=problem)
    try:
        if not (root / ".aurora").is_dir():
            problem = f"{root} is no project any longer: {_forget(workspace)}"
            return WorkspaceFolder(state=WorkspaceState.GONE, problem=problem)
        project = Project.existing(root)
    except (ProjectError, OSError) as error:
        return WorkspaceFolder(state=WorkspaceState.FOREIGN, problem=str(error))
    return WorkspaceFolder(state=WorkspaceState.THERE, project=project)


def _forget(workspace: Workspace) -> str:
    return f"bring it back, or run `aur workspace remove {workspace.name}`"


def _add_again(workspace: Workspace, real: Path) -> str:
    name = workspace.name
    first = "" if real == workspace.root else f"`aur workspace remove {name}`, then "  # the name is that of the link
    return f"if it is the right one, run {first}`aur workspace add {real} --name {name}`"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the list against other processes; an error of the system names it."""
    try:
        private_folder(path.parent)
        with folder_locked(path.parent):
            yield
    except OSError as error:
        raise WorkspaceListError(path, f"cannot be written: {error.strerror}") from error


def _write(path: Path, workspaces: Sequence[Workspace]) -> None:
    document = {
        "version": _VERSION,
        "workspaces": [
            {"name": each.name, "root": os.fspath(each.root), "added_at": each.added_at, "inode": each.inode}
            for each in workspaces
        ],
    }
    write_private(path, json.dumps(document, indent=1).encode("ascii"))


def _read(path: Path) -> list[Workspace]:
    try:
        content = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkspaceListError(path, f"cannot be read: {error.strerror}") from error
    try:
        return _understood(json.loads(content))
    except (ValueError, RecursionError) as error:
        problem = str(error) if type(error) is ValueError else "it is not JSON"
        raise WorkspaceListError(
            path, f"is damaged: {problem}; correct it, or remove it and add your workspaces again"
        ) from error


def _understood(document: Any) -> list[Workspace]:
    """Returns a strictly read list.

    Raises:
        ValueError: something is missing or of another type; the field is named.
    """
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"`version` is not {_VERSION}")
    entries = document.get("workspaces")
    if not isinstance(entries, list) or len(entries) > MOST:
        raise ValueError(f"`workspaces` is not a list of at most {MOST}")
    found = [_entry(each, f"workspaces[{index}]") for index, each in enumerate(entries)]
    for field in ("name", "root"):
        values = [getattr(each, field) for each in found]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"two workspaces have the {field} {str(twice)[:100]!r}")
    return found


def _entry(entry: Any, place: str) -> Workspace:
    if not isinstance(entry, dict):
        raise ValueError(f"`{place}` is not an object")  # noqa: TRY004 -- one kind of error for all that is damaged
    name, root, added_at, inode = (entry.get(field) for field in ("name", "root", "added_at", "inode"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"`{place}.name` is not a name")
    if not isinstance(root, str) or not root.startswith("/") or "\0" in root or ".." in root.split("/"):
        raise ValueError(f"`{place}.root` is not an absolute path")
    if not isinstance(added_at, str):
        raise ValueError(f"`{place}.added_at` is not a time")  # noqa: TRY004
    if not isinstance(inode, int) or isinstance(inode, bool):
        raise ValueError(f"`{place}.inode` is not a whole number")  # noqa: TRY004
    return Workspace(name=name, root=Path(root), added_at=added_at, inode=inode)
