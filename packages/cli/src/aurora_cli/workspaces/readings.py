"""Reads all workspaces within a time: each has what was read, or the reason for which nothing was."""

from __future__ import annotations

import os
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aurora_cli.error_messages import error_report
from aurora_cli.output import note
from aurora_cli.render.words import one_line
from aurora_cli.render.workspaces import problem_line
from aurora_cli.workspaces.side_by_side import beside
from aurora_core import AuroraCoreError
from aurora_core.workspaces import WorkspaceList, WorkspaceState, look_at
from aurora_policies.errors import PoliciesError
from aurora_soar.aurora.root import Aurora
from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from aurora_core.workspaces import Workspace
    from aurora_spawner.control.status import RunStatus

__all__ = [
    "LIMIT_S",
    "Opened",
    "Reading",
    "all_workspaces",
    "open_workspace",
    "read_each",
    "tell_problems",
    "unfinished",
]

LIMIT_S: Final = 5.0
"""The time that a workspace has to be read."""
UNTRUSTED: Final = "untrusted"
DAMAGED: Final = "damaged"
SLOW: Final = "slow"
_NAMED: Final = 3
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A workspace whose folder was looked at.

    Attributes:
        state: a `WorkspaceState`, or untrusted or damaged.
        problem: what the user should know of it; "" if nothing.
        aurora: its project; None if nothing in its folder may be read.
    """

    workspace: Workspace
    state: str
    problem: str
    aurora: Aurora | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[Value]):
    """The result of reading a workspace.

    Attributes:
        state: a `WorkspaceState`, or untrusted, damaged or slow.
        problem: what the user should know of it; "" if nothing.
        value: None if it could not be read.
    """

    workspace: Workspace
    state: str
    problem: str
    value: Value | None

    @property
    def is_read(self) -> bool:
        """True if it was read, whatever else is to be said of it."""
        return self.value is not None

    def to_json(self) -> dict[str, object]:
        """Returns the workspace and its state as JSON values."""
        workspace = self.workspace
        return {
            "name": workspace.name,
            "path": str(workspace.root),
            "added_at": workspace.added_at,
            "state": self.state,
            "problem": self.problem,
        }


def all_workspaces() -> tuple[Workspace, ...]:
    """Returns the user's workspaces, by name.

    Raises:
        WorkspaceListError: the list cannot be read.
    """
    return WorkspaceList.of(os.environ).all()


def open_workspace(workspace: Workspace) -> Opened:
    """Opens the project of a workspace, if its folder is still the one that was added.

    What the user does not trust in it has no effect, as ever, and is named.
    """
    found = look_at(workspace)
    if found.project is None:
        return Opened(workspace=workspace, state=found.state, problem=found.problem, aurora=None)
    aurora = Aurora(found.project, notify=lambda _notice: None)
    try:
        untrusted = [claim.name for claim in aurora.untrusted()]
    except (AuroraCoreError, PoliciesError, SpawnerError) as error:  # a file of its settings is not valid
        return Opened(workspace=workspace, state=DAMAGED, problem=error_report(error).message, aurora=aurora)
    if not untrusted:
        return Opened(workspace=workspace, state=WorkspaceState.THERE, problem="", aurora=aurora)
    more = f" and {len(untrusted) - _NAMED} more" if len(untrusted) > _NAMED else ""
    names = one_line(", ".join(untrusted[:_NAMED]), 200)
    problem = f"ignored until you trust it: {names}{more}; run `aur trust {workspace.root}`"
    return Opened(workspace=workspace, state=UNTRUSTED, problem=problem, aurora=aurora)


def read_each(
    workspaces: Sequence[Workspace], read: Callable[[Aurora], Value], *, limit_s: float | None = None
) -> list[Reading[Value]]:
    """Reads workspaces beside each other.

    Args:
        read: returns what is wanted of a project; its errors become the problem of that workspace.
        limit_s: the time that all have; `LIMIT_S` if None. Of one that takes longer nothing is read.
    """
    limit_s = LIMIT_S if limit_s is None else limit_s
    started = [(each, beside(lambda each=each: _read(each, read))) for each in workspaces]  # type: ignore[misc]
    wait([future for _, future in started], timeout=limit_s)
    return [_reading(workspace, future, limit_s) for workspace, future in started]


def tell_problems(readings: Sequence[Reading[Value]]) -> None:
    """Prints a note about each workspace that is not as it should be, and one if there is none."""
    for each in readings:
        if each.problem:
            note(problem_line(each.workspace, each.problem))
    if not readings:
        note("no workspace yet; add one with: aur workspace add PATH")


def unfinished(aurora: Aurora) -> list[RunStatus]:
    """Returns the status of each run of a project that is in progress or was cut off, newest first.

    Raises:
        JournalError: the journal cannot be read, or is gone.
    """
    found = aurora.status()
    if not found:
        check_not_gone(aurora.project.runs_db)
    return found


def _reading(workspace: Workspace, future: Future[Reading[Value]], limit_s: float) -> Reading[Value]:
    if future.done():
        return future.result()
    problem = f"{workspace.root} did not answer within {limit_s:g} s"
    return Reading(workspace=workspace, state=SLOW, problem=problem, value=None)


def _read(workspace: Workspace, read: Callable[[Aurora], Value]) -> Reading[Value]:
    opened = open_workspace(workspace)
    if opened.aurora is None:
        return Reading(workspace=workspace, state=opened.state, problem=opened.problem, value=None)
    try:
        value = read(opened.aurora)
    except Exception as error:  # noqa: BLE001 -- the others go on; the report of a defect says that it is one
        return Reading(workspace=workspace, state=DAMAGED, problem=error_report(error).message, value=None)
    return Reading(workspace=workspace, state=opened.state, problem=opened.problem, value=value)
