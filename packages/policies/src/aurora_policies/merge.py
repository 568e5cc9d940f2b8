"""Judges the delivery of finished work: may it be brought to this branch? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.branches import ProtectedBranches
from aurora_policies.effects import Rule
from aurora_policies.operations import PolicyResult
from aurora_policies.schema import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_policies.schema import Policies

__all__ = ["judge_merge"]

_INSTEAD: Final = "Leave the work on its integration branch and open a pull request."


def judge_merge(target: str, policies: Sequence[Policies], *, default_branch: str | None) -> PolicyResult:
    """Returns the strictest answer of several policies to work that is brought to a branch.

    Args:
        default_branch: the default branch of the remote, which is protected; None if it is not known.
    """
    actions = [
        each.destructive.git_merge_main.action
        for each in policies
        if target in ProtectedBranches(patterns=each.safety.protected_branches, default=default_branch)
    ]
    action = max(actions, key=lambda each: each.severity, default=Action.ALLOW)
    if action is Action.ALLOW:
        return PolicyResult(action=action)
    return PolicyResult(
        action=action,
        rule=str(Rule.GIT_MERGE_MAIN),
        reason=f"brings work to {target}, a protected branch",
        instead=_INSTEAD,
    )
