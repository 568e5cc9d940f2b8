"""Joins the deliveries of the spawner with the policies: the merge gate of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.gates.tool_calls import GateAction, Verdict

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine
    from aurora_spawner.gates.deliveries import DeliveryRequest

__all__ = ["PolicyMergeGate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMergeGate:
    """A `MergeGate` that asks the policies in force."""

    policies: PoliciesEngine

    def judge(self, request: DeliveryRequest) -> Verdict:
        """Returns the verdict on a delivery or a push, by the sections of all agents whose work it is."""
        repository, agents = request.repository, request.agents
        if request.remote:
            result = self.policies.judge_push(request.remote, request.target, repository=repository, agents=agents)
        else:
            result = self.policies.judge_merge(request.target, repository=repository, agents=agents)
        return Verdict(
            action=GateAction(result.action.value),
            rule=result.rule or "",
            reason=result.reason,
            instead=result.instead,
        )
