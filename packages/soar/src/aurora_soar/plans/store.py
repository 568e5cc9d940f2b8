"""The folder of a project's plans: each plan appears whole or not at all, and the archive is a folder beside them."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from aurora_core.bounded import read_regular
from aurora_core.folder_lock import folder_locked
from aurora_core.private_files import private_folder, write_private
from aurora_core.settings.problem_words import problem_words
from aurora_soar.errors import PlanFileError, UnknownPlanError
from aurora_soar.personas.ids import kebab
from aurora_soar.plans.documents import agents_json, goals_json, plan_md
from aurora_soar.plans.plan import ReviewDecision
from aurora_spawner import read_taskfile
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_core import Project
    from aurora_soar.plans.plan import GoalPlan

__all__ = ["PlanStore", "StoredPlan"]

ARCHIVE: Final = "archive"
_NAME: Final = re.compile(r"(\d{4,9})(?:-.*)?")
_SLUG_LENGTH: Final = 40
_LARGEST: Final = 4_000_000
_ABANDONED_S: Final = 3_600.0
"""Age from which a folder that was being written belongs to nobody any more."""


class _Goals(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    id: str
    title: str
    created_at: str
    status: str
    subgoals: list[dict[str, Any]]
    gaps: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """A plan on disk.

    Attributes:
        folder: its four files.
        status: "planned", or "archived".
        created_at: None if goals.json does not say.
        tasks, done: tasks of its task file, and those that are ticked; None if it cannot be read.
        gaps: subgoals without their ideal agent.
        problem: why a file of it cannot be read; "" if all can.
    """

    id: str
    folder: Path
    title: str
    status: str
    created_at: datetime | None
    tasks: int | None
    done: int | None
    gaps: int
    problem: str = ""

    @property
    def taskfile(self) -> Path:
        """The file that `aur spawn` runs."""
        return self.folder / "tasks.md"


class PlanStore:
    """The plans of one project.

    Args:
        project: keeps them in `.aurora/plans`.
    """

    def __init__(self, project: Project) -> None:
        self.folder = project.aurora_dir / "plans"

    def write(self, plan: GoalPlan, decision: ReviewDecision, *, tasks: str) -> StoredPlan:
        """Writes a plan into a new folder, numbered after the latest; a kill in between leaves no half plan.

        Args:
            tasks: the content of tasks.md.

        Raises:
            ValueError: the decision is to abort.
            PlanFileError: the folder is a link.
            OSError: it cannot be written.
        """
        if decision is ReviewDecision.ABORT:
            raise ValueError("an aborted plan is not written")
        with self._lock():
            self._sweep()
            plan_id = f"{self._next_number():04d}-{kebab(plan.title)[:_SLUG_LENGTH].strip('-') or 'plan'}"
            unfinished = private_folder(self.folder / f".unfinished-{os.getpid()}-{time.time_ns()}")
            texts = {
                "goals.json": goals_json(plan, plan_id, "planned"),
                "agents.json": agents_json(plan, decision),
                "plan.md": plan_md(plan, plan_id),
                "tasks.md": tasks,
            }
            for name, text in texts.items():
                write_private(unfinished / name, text.encode("utf-8", "replace"))
            target = self.folder / plan_id
            unfinished.rename(target)
            _sync(self.folder)
        return self._read(target)

    def all(self, *, archived: bool = False) -> tuple[StoredPlan, ...]:
        """Returns the plans, or the archived ones, by number; of broken ones the problem."""
        return tuple(self._read(folder) for folder in self._folders(self._home(archived=archived)))

    def get(self, name: str) -> StoredPlan:
        """Returns the plan of an id or a number, archived ones included.

        Raises:
            UnknownPlanError: there is none, or several.
        """
        known = [folder for archived in (False, True) for folder in self._folders(self._home(archived=archived))]
        found = [folder for folder in known if folder.name == name]
        if not found and name.isdecimal():
            found = [folder for folder in known if _number(folder) == int(name)]
        if len(found) != 1:
            raise UnknownPlanError(name, [folder.name for folder in known])
        return self._read(found[0])

    def text(self, plan: StoredPlan, name: str) -> str:
        """Returns the text of one of a plan's files.

        Raises:
            PlanFileError: it cannot be read.
        """
        path = plan.folder / name
        try:
            return read_regular(path, _LARGEST).decode("utf-8", "replace")
        except OSError as error:
            raise PlanFileError(path, f"cannot be read: {error.strerror or error}") from error

    def document(self, plan: StoredPlan) -> dict[str, object]:
        """Returns a plan's goals.json.

        Raises:
            PlanFileError: it cannot be read, or a field is not valid.
        """
        _goals(plan.folder / "goals.json")
        found: dict[str, object] = json.loads(self.text(plan, "goals.json"))
        return found

    def archive(self, name: str) -> StoredPlan:
        """Moves a plan into the archive; one that is there stays.

        Raises:
            UnknownPlanError: there is no such plan.
            PlanFileError: a file of it cannot be read or written.
        """
        with self._lock():
            plan = self.get(name)
            target = self._home(archived=True) / plan.id
            if plan.folder == target:
                return plan
            private_folder(target.parent)
            if target.exists():
                raise PlanFileError(target, "is in the archive already; rename one of the two")
            plan.folder.rename(target)
            _sync(self.folder)
        return self._read(target)

    def _home(self, *, archived: bool) -> Path:
        return self.folder / ARCHIVE if archived else self.folder

    def _folders(self, home: Path) -> list[Path]:
        if not home.is_dir():
            return []
        found = [each for each in home.iterdir() if _NAME.fullmatch(each.name) and each.is_dir()]
        return sorted(found, key=lambda each: (_number(each), each.name))

    def _next_number(self) -> int:
        known = [*self._folders(self.folder), *self._folders(self.folder / ARCHIVE)]
        return 1 + max((_number(each) for each in known), default=0)

    def _read(self, folder: Path) -> StoredPlan:
        """Reads a plan from its folder, which alone says if it is archived."""
        problem, goals, tasks, done = "", None, None, None
        try:
            goals = _goals(folder / "goals.json")
        except PlanFileError as error:
            problem = str(error)
        try:
            file = read_taskfile(folder / "tasks.md")
            tasks, done = len(file.lines), len(file.done)
        except (SpawnerError, OSError) as error:
            problem = problem or str(error)
        return StoredPlan(
            id=folder.name,
            folder=folder,
            title=goals.title if goals else folder.name,
            status="archived" if folder.parent.name == ARCHIVE else "planned",
            created_at=_time(goals.created_at) if goals else None,
            tasks=tasks,
            done=done,
            gaps=len(goals.gaps) if goals else 0,
            problem=problem,
        )

    def _sweep(self) -> None:
        """Removes folders that a process which was killed was writing."""
        for folder in self.folder.glob(".unfinished-*"):
            try:
                if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(folder)
            except OSError:  # another process is at it; it will be tried again with the next plan
                continue

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Lets one process at a time number plans; a kill frees the lock."""
        if self.folder.is_symlink():  # a project from elsewhere could lead the files anywhere
            raise PlanFileError(self.folder, "is a link; put a folder in its place")
        with folder_locked(private_folder(self.folder)):
            yield


def _number(folder: Path) -> int:
    match = _NAME.fullmatch(folder.name)
    return int(match.group(1)) if match else 0


def _goals(path: Path) -> _Goals:
    """Reads goals.json.

    Raises:
        PlanFileError: it cannot be read, or a field is not valid.
    """
    try:
        return _Goals.model_validate_json(read_regular(path, _LARGEST))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the document"
        raise PlanFileError(
            path, f"{field}: {problem_words(first)}; restore the file, or archive the plan"
        ) from error
    except OSError as error:
        raise PlanFileError(path, f"cannot be read: {error.strerror or error}") from error


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _sync(folder: Path) -> None:
    """Makes a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
