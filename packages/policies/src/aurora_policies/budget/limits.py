"""The limits in force: those of the project's policies, joined with those that the user sets for all projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_policies.schema import HardLimitAction

if TYPE_CHECKING:
    from aurora_policies.schema import Budget

__all__ = ["Limits", "OwnLimits", "effective_limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimits:
    """The limits that a user has set with `aur budget set`; None for a limit that is not set."""

    monthly_usd: float | None = None
    per_run_usd: float | None = None
    warn_at_percent: float | None = None
    hard_action: HardLimitAction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits in force.

    Attributes:
        monthly_usd: for a calendar month in UTC and all projects of the user together.
        per_run_usd: for one run; None for no limit.
        warn_at_percent: share of a limit from which a warning is given.
        hard_action: action on a spawn that would exceed a limit.
        asked: True if the user has set a limit, for all projects or for the run.
        reservation_usd: estimated cost of an attempt if there is no history of its kind.
    """

    monthly_usd: float
    per_run_usd: float | None = None
    warn_at_percent: float = 80.0
    hard_action: HardLimitAction = HardLimitAction.REJECT
    asked: bool = False
    reservation_usd: float = 0.5


def effective_limits(policies: Budget, own: OwnLimits, *, per_run_usd: float | None = None) -> Limits:
    """Joins the limits: the stricter of two stated limits; a stated limit before a default.

    A limit that the user sets rejects unless the user says otherwise: a project cannot turn it into a warning.

    Args:
        per_run_usd: limit that the user sets for this run.
    """
    stated = policies.model_fields_set
    monthly = _lowest(policies.monthly_limit_usd if "monthly_limit_usd" in stated else None, own.monthly_usd)
    warn_at = _lowest(policies.warn_at_percent if "warn_at_percent" in stated else None, own.warn_at_percent)
    asked = any(amount is not None for amount in (own.monthly_usd, own.per_run_usd, per_run_usd))
    users = own.hard_action or (HardLimitAction.REJECT if asked else None)
    actions = {policies.hard_limit_action if "hard_limit_action" in stated else None, users} - {None}
    strict = HardLimitAction.REJECT in actions or not actions
    return Limits(
        monthly_usd=policies.monthly_limit_usd if monthly is None else monthly,
        per_run_usd=_lowest(policies.per_run_limit_usd, own.per_run_usd, per_run_usd),
        warn_at_percent=policies.warn_at_percent if warn_at is None else warn_at,
        hard_action=HardLimitAction.REJECT if strict else HardLimitAction.WARN,
        asked=asked,
        reservation_usd=policies.reservation_usd,
    )


def _lowest(*amounts: float | None) -> float | None:
    return min((amount for amount in amounts if amount is not None), default=None)
