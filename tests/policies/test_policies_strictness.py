"""A project's policies may be stricter than the defaults as they are; what is looser can be told and taken away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from aurora_policies import Policies, PoliciesEngine, default_policies_yaml
from aurora_policies.strictness import _COMMANDS, _LISTS, _LOOSENESS, NEUTRAL, for_agent, loosenings, tightened

LOOSE = {
    "budget.monthly_limit_usd": 1000.0,
    "budget.reservation_usd": 0.0,
    "budget.warn_at_percent": 100,
    "budget.hard_limit_action": "warn",
    "caps.max_agents": 1000,
    "caps.max_depth": 9,
    "caps.max_total_spawns": 100_000,
    "agent_recovery.timeout_seconds": 9999,
    "agent_recovery.max_timeout_seconds": 0,
    "agent_recovery.max_retries": 50,
    "agent_recovery.max_provider_wait_seconds": None,
    "destructive.file_delete.action": "allow",
    "destructive.file_delete.max_files": 500,
    "destructive.git_force_push.action": "prompt",
    "destructive.git_push_main.action": "allow",
    "destructive.git_merge_main.action": "allow",
    "destructive.drop_table.action": "allow",
    "destructive.truncate.action": "allow",
    "safety.auto_branch": False,
    "safety.max_files_modified": 10_000,
    "safety.max_lines_changed": 10_000,
    "safety.protected_paths": [".git/"],
    "safety.protected_branches": ["main"],
    "anomalies.scope_multiplier": 99,
    "anomalies.unexpected_file_types": [],
    "commands": [{"pattern": "rm -rf build", "action": "allow"}],
}
# Their defaults are the loosest that they can be.
NEVER_LOOSER = {"budget.per_run_limit_usd", "agent_recovery.fallback_to_llm"}


def document(settings: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for field, value in settings.items():
        *sections, name = field.split(".")
        at = found
        for section in sections:
            at = at.setdefault(section, {})  # type: ignore[assignment]
        at[name] = value
    return found


def fields(model: type[BaseModel], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        nested = isinstance(inner, type) and issubclass(inner, BaseModel)
        found |= fields(inner, f"{above}{name}.") if nested else {f"{above}{name}"}  # type: ignore[arg-type]
    return found


def test_every_setting_has_an_order() -> None:
    """A setting that is added later cannot be forgotten: a clone could loosen it in silence."""
    assert fields(Policies) == set(_LOOSENESS) | _LISTS | NEUTRAL | {_COMMANDS}
    assert set(LOOSE) == fields(Policies) - NEUTRAL - NEVER_LOOSER


@pytest.mark.parametrize("field", LOOSE)
def test_what_allows_more_is_told_and_taken_away(field: str) -> None:
    policies = Policies.model_validate(document({field: LOOSE[field]}))
    assert [each.field for each in loosenings(policies)] == [field]
    assert loosenings(tightened(policies, [field])) == ()
    assert tightened(policies, [field]).model_dump() == Policies().model_dump()


def test_what_allows_less_stays(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("budget: {monthly_limit_usd: 1, per_run_limit_usd: 0.1}\ncaps: {max_agents: 500, max_depth: 1}\n")
    engine = PoliciesEngine.load(path)
    (found,) = engine.loosenings()
    assert (found.field, found.value, found.default) == ("caps.max_agents", "500", "50")
    strict = engine.without([found])
    assert (strict.caps.max_agents, strict.caps.max_depth) == (50, 1)
    assert strict.policies.budget.model_fields_set == {"monthly_limit_usd", "per_run_limit_usd"}


def test_what_init_writes_allows_no_more_than_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(default_policies_yaml())
    assert PoliciesEngine.load(path).loosenings() == ()


@given(st.dictionaries(st.sampled_from(sorted(LOOSE)), st.none(), max_size=6), st.booleans())
def test_without_what_is_looser_nothing_is(chosen: dict[str, None], strict_too: bool) -> None:
    settings: dict[str, object] = {field: LOOSE[field] for field in chosen}
    if strict_too:
        settings |= {"budget.per_run_limit_usd": 1.0, "agent_recovery.fallback_to_llm": False}
    policies = Policies.model_validate(document(settings))
    strict = tightened(policies, [each.field for each in loosenings(policies)])
    assert loosenings(strict) == ()
    assert strict.agent_recovery.fallback_to_llm is not strict_too


def test_a_rule_that_allows_is_taken_away_and_one_that_denies_stays() -> None:
    rules = [{"pattern": "rm -rf x", "action": "allow"}, {"pattern": "npm publish", "action": "deny"}]
    policies = Policies.model_validate({"commands": rules})
    (found,) = loosenings(policies)
    assert (found.field, found.value) == ("commands", "allows rm -rf x")
    assert [rule.pattern for rule in tightened(policies, ["commands"]).commands] == ["npm publish"]


@given(st.sampled_from(sorted(name for name in LOOSE if name.startswith(("destructive", "safety")))))
def test_the_section_of_an_agent_never_loosens(field: str) -> None:
    section = document({field: LOOSE[field]})
    policies = Policies.model_validate({"agents": {"claude": section}})
    for_it = for_agent(policies, "claude")
    assert loosenings(for_it) == ()
    assert for_agent(policies, "codex") is policies


def test_the_section_of_an_agent_tightens_what_it_states() -> None:
    section = {
        "destructive": {"file_delete": {"action": "deny", "max_files": 0}},
        "safety": {"protected_paths": ["docs/"], "max_files_modified": 1},
        "commands": [{"pattern": "npm publish", "action": "deny"}, {"pattern": "rm -rf x", "action": "allow"}],
    }
    policies = Policies.model_validate({"agents": {"claude": section}, "safety": {"protected_paths": ["a/"]}})
    found = for_agent(policies, "claude")
    assert found.destructive.file_delete.max_files == 0
    assert found.destructive.git_force_push.action == "deny"
    assert found.safety.protected_paths == ("a/", "docs/")
    assert found.safety.max_files_modified == 1
    assert [rule.pattern for rule in found.commands] == ["npm publish"]
