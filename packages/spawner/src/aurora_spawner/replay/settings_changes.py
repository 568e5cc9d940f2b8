"""Changed settings for a simulation: `name=value`, of the run or of its recovery policy."""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import RecoveryPolicyError, ReplayError
from aurora_spawner.recovery.policy import PRESETS, RecoveryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.runs.decision_settings import DecisionSettings

_OF_RUN: Final = ("max_concurrent", "start_rate_per_s", "agent_limits.AGENT", "preset")


def changed_settings(run_id: str, settings: DecisionSettings, changes: Iterable[str]) -> DecisionSettings:
    """Returns settings with the given ones changed.

    Args:
        changes: Each `name=value`: `max_concurrent`, `start_rate_per_s`, `agent_limits.AGENT`, a `preset` of the
            recovery policy, or one of its fields, those of its parts with a dot (`breaker.failure_threshold=3`).

    Raises:
        ReplayError: One is malformed, unknown or out of bounds.
    """
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.strip():
            raise ReplayError(run_id, f"cannot be simulated with {change!r}: write name=value, as max_concurrent=20")
        settings = _changed(run_id, settings, name.strip(), _value(text.strip()))
    return settings


def _value(text: str) -> Any:
    """Returns a number, true, false or null; any other text as it is."""
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false", "null") else text)
    except ValueError:
        return None if text.lower() == "none" else text


def _changed(run_id: str, settings: DecisionSettings, name: str, value: Any) -> DecisionSettings:
    if name == "max_concurrent":
        return replace(settings, max_concurrent=_count(run_id, name, value))
    if name.startswith("agent_limits."):
        agent = name.removeprefix("agent_limits.")
        if agent not in settings.providers:
            raise ReplayError(run_id, f"has no agent {agent!r}; it has {', '.join(sorted(settings.providers))}")
        return replace(settings, agent_limits={**settings.agent_limits, agent: _count(run_id, name, value)})
    if name == "start_rate_per_s":
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            raise ReplayError(run_id, f"cannot be simulated: {name} must be a number above 0 or none, not {value!r}")
        return replace(settings, start_rate_per_s=value)
    return _with_policy(run_id, settings, name, value)


def _count(run_id: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ReplayError(run_id, f"cannot be simulated: {name} must be a whole number from 1, not {value!r}")
    return value


def _with_policy(run_id: str, settings: DecisionSettings, name: str, value: Any) -> DecisionSettings:
    """Returns settings with another policy; a run without recovery gets one without retries first."""
    stored = settings.policy
    policy = RecoveryPolicy.no_recovery() if stored is None else RecoveryPolicy().changed(stored)
    part, dot, field = name.partition(".")
    try:
        if name == "preset":
            policy = policy.changed(PRESETS.get(str(value)) or RecoveryPolicy.from_name(str(value)).to_dict())
        else:
            policy = policy.changed({part: {field: value}} if dot else {name: value})
    except RecoveryPolicyError as error:
        close = get_close_matches(name, _OF_RUN, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; of the run itself there are {', '.join(_OF_RUN)}"
        unknown = "is not a field" in error.problem
        raise ReplayError(run_id, f"cannot be simulated: {error}{hint if unknown else ''}") from error
    return replace(settings, policy=policy.to_dict())
