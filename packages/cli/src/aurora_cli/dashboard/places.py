"""The projects that pages are about: one project, or all workspaces, whose runs are named `workspace:run`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from aurora_cli.dashboard.actions import ANSWERS, act, refuse
from aurora_cli.error_messages import error_report
from aurora_cli.errors import CliError
from aurora_cli.output import note
from aurora_cli.render.workspaces import problem_line
from aurora_cli.run_names import named, parted
from aurora_cli.watch.facts import Reader
from aurora_cli.watch.steering import NOT_DONE
from aurora_cli.watch.workspaces_reader import WorkspacesReader
from aurora_cli.wiring import workspace_root
from aurora_cli.workspaces.readings import read_each
from aurora_core import AuroraCoreError
from aurora_soar.aurora.root import Aurora
from aurora_spawner.control.user_acts import record_sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_cli.dashboard.actions import Act
    from aurora_cli.dashboard.visitors import Visitor
    from aurora_cli.watch.ports import RunsReader
    from aurora_core.workspaces import Workspace
    from aurora_spawner.conversations.stored import ReadSession
    from aurora_spawner.journal.approval_facts import SignInSeen

__all__ = ["AllWorkspaces", "OneProject", "Places"]


class Places(Protocol):
    """The projects that a dashboard shows."""

    @property
    def title(self) -> str:
        """The name that the pages bear."""

    def reader(self, run_id: str | None) -> RunsReader:
        """Returns a reader for the page of a run, or for that of all."""

    def of_run(self, run_id: str) -> tuple[Aurora, str]:
        """Returns the project of a run, and the name that the run has in its journal.

        Raises:
            UnknownWorkspaceError, WorkspaceListError: its workspace is not in the list, or the list cannot be read.
            WorkspaceUnusableError: nothing in its folder may be used.
        """

    def sessions(self) -> tuple[Sequence[ReadSession], Sequence[str]]:
        """Returns the sessions in which the user talks with agents, named as the runs are; and the problems.

        The newest are first. A problem is a line about a workspace whose sessions could not all be read.
        """

    def searched(self) -> Sequence[str]:
        """Returns the names of the projects whose memories can be searched; nothing if there is one alone."""

    def project(self, name: str) -> Aurora | None:
        """Returns the project of such a name, the first one for "", and None if there is none.

        Raises:
            UnknownWorkspaceError, WorkspaceListError, WorkspaceUnusableError: as `of_run`.
        """

    def act(self, given: Mapping[str, str], visitor: Visitor) -> str:
        """Does what a form of a visitor asks for; returns a sentence for the user."""

    def refuse(self, given: Mapping[str, str], visitor: Visitor) -> str:
        """Writes down what a visitor wanted and may not do; returns a sentence for the user."""

    def record(self, seen: SignInSeen) -> None:
        """Writes down a sign-in, a refused one or a sign-out.

        Raises:
            JournalError: it cannot be written.
        """


class OneProject:
    """One project."""

    def __init__(self, aurora: Aurora) -> None:
        self._aurora = aurora

    @property
    def title(self) -> str:
        """The project's name."""
        return self._aurora.project.root.name

    def reader(self, run_id: str | None) -> RunsReader:
        """Returns a reader of its journal."""
        return Reader(self._aurora, also=run_id)

    def of_run(self, run_id: str) -> tuple[Aurora, str]:
        """Returns the project itself."""
        return self._aurora, run_id

    def sessions(self) -> tuple[Sequence[ReadSession], Sequence[str]]:
        """Returns its sessions; what cannot be read is an error."""
        return self._aurora.all_sessions(), ()

    def searched(self) -> Sequence[str]:
        """Returns nothing: there is one memory."""
        return ()

    def project(self, name: str) -> Aurora | None:  # noqa: ARG002 -- there is one
        """Returns the project itself."""
        return self._aurora

    def act(self, given: Mapping[str, str], visitor: Visitor) -> str:
        """Does it in the project."""
        return act(self._aurora.project.root, given, visitor)

    def refuse(self, given: Mapping[str, str], visitor: Visitor) -> str:
        """Writes it down in the project."""
        return refuse(self._aurora.project.root, given, visitor)

    def record(self, seen: SignInSeen) -> None:
        """Writes it into the project's journal."""
        record_sign_in(self._aurora.project.runs_db, seen)


class AllWorkspaces:
    """All workspaces of the user, as the list has them when a page is asked for."""

    def __init__(self, workspaces: Callable[[], Sequence[Workspace]]) -> None:
        self._workspaces = workspaces

    @property
    def title(self) -> str:
        """The title of the pages."""
        return "all workspaces"

    def reader(self, run_id: str | None) -> RunsReader:
        """Returns a reader of all journals; for the page of one run, of its workspace's alone."""
        if run_id is None:
            return WorkspacesReader(self._workspaces)
        workspace, _ = parted(run_id)
        return WorkspacesReader(lambda: [each for each in self._workspaces() if each.name == workspace], also=run_id)

    def of_run(self, run_id: str) -> tuple[Aurora, str]:
        """Returns the project of the workspace that the run is named with."""
        workspace, own_id = parted(run_id)
        return Aurora.open(workspace_root(workspace), existing=True), own_id

    def sessions(self) -> tuple[Sequence[ReadSession], Sequence[str]]:
        """Returns the sessions of all workspaces, each read beside the others."""
        readings = read_each(self._workspaces(), lambda aurora: aurora.all_sessions())
        found = [
            replace(each, run_id=named(reading.workspace.name, each.run_id))
            for reading in readings
            for each in reading.value or ()
        ]
        problems = [problem_line(each.workspace, each.problem) for each in readings if each.problem]
        return sorted(found, key=lambda each: each.created_at, reverse=True), problems

    def searched(self) -> Sequence[str]:
        """Returns the names of the workspaces."""
        return [each.name for each in self._workspaces()]

    def project(self, name: str) -> Aurora | None:
        """Returns the project of a workspace; for "", of the first one that can be used."""
        if name:
            return Aurora.open(workspace_root(name), existing=True)
        opened = read_each(self._workspaces(), lambda aurora: aurora)  # one whose disk hangs holds up no page
        return next((each.value for each in opened if each.value is not None), None)

    def act(self, given: Mapping[str, str], visitor: Visitor) -> str:
        """Does it in the workspace that the run, or the question, is named with."""
        return self._in_workspace(act, given, visitor)

    def refuse(self, given: Mapping[str, str], visitor: Visitor) -> str:
        """Writes it down there."""
        return self._in_workspace(refuse, given, visitor)

    def record(self, seen: SignInSeen) -> None:
        """Writes it into the journal of each workspace that can be used, since the user may act in each."""
        for reading in read_each(self._workspaces(), lambda aurora: record_sign_in(aurora.project.runs_db, seen)):
            if reading.problem:
                note(problem_line(reading.workspace, f"the sign-in is not in its journal: {reading.problem}"))

    def _in_workspace(self, what: Act, given: Mapping[str, str], visitor: Visitor) -> str:
        about = "question" if given.get("do") in ANSWERS else "run"
        workspace, own_name = parted(given.get(about, ""))
        try:
            root = workspace_root(workspace)
        except (AuroraCoreError, CliError) as error:
            return f"{NOT_DONE}{error_report(error).message}"
        return what(root, {**given, about: own_name}, visitor, workspace=workspace)
