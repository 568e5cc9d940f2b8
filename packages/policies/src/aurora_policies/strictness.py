"""Compares policies by strictness: looser settings of a project, and the stricter of two files or sections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel

from aurora_policies.schema import (
    Action,
    AgentSection,
    CommandRule,
    HardLimitAction,
    NetworkRule,
    Policies,
    SandboxMode,
    ToolRule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

__all__ = ["Loosening", "beside", "for_agent", "loosenings", "tightened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosening:
    """A setting that allows more than its default.

    Attributes:
        field: dotted, such as "destructive.drop_table.action".
        value: in words.
        default: in words.
    """

    field: str
    value: str
    default: str


_Section = TypeVar("_Section", bound=BaseModel)
_Rule = TypeVar("_Rule", CommandRule, ToolRule, NetworkRule)
_ACTIONS: Final = (Action.DENY, Action.PROMPT, Action.ALLOW)


def _more(value: Any) -> float:
    """Returns a value as looseness: more is looser; None is no limit."""
    return math.inf if value is None else float(value)


def _more_or_zero(value: Any) -> float:
    """Returns a value as looseness: more is looser, and zero is no limit."""
    return _more(value or None)


def _less(value: Any) -> float:
    """Returns a value as looseness: less is looser, and so is False."""
    return -float(value)


_MODES: Final = (SandboxMode.REQUIRE, SandboxMode.AUTO, SandboxMode.OFF)


def _ports(value: Any) -> float:
    """Returns a network as looseness: all of it, a number of ports, or none."""
    return math.inf if value == "open" else 0.0 if value == "none" else float(len(value))


_LOOSENESS: Final[Mapping[str, Callable[[Any], float]]] = {
    "budget.monthly_limit_usd": _more,
    "budget.per_run_limit_usd": _more,
    "budget.reservation_usd": _less,
    "budget.warn_at_percent": _more,
    "budget.hard_limit_action": lambda action: float(action is HardLimitAction.WARN),
    "caps.max_agents": _more,
    "caps.max_depth": _more,
    "caps.max_total_spawns": _more,
    "agent_recovery.timeout_seconds": _more,
    "agent_recovery.max_timeout_seconds": _more_or_zero,
    "agent_recovery.max_retries": _more,
    "agent_recovery.fallback_to_llm": _more,
    "agent_recovery.max_provider_wait_seconds": _more,
    "destructive.file_delete.action": _ACTIONS.index,
    "destructive.file_delete.max_files": _more,
    "destructive.git_force_push.action": _ACTIONS.index,
    "destructive.git_push_main.action": _ACTIONS.index,
    "destructive.git_merge_main.action": _ACTIONS.index,
    "destructive.drop_table.action": _ACTIONS.index,
    "destructive.truncate.action": _ACTIONS.index,
    "safety.auto_branch": _less,
    "safety.max_files_modified": _more,
    "safety.max_lines_changed": _more,
    "anomalies.scope_multiplier": _more,
    "sandbox.mode": _MODES.index,
    "sandbox.network": _ports,
    "sandbox.checks": ("inside", "outside").index,
    "limits.memory_mib": _more,
    "limits.processes": _more,
    "limits.cpu_seconds": _more,
}
"""By setting, how loose a value is: a larger number allows more."""
_LISTS: Final = frozenset({"safety.protected_paths", "safety.protected_branches", "anomalies.unexpected_file_types"})
"""Settings that allow more the fewer patterns they hold."""
_PLACES: Final = "sandbox.writable"
"""The setting that allows more the more places it holds."""
NEUTRAL: Final = frozenset({"safety.branch_prefix", "agents", "approvals.limit_seconds"})
"""Settings that allow neither more nor less: the section of an agent takes effect only where it is stricter, and no
time limit on a question lets anything pass."""
_RULES: Final = {"commands": "pattern", "tools": "tool", "network": "host"}
"""Settings whose rules allow more only if their action is to allow, and what each of their rules is about."""


def loosenings(policies: Policies) -> tuple[Loosening, ...]:
    """Returns the settings that allow more than the defaults, in the order of the file's sections."""
    found = []
    for field, value, default in _pairs(policies, Policies(), ""):
        if field in _RULES:
            allowed = [getattr(rule, _RULES[field]) for rule in value if rule.action is Action.ALLOW]
            if allowed:
                found.append(Loosening(field=field, value=f"allows {', '.join(allowed)}", default="none"))
        elif field == _PLACES:
            if value:
                found.append(Loosening(field=field, value=", ".join(value), default="none"))
        elif field in _LISTS:
            gone = [pattern for pattern in default if pattern not in value]
            if gone:
                found.append(Loosening(field=field, value=f"without {', '.join(gone)}", default=", ".join(default)))
        elif field not in NEUTRAL and _LOOSENESS[field](value) > _LOOSENESS[field](default):
            found.append(Loosening(field=field, value=_words(value), default=_words(default)))
    return tuple(found)


def tightened(policies: Policies, fields: Collection[str]) -> Policies:
    """Returns the policies as if these settings were not in the file; a list gets back the patterns it lacks."""
    defaults = {field: default for field, _value, default in _pairs(policies, Policies(), "")}
    document = policies.model_dump(exclude_unset=True)
    for field in fields:
        *sections, name = field.split(".")
        section = document
        for each in sections:
            section = section[each]
        if field in _RULES:
            section[name] = [rule for rule in section[name] if rule["action"] is not Action.ALLOW]
        elif field in _LISTS:
            section[name] = (*section[name], *(each for each in defaults[field] if each not in section[name]))
        else:
            del section[name]
            if field.startswith("destructive."):  # an action is required where its rule is there
                section[name] = defaults[field]
    return Policies.model_validate(document)


