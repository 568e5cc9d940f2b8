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
        """Returns the verdict on a delivery or a push, by the sections of all agents whose work it is."""
        repository, agents = request.repository, request.agents
        if request.remote:
            return verdict_of(
                self.policies.judge_push(request.remote, request.target, repository=repository, agents=agents)
            )
        return verdict_of(self.policies.judge_merge(request.target, repository=repository, agents=agents))
