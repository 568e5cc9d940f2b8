"""Answers of the policies as verdicts of the spawner's gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.gates.tool_calls import GateAction, Verdict

if TYPE_CHECKING:
    from aurora_policies import PolicyResult

__all__ = ["verdict_of"]


def verdict_of(result: PolicyResult, *, shape: str = "") -> Verdict:
    """Returns an answer of the policies as a verdict of a gate.

    Args:
        shape: what an approval for the whole run covers; "" if it cannot be given.
    """
    action = GateAction(result.action.value)
    rule = (result.rule or "") if action is not GateAction.ALLOW else ""
    return Verdict(action=action, rule=rule, reason=result.reason, instead=result.instead, shape=shape)