_OF_AGENTS: Final = ("destructive", "safety", "sandbox", "limits")
_STATED: Final = ("budget", "caps", "agent_recovery", "sandbox", "limits")


def for_agent(policies: Policies, agent: str | None) -> Policies:
    """Returns the policies for an agent: its section, where that is stricter."""
    section = policies.agents.get(agent) if agent is not None else None
    if section is None:
        return policies
    stricter = {name: _stricter_section(policies, section, name) for name in _OF_AGENTS}
    rules = {name: (*getattr(policies, name), *_forbidding(getattr(section, name))) for name in _RULES}
    return policies.model_copy(update={**stricter, **rules})


def beside(policies: Policies, users: Policies) -> Policies:
    """Returns a project's policies with those that its user has for all projects, where these are stricter.

    Sections by which work is judged are compared with their defaults, so that the answer is the stricter of both. Of
    limits on money, time and numbers only those count that the user states. An allowance has to be in both.
    """
    judged = {
        name: _stricter_section(policies, users, name, stated=False)
        for name in ("destructive", "safety", "anomalies")
    }
    limits = {name: _stricter_section(policies, users, name) for name in _STATED}
    named = users if "branch_prefix" not in policies.safety.model_fields_set else policies
    judged["safety"] = judged["safety"].model_copy(update={"branch_prefix": named.safety.branch_prefix})
    asked = users if "approvals" not in policies.model_fields_set else policies
    agents = {**users.agents, **policies.agents}
    for name in users.agents.keys() & policies.agents.keys():
        agents[name] = _joined(policies.agents[name], users.agents[name], "")
    rules = {
        name: (*_held(getattr(policies, name), getattr(users, name), key), *_forbidding(getattr(users, name)))
        for name, key in _RULES.items()
    }
    return policies.model_copy(update={**judged, **limits, **rules, "approvals": asked.approvals, "agents": agents})


def _held(rules: Sequence[_Rule], others: Sequence[_Rule], key: str) -> Iterator[_Rule]:
    """Yields the rules of a file that hold beside those of another one, which has to allow the same."""
    allowed = {_scope(rule, key) for rule in others if rule.action is Action.ALLOW}
    return (rule for rule in rules if rule.action is not Action.ALLOW or _scope(rule, key) in allowed)


def _scope(rule: _Rule, key: str) -> tuple[str, frozenset[str]]:
    """Returns what an allowance is for, with what it leaves out."""
    return getattr(rule, key), frozenset(getattr(rule, "exclude", ()))


def _forbidding(rules: Sequence[_Rule]) -> Iterator[_Rule]:
    return (rule for rule in rules if rule.action is not Action.ALLOW)


def _joined(one: _Section, other: _Section, above: str) -> _Section:
    """Returns what two sections for one agent state; of what both state, the stricter."""
    changed: dict[str, Any] = {}
    for name in other.model_fields_set:
        value, mine = getattr(one, name), getattr(other, name)
        if name not in one.model_fields_set:
            changed[name] = mine
        elif name in _RULES:
            changed[name] = (*value, *mine)
        elif isinstance(mine, BaseModel):
            changed[name] = _joined(value, mine, f"{above}{name}.")
        else:
            changed |= _if_stricter(name, value, mine, above)
    return one.model_copy(update=changed)


def _stricter_section(policies: Policies, other: Policies | AgentSection, name: str, *, stated: bool = True) -> Any:
    return _stricter(getattr(policies, name), getattr(other, name), f"{name}.", stated=stated)


def _stricter(common: _Section, own: _Section, above: str, *, stated: bool) -> _Section:
    """Returns the settings of a section, and of another one those which are stricter.

    Args:
        stated: only what the other one states counts, and not its defaults.
    """
    changed: dict[str, Any] = {}
    for name in own.model_fields_set if stated else type(own).model_fields:
        value, mine = getattr(common, name), getattr(own, name)
        if isinstance(mine, BaseModel):
            changed[name] = _stricter(value, mine, f"{above}{name}.", stated=stated)
        else:
            changed |= _if_stricter(name, value, mine, above)
    return common.model_copy(update=changed)


def _if_stricter(name: str, value: Any, mine: Any, above: str) -> dict[str, Any]:
    """Returns a setting by its name if it is stricter than another one; a list grows by the patterns of the other."""
    field = f"{above}{name}"
    if field in _LISTS:
        # The last pattern that fits counts, so those of the stricter list follow an exception of the other one.
        excepts = any(each.startswith("!") for each in value)
        more = (each for each in mine if not each.startswith("!") and (excepts or each not in value))
        return {name: (*value, *more)}
    if field == _PLACES:
        return {name: tuple(each for each in value if each in mine)}
    if field == "sandbox.network" and isinstance(mine, tuple) and isinstance(value, tuple):
        return {name: tuple(each for each in value if each in mine)}
    if field not in NEUTRAL and _LOOSENESS[field](mine) < _LOOSENESS[field](value):
        return {name: mine}
    return {}


def _pairs(policies: BaseModel, defaults: BaseModel, above: str) -> Iterator[tuple[str, Any, Any]]:
    """Yields every setting: its dotted name, its value and its default."""
    for name in type(policies).model_fields:
        value, default = getattr(policies, name), getattr(defaults, name)
        if isinstance(value, BaseModel):
            yield from _pairs(value, default, f"{above}{name}.")
        else:
            yield f"{above}{name}", value, default


def _words(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
