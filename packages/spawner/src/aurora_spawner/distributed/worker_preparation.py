"""The preparation of a worker's worktrees: files of its own project, ports, variables and set-up commands.

The worker's project says what there is, and its user's trust what of it has an effect; a tree that came through the
queue has no say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from aurora_spawner.sandbox.commands import confined_for
from aurora_spawner.supervision.environment import TOKEN_VARIABLE, unattended_environment
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.workspaces.checks import CommandRunner
from aurora_spawner.workspaces.errors import GitError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.setting_up import Preparer
from aurora_spawner.workspaces.supported import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.sandbox.settings import Confining
    from aurora_spawner.workspaces.preparation import Preparation
    from aurora_spawner.workspaces.setting_up import Prepared
    from aurora_spawner.workspaces.worktrees import Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPlace:
    """The variables for the agent of a prepared worktree, and notices for its coordinator."""

    variables: Mapping[str, str]
    notices: tuple[str, ...]
    """A sentence for each thing that was asked for and that the worktree does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPreparation:
    """Prepares the worktrees of a worker's attempts."""

    preparation: Preparation
    project: Path
    """The worker's project, from whose checkout files are copied and linked."""
    environ: Mapping[str, str]
    env_pass: tuple[str, ...] = ()
    """Names or patterns of further variables that set-up commands inherit."""
    confining: Callable[[str], Confining | None] = field(default=lambda _mode: None)
    """The confinement of each agent, by the use of a sandbox that an order asks for."""

    def prepare(
        self, worktree: Worktree, document: OrderDocument, *, home: Path, token: str, stopped: Callable[[], bool]
    ) -> PreparedPlace:
        """Prepares a worktree for the agent of an attempt.

        Args:
            home: The folder of all worktrees of this worker, which share its ports.
            token: That of the attempt.
            stopped: Asked while a set-up command runs; True ends it.

        Raises:
            SetupError: A set-up command failed.
            CommandStoppedError: It was stopped.
            WorkspaceError: Files cannot be copied or linked, or no ports are free.
        """
        assert document.tree is not None
        worktree = replace(worktree, task_id=document.task_id)
        mark = setup_mark(token)
        runner = CommandRunner(
            environment={**unattended_environment(self.environ, keep=self.env_pass), TOKEN_VARIABLE: mark},
            timeout_s=self.preparation.setup_timeout_s,
            stopped=stopped,
            sweep=partial(end_orphans, mark, session=None),
            confined=confined_for(self.confining(document.sandbox), [document.agent]),
        )
        preparer, lacking = self._preparer(document.tree.folder, home)
        prepared = preparer.prepare(worktree, runner, token=mark)
        return PreparedPlace(
            variables=preparer.with_variables(worktree).variables,
            notices=(*lacking, *_notices(document.task_id, prepared)),
        )

    def _preparer(self, folder: str, home: Path) -> tuple[Preparer, tuple[str, ...]]:
        """Returns a preparer for worktrees whose agents work in a folder, and what it cannot give them."""
        asked = self.preparation
        try:
            return Preparer(Git.of_checkout(self.project), folder, home, asked), ()
        except GitError:  # a folder with nothing but the configuration of a worker
            left = replace(asked, copy=(), link=(), include=False)
            lacking = f"worktrees: {self.project} is no git repository, so nothing is copied or linked from there"
            return Preparer(Git(self.project), folder, home, left), (lacking,) if asked.copy or asked.link else ()


def setup_mark(token: str) -> str:
    """Returns the mark of the set-up commands of an attempt, by which what they have left running is found."""
    return f"{token}-setup"


def _notices(task_id: str, prepared: Prepared) -> Iterator[str]:
    for sentence in prepared.notices:
        yield f"worktrees: {sentence}"
    if prepared.put_back:
        changed = first_of(prepared.put_back)
        yield f"task {task_id}: its set-up changed what git tracks, which was put back: {changed}"
