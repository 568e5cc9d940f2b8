"""The isolation that a run gets: worktrees where agents may write, and the checkout itself where they cannot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aurora_core.checkouts import enclosing_repository
from aurora_soar.errors import IncludeDirtyError
from aurora_soar.registry import LOCAL_AGENT
from aurora_soar.taskruns.resolvers import LEAVE
from aurora_spawner import ModelBackend
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.workspaces.contents import Contents, find_contents
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.isolation import Isolation, MergeMode, isolation_of, with_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from aurora_policies.schema import Safety
    from aurora_soar.taskruns.resolvers import Resolver
    from aurora_spawner import Backend
    from aurora_spawner.gates.tool_calls import Verdict
    from aurora_spawner.workspaces.preparation import Preparation

__all__ = ["IsolationPlan", "WantedIsolation", "plan_isolation", "with_base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedIsolation:
    """The user's wishes for the isolation of a run.

    Attributes:
        kind: worktree, none, or auto for worktrees where agents may write and the repository allows them.
        merge: auto, ask or never.
        conflicts: who resolves conflicts: leave, agent, or the name of an agent or a persona.
        include_dirty: worktrees hold the uncommitted changes, too; their work is merged by the user, after these.
    """

    kind: str = "auto"
    merge: str = "ask"
    conflicts: str = LEAVE
    include_dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationPlan:
    """The isolation of a planned run.

    Attributes:
        isolation: None if its tasks work in the project's folder.
        uncommitted: number of files with changes that worktrees do not have, or will have with `include_dirty`.
        include_dirty: worktrees will hold them.
        reason: why tasks work in the project's folder although worktrees were to be used; empty if they need none.
        preparation: what each worktree has besides its base commit.
        contents: the files that it copies and links, as they are now.
        delivery: what the policies say now to the delivery of the work; None if none is planned.
    """

    isolation: Isolation | None = None
    uncommitted: int = 0
    include_dirty: bool = False
    reason: str = ""
    preparation: Preparation | None = None
    contents: Contents = field(default_factory=Contents)
    delivery: Verdict | None = None


def plan_isolation(
    folder: Path,
    *,
    agents: Collection[str],
    backends: Mapping[str, Backend],
    wanted: WantedIsolation,
    own_files: tuple[Path, ...] = (),
    preparation: Callable[[], Preparation],
    safety: Safety,
    resolver: Resolver | None = None,
) -> IsolationPlan:
    """Decides where the tasks of a run work; nothing is written.

    Args:
        agents: those of its open tasks.
        own_files: files of the user's checkout that the run itself writes, such as the task file.
        preparation: reads what each worktree has besides its base commit; called only if there will be worktrees.
        safety: of the policies; says whether work is done on branches of its own where the user has no wish, and how
            their names begin.
        resolver: resolves conflicts of finished work; None leaves them.

    Raises:
        IncludeDirtyError: uncommitted changes are to be included, and work is to be merged without a question.
        WorkspaceError: worktrees are asked for, and cannot be made; or they cannot have what they are to have.
        PreparationError: what they are to have is not valid.
    """
    if wanted.kind == "none":
        return IsolationPlan()
    if wanted.include_dirty and wanted.merge == "auto":
        raise IncludeDirtyError
    if wanted.kind == "auto" and not any(_may_write(agent, backends) for agent in agents):
        return IsolationPlan()
    if wanted.kind == "auto" and enclosing_repository(folder) is None:
        return IsolationPlan()
    if wanted.kind == "auto" and not safety.auto_branch:
        return IsolationPlan(reason="the policies have auto_branch: false")
    try:
        isolation, files = isolation_of(
            folder,
            home=default_state_dir() / "worktrees",
            merge=MergeMode(wanted.merge),
            own_files=own_files,
        )
        isolation = replace(isolation, branches=safety.branch_prefix)
    except WorkspaceError as error:
        if wanted.kind == "worktree":
            raise
        return IsolationPlan(reason=str(error))
    if resolver is not None and _may_write(resolver.agent, backends):
        isolation = replace(isolation, resolver=resolver.agent, resolver_instructions=resolver.instructions)
    if wanted.include_dirty and files:
        isolation = replace(isolation, merge=MergeMode.NEVER)  # they have to be on the branch before the work is
    prepared = preparation()
    return IsolationPlan(
        isolation=isolation,
        uncommitted=len(files),
        include_dirty=wanted.include_dirty,
        preparation=prepared,
        contents=find_contents(Git.of_checkout(isolation.repository), isolation.folder, prepared),
    )


def with_base(plan: IsolationPlan) -> Isolation | None:
    """Returns the isolation of a run that starts now; `include_dirty` makes a commit of the uncommitted changes.

    Raises:
        WorkspaceError: the commit cannot be made.
    """
    if plan.isolation is None or not (plan.include_dirty and plan.uncommitted):
        return plan.isolation
    return with_snapshot(plan.isolation)


def _may_write(agent: str, backends: Mapping[str, Backend]) -> bool:
    return agent != LOCAL_AGENT and not isinstance(backends.get(agent), ModelBackend)
