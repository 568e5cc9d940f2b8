"""Conditions under which steps of the table of phases are skipped, each read from what was found so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.phase_values import Assessed
from aurora_soar.phases.assess import Complexity
from aurora_soar.phases.collect import Collected
from aurora_soar.phases.criticise import Criticised
from aurora_soar.phases.decompose_with_model import Planned
from aurora_soar.phases.replan import Replanned, critical_failures
from aurora_soar.phases.verify import Verdict, Verification
from aurora_soar.recall import Recalled

if TYPE_CHECKING:
    from aurora_soar.phase_runner import Findings

__all__ = [
    "cached",
    "collected",
    "no_faults",
    "not_cached",
    "not_collectable",
    "not_critical",
    "not_plannable",
    "nothing_new",
    "nothing_to_replan",
    "planning_interrupted",
]


def cached(found: Findings) -> bool:
    """Returns True if the cache has the answer."""
    return found.of(Recalled).answer is not None


def not_cached(found: Findings) -> bool:
    """Returns True if the answer has to be found."""
    return not cached(found)


def not_plannable(found: Findings) -> bool:
    """Returns True if no plan was to be made, or a signal ended the planning."""
    return cached(found) or planning_interrupted(found)


def not_critical(found: Findings) -> bool:
    """Returns True for a plan that is not to be attacked: only critical requests are worth a further call."""
    return found.of(Assessed).assessment.complexity is not Complexity.CRITICAL or not_collectable(found)


def planning_interrupted(found: Findings) -> bool:
    """Returns True if a signal ended a call of the model for the plan: what it is for, itself, or its check."""
    asked = (found.get(Assessed), found.get(Planned), found.get(Criticised))
    return any(each is not None and each.interrupted for each in asked)


def no_faults(found: Findings) -> bool:
    """Returns True if nobody has found a fault of the plan."""
    criticised = found.get(Criticised)
    return criticised is None or not criticised.findings or planning_interrupted(found)


def not_collectable(found: Findings) -> bool:
    """Returns True if there is no plan that agents could follow."""
    verification = found.get(Verification)
    return verification is None or verification.verdict is Verdict.FAIL or planning_interrupted(found)


def nothing_to_replan(found: Findings) -> bool:
    """Returns True if no critical subgoal has failed."""
    planned, collected = found.get(Planned), found.get(Collected)
    if planned is None or collected is None or collected.interrupted:
        return True
    return not critical_failures(planned.decomposition, collected.outputs)


def nothing_new(found: Findings) -> bool:
    """Returns True if nothing was planned anew."""
    replanned = found.get(Replanned)
    return replanned is None or not (replanned.new or replanned.interrupted)


def collected(found: Findings) -> bool:
    """Returns True if agents have looked."""
    return found.get(Collected) is not None
