"""Joins the deliveries of the spawner with the policies: the merge gate of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.taskruns.verdicts import verdict_of

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine
    from aurora_spawner.gates.deliveries import DeliveryRequest
    from aurora_spawner.gates.tool_calls import Verdict

__all__ = ["PolicyMergeGate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMergeGate:
    """A `MergeGate` that asks the policies in force."""

    policies: PoliciesEngine

    def judge(self, request: DeliveryRequest) -> Verdict:
        """Returns the verdict on a delivery, by the sections of all agents whose work it is."""
        result = self.policies.judge_merge(request.target, repository=request.repository, agents=request.agents)
        return verdict_of(result)
