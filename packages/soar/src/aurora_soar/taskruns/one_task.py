"""Plan of one task that the user gives in a command, without a task file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_soar.taskruns.plan import plan_tasks
from aurora_soar.user_only import check_user
from aurora_spawner import SpawnTask
from aurora_spawner.taskfiles.model import LineState, TaskFile, TaskLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_policies.schema import SandboxMode
    from aurora_soar.personas import Roster
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_soar.taskruns.isolation import WantedIsolation
    from aurora_soar.taskruns.plan import SpawnPlan

__all__ = ["ONLY_TASK", "plan_one_task"]

ONLY_TASK: Final = "1"
"""The id of the task."""
_PLACE: Final = Path("aur exec")
"""The place of the task, for errors."""


def plan_one_task(
    agents: ProjectAgents,
    prompt: str,
    *,
    roster: Callable[[], Roster],
    agent: str | None = None,
    checks: tuple[str, ...] = (),
    background: bool = False,
    match: bool = False,
    budget_usd: float | None = None,
    sandbox: SandboxMode | None = None,
    isolation: WantedIsolation | None = None,
    candidates: int | None = None,
    candidate_agents: tuple[str, ...] = (),
) -> SpawnPlan:
    """Plans the run of one task; nothing is started.

    Args:
        prompt: what the agent gets.
        agent: its name, or that of a persona, with or without `@`; None takes the default agent.
        checks: commands that must pass on the work before the task is done; they are the user's own, so trusted.

    The other arguments and errors are those of `plan_taskfile`.

    Raises:
        UserOnlyError: an agent names checks, which Aurora would run past the gate of that agent.
    """
    if checks:
        check_user("checks are", "leave --check out, and run the command as a tool call of your own")
    task = SpawnTask(prompt, agent and agent.removeprefix("@"), id=ONLY_TASK, checks=checks)
    line = TaskLine(id=ONLY_TASK, title=task.headline, line=0, state=LineState.OPEN, task=task)
    file = TaskFile(path=_PLACE, lines=(line,))
    return plan_tasks(
        agents,
        file.with_candidates(candidates, candidate_agents),
        roster=roster,
        background=background,
        match=match,
        budget_usd=budget_usd,
        sandbox=sandbox,
        isolation=isolation,
    )
