"""Which limits are in force, and the caps on spawning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aurora_policies import CapExceeded, Caps, HardLimitAction, PoliciesEngine, check_caps, depth_of
from aurora_policies.budget import OwnLimits, effective_limits
from aurora_policies.schema import Budget


def test_without_a_word_the_defaults_are_in_force() -> None:
    found = effective_limits(Budget(), OwnLimits())
    assert (found.monthly_usd, found.per_run_usd, found.warn_at_percent) == (100.0, None, 80)
    assert (found.hard_action, found.reservation_usd) == (HardLimitAction.REJECT, 0.5)


def test_a_stated_limit_takes_the_place_of_the_default_even_where_it_is_higher() -> None:
    assert effective_limits(Budget(), OwnLimits(monthly_usd=500.0)).monthly_usd == 500.0
    assert effective_limits(Budget(monthly_limit_usd=500.0), OwnLimits()).monthly_usd == 500.0


def test_of_two_stated_limits_the_lower_holds() -> None:
    assert effective_limits(Budget(monthly_limit_usd=20.0), OwnLimits(monthly_usd=50.0)).monthly_usd == 20.0
    assert effective_limits(Budget(monthly_limit_usd=50.0), OwnLimits(monthly_usd=20.0)).monthly_usd == 20.0
    budget = Budget(per_run_limit_usd=3.0, warn_at_percent=90)
    found = effective_limits(budget, OwnLimits(per_run_usd=2.0, warn_at_percent=50), per_run_usd=5.0)
    assert (found.per_run_usd, found.warn_at_percent) == (2.0, 50)


@pytest.mark.parametrize(
    ("policies", "own", "found"),
    [
        (None, None, "reject"),
        ("warn", None, "warn"),
        (None, "warn", "warn"),
        ("warn", "reject", "reject"),
        ("reject", "warn", "reject"),
    ],
)
def test_of_two_stated_actions_rejecting_holds(policies: str | None, own: str | None, found: str) -> None:
    budget = Budget(hard_limit_action=HardLimitAction(policies)) if policies else Budget()
    limits = effective_limits(budget, OwnLimits(hard_action=HardLimitAction(own) if own else None))
    assert limits.hard_action == found


@pytest.mark.parametrize(
    ("own", "of_run"), [(OwnLimits(monthly_usd=0.0), None), (OwnLimits(per_run_usd=2.0), None), (OwnLimits(), 4.0)]
)
def test_a_project_cannot_turn_a_limit_of_the_users_into_a_warning(own: OwnLimits, of_run: float | None) -> None:
    budget = Budget(hard_limit_action=HardLimitAction.WARN)
    assert effective_limits(budget, own, per_run_usd=of_run).hard_action is HardLimitAction.REJECT
    users = replace(own, hard_action=HardLimitAction.WARN)
    assert effective_limits(budget, users, per_run_usd=of_run).hard_action is HardLimitAction.WARN


def test_the_default_caps_allow_a_run_and_agents_that_start_one() -> None:
    caps = PoliciesEngine.load(None).caps
    check_caps(caps, tasks=1000, depth=0)
    check_caps(caps, tasks=1, depth=2)


def test_what_is_too_large_or_too_deep_is_refused_with_its_setting() -> None:
    caps = Caps(max_agents=4, max_depth=2, max_total_spawns=10)
    with pytest.raises(CapExceeded, match="11 tasks") as large:
        check_caps(caps, tasks=11, depth=0)
    assert large.value.setting == "caps.max_total_spawns"
    with pytest.raises(CapExceeded, match="3 levels deep") as deep:
        check_caps(caps, tasks=1, depth=2)
    assert deep.value.setting == "caps.max_depth"


@pytest.mark.parametrize(
    ("text", "depth"), [(None, 0), ("", 0), ("0", 0), ("2", 2), ("-1", 1), ("many", 1), ("²", 1), ("9" * 99, 1)]
)
def test_a_depth_that_makes_no_sense_is_not_taken_for_the_top(text: str | None, depth: int) -> None:
    assert depth_of({} if text is None else {"AURORA_DEPTH": text}) == depth
