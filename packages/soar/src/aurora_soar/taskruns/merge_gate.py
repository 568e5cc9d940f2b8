"""Joins the deliveries of the spawner with the policies: the merge gate of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies import Action
from aurora_spawner.gates.tool_calls import GateAction, Verdict

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine
    from aurora_spawner.gates.deliveries import DeliveryRequest

__all__ = ["PolicyMergeGate"]

_SEVERITY: Final = (Action.ALLOW, Action.PROMPT, Action.DENY)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMergeGate:
    """A `MergeGate` that asks policies; of several, the strictest answer counts.

    Attributes:
        engines: the policies in force: the user's own, and the project's.
    """

    engines: tuple[PoliciesEngine, ...]

    def judge(self, request: DeliveryRequest) -> Verdict:
        """Returns the verdict on a delivery, by the sections of all agents whose work it is."""
        results = [
            each.judge_merge(request.target, repository=request.repository, agents=request.agents)
            for each in self.engines
        ]
        worst = max(results, key=lambda each: _SEVERITY.index(each.action))
        return Verdict(
            action=GateAction(worst.action.value), rule=worst.rule or "", reason=worst.reason, instead=worst.instead
        )
