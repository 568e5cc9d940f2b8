"""The user's ledger, with the limits that hold in a project."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_policies import HardLimitAction
from aurora_policies.budget import Ledger, Limits, OwnLimits, effective_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_policies import PoliciesEngine

__all__ = ["open_ledger", "set_user_limits", "user_limits"]


def open_ledger(policies: PoliciesEngine, *, per_run_usd: float | None = None) -> Ledger:
    """Opens the user's ledger with the limits in force; no file is made before there is something to write.

    Args:
        per_run_usd: a limit that was set for one run.
    """
    ledger = _user_ledger()
    limits = effective_limits(policies.policies.budget, ledger.own_limits(), per_run_usd=per_run_usd)
    return replace(ledger, limits=limits)


def user_limits() -> OwnLimits:
    """Reads the limits that the user has set for all projects."""
    return _user_ledger().own_limits()


def set_user_limits(*, amounts: Mapping[str, float | None], warn_at: float | None, on_limit: str | None) -> None:
    """Changes the limits that the user has set for all projects; the rest of them stays.

    Args:
        amounts: US dollars by name of the limit; None removes it.
        warn_at: in per cent; None leaves it.
        on_limit: "reject" or "warn"; None leaves it.
    """
    ledger = _user_ledger()
    limits = OwnLimits(**{**asdict(ledger.own_limits()), **amounts})
    if warn_at is not None:
        limits = replace(limits, warn_at_percent=warn_at)
    if on_limit is not None:
        limits = replace(limits, hard_action=HardLimitAction(on_limit))
    ledger.set_own_limits(limits)


def _user_ledger() -> Ledger:
    return Ledger(path=Path.home() / ".aurora" / "budget.db", limits=Limits(monthly_usd=0.0))
