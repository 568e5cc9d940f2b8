"""The tool that plans a goal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from aurora_cli.mcp_server.documents import Plan
from aurora_soar.plans.plan import ReviewDecision

if TYPE_CHECKING:
    from aurora_cli.mcp_server.service import ProjectService
    from aurora_soar.aurora.root import Aurora

__all__ = ["PlanTools"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTools:
    """Plans of goals."""

    project: ProjectService

    async def plan_goal(
        self, goal: Annotated[str, Field(min_length=1, max_length=20_000, description="What is to be reached")]
    ) -> Plan:
        """Cuts a goal into tasks with fitting agents, and keeps the plan in the project; nothing is run.

        spawn_tasks runs its task file.
        """
        return await self.project.call(partial(_planned, goal=goal), slow=True)


def _planned(aurora: Aurora, *, goal: str) -> Plan:
    review = aurora.plan_goal(goal)
    if review is None:
        raise ToolError("the planning was interrupted; no plan was written")
    return Plan.of(review, aurora.write_plan(review, ReviewDecision.PROCEED))
