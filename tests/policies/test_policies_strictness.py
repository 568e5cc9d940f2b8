"""A project's policies may be stricter than the defaults as they are; what is looser can be told and taken away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.exhaustive import examples
from tests.policies.commands import ask

from aurora_policies import Policies, PoliciesEngine, default_policies_yaml
from aurora_policies.strictness import (
    _LISTS,
    _LOOSENESS,
    _PLACES,
    _RULES,
    NEUTRAL,
    _pairs,
    beside,
    for_agent,
    loosenings,
    tightened,
)

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
    "sandbox.writable": ["/srv"],
    "sandbox.checks": "outside",
    "commands": [{"pattern": "rm -rf build", "action": "allow"}],
    "tools": [{"tool": "mcp__a__drop", "action": "allow"}],
}
# Their defaults are the loosest that they can be.
NEVER_LOOSER = {
    "budget.per_run_limit_usd",
    "agent_recovery.fallback_to_llm",
    "sandbox.mode",
    "sandbox.network",
    "limits.memory_mib",
    "limits.processes",
    "limits.cpu_seconds",
    "network",  # no rule of it can allow
}


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
    assert fields(Policies) == set(_LOOSENESS) | _LISTS | NEUTRAL | {*_RULES, _PLACES}
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


STRICT: dict[str, object] = {
    "budget.monthly_limit_usd": 1.0,
    "budget.per_run_limit_usd": 0.5,
    "caps.max_agents": 1,
    "agent_recovery.max_timeout_seconds": 7,
    "agent_recovery.max_retries": 0,
    "destructive.file_delete.action": "deny",
    "destructive.file_delete.max_files": 0,
    "destructive.git_push_main.action": "deny",
    "destructive.truncate.action": "deny",
    "safety.max_files_modified": 1,
    "safety.protected_paths": ["docs/", ".env"],
    "anomalies.unexpected_file_types": ["*.bin"],
    "commands": [{"pattern": "npm publish", "action": "deny"}, {"pattern": "rm -rf build", "action": "allow"}],
}
FILES = st.dictionaries(st.sampled_from(sorted({*LOOSE, *STRICT})), st.booleans(), max_size=8).map(
    lambda chosen: Policies.model_validate(
        document(
            {
                field: (LOOSE if loose else STRICT).get(field, LOOSE.get(field, STRICT.get(field)))
                for field, loose in chosen.items()
            }
        )
    )
)
ASKED = (
    *("rm -rf build", "rm -rf src", "npm publish", "git push -f", "git push origin main", "truncate -s 0 a"),
    *("rm a", "touch docs/a", "touch .env", "psql -c 'drop table t'", "ls"),
)
SEVERITY = ("allow", "prompt", "deny")


@settings(max_examples=examples(30))
@given(FILES, FILES)
def test_of_a_project_and_its_user_the_stricter_answer_counts(project: Policies, user: Policies) -> None:
    both = beside(project, user)
    for command in ASKED:
        answers = [SEVERITY.index(ask(command, each).action) for each in (project, user)]
        assert SEVERITY.index(ask(command, both).action) >= max(answers), command
    assert {field for field, *_ in _pairs(both, project, "")} == fields(Policies)
    for field, value, own in _pairs(both, project, ""):
        if field in _LOOSENESS:
            assert _LOOSENESS[field](value) <= _LOOSENESS[field](own), field
    stated = user.model_dump(exclude_unset=True)
    for field, value, own in _pairs(both, user, ""):
        section, _, name = field.partition(".")
        judged = section in {"destructive", "safety", "anomalies"}
        if field in _LOOSENESS and (judged or name in stated.get(section, {})):
            assert _LOOSENESS[field](value) <= _LOOSENESS[field](own), field


def test_what_the_user_does_not_state_shortens_no_limit() -> None:
    project = Policies.model_validate({"agent_recovery": {"timeout_seconds": 3600}, "caps": {"max_agents": 90}})
    user = Policies.model_validate({"caps": {"max_depth": 1}, "approvals": {"limit_seconds": 5}})
    both = beside(project, user)
    assert (both.agent_recovery.timeout_seconds, both.caps.max_agents, both.caps.max_depth) == (3600, 90, 1)
    assert both.approvals.limit_seconds == 5
    project = Policies.model_validate({"approvals": {"limit_seconds": 60}})
    assert beside(project, user).approvals.limit_seconds == 60


def test_branches_are_named_as_the_project_says_or_else_as_the_user_does() -> None:
    user = Policies.model_validate({"safety": {"branch_prefix": "mine"}})
    assert beside(Policies(), user).safety.branch_prefix == "mine/"
    project = Policies.model_validate({"safety": {"branch_prefix": "theirs/"}})
    assert beside(project, user).safety.branch_prefix == "theirs/"


def test_an_allowance_holds_if_both_have_it() -> None:
    allow, deny = ({"pattern": "make x", "action": action} for action in ("allow", "deny"))
    for mine, theirs, held in (
        ([allow], [], []),
        ([], [allow], []),
        ([allow], [allow], ["allow"]),
        ([], [deny], ["deny"]),
    ):
        both = beside(Policies.model_validate({"commands": mine}), Policies.model_validate({"commands": theirs}))
        assert [rule.action for rule in both.commands] == held


def test_an_allowance_of_a_tool_holds_if_both_have_it_with_the_same_exceptions() -> None:
    allow: dict[str, object] = {"tool": "mcp__a__*", "exclude": ["mcp__a__b"], "action": "allow"}
    deny = {"tool": "mcp__a__c", "action": "deny"}
    host = {"host": "x.example", "action": "deny"}
    for mine, theirs, held in (
        ([allow], [], []),
        ([allow], [{**allow, "exclude": []}], []),
        ([allow], [allow], ["allow"]),
        ([], [deny], ["deny"]),
        ([deny], [], ["deny"]),
    ):
        project = Policies.model_validate({"tools": mine, "network": [host] if mine else []})
        user = Policies.model_validate({"tools": theirs, "network": [] if mine else [host]})
        assert [rule.action for rule in beside(project, user).tools] == held
        assert [rule.host for rule in beside(project, user).network] == ["x.example"]


def test_sections_for_one_agent_are_joined() -> None:
    project = {
        "destructive": {"file_delete": {"max_files": 0}, "truncate": {"action": "deny"}},
        "safety": {"protected_paths": ["a/"], "max_files_modified": 9},
        "commands": [{"pattern": "make a", "action": "deny"}],
    }
    user = {
        "destructive": {"file_delete": {"action": "deny", "max_files": 3}, "truncate": {"action": "prompt"}},
        "safety": {"protected_paths": ["b/"], "max_files_modified": 2},
        "commands": [{"pattern": "make b", "action": "deny"}],
    }
    both = beside(
        Policies.model_validate({"agents": {"x": project, "y": project}}),
        Policies.model_validate({"agents": {"x": user, "z": user}}),
    )
    found = for_agent(both, "x")
    assert found.destructive.file_delete.model_dump() == {"action": "deny", "max_files": 0}
    assert found.destructive.truncate.action == "deny"
    assert {"a/", "b/", ".git/"} <= set(found.safety.protected_paths)
    assert found.safety.max_files_modified == 2
    assert [rule.pattern for rule in found.commands] == ["make a", "make b"]
    assert for_agent(both, "y").safety.max_files_modified == 9
    assert for_agent(both, "z").safety.max_files_modified == 2


@pytest.mark.parametrize(
    ("mine", "theirs"), [([".env", "!.env"], [".env"]), ([".env"], ["!.env"]), (["!.env"], [".env", "!.env"])]
)
def test_an_exception_reaches_into_no_list_of_the_other_side(mine: list[str], theirs: list[str]) -> None:
    files = [Policies.model_validate({"safety": {"protected_paths": each}}) for each in (mine, theirs)]
    answers = [SEVERITY.index(ask("touch .env", each).action) for each in (*files, beside(*files))]
    assert answers[2] >= max(answers[:2])
    section = Policies.model_validate(
        {"safety": {"protected_paths": mine}, "agents": {"x": {"safety": {"protected_paths": theirs}}}}
    )
    assert SEVERITY.index(ask("touch .env", for_agent(section, "x")).action) >= answers[0]


@pytest.mark.parametrize(
    ("project", "user", "both"),
    [
        ({"mode": "auto"}, {"mode": "require"}, ("require", "open", ())),
        ({"mode": "require"}, {"mode": "off"}, ("require", "open", ())),
        ({"network": [443, 80]}, {"network": [443, 22]}, ("off", (443,), ())),
        ({"network": [443]}, {"network": "none"}, ("off", "none", ())),
        ({"network": [443]}, {"network": "open"}, ("off", (443,), ())),
        ({"writable": ["/a", "/b"]}, {"writable": ["/b", "/c"]}, ("off", "open", ("/b",))),
        ({"writable": ["/a"]}, {"mode": "auto"}, ("auto", "open", ("/a",))),
    ],
)
def test_the_narrower_sandbox_counts(project: dict[str, object], user: dict[str, object], both: object) -> None:
    """Of a project and its user, and of all agents and one of them."""
    mine, theirs = (Policies.model_validate({"sandbox": each}) for each in (project, user))
    sections = [beside(mine, theirs).sandbox]
    sections.append(
        for_agent(Policies.model_validate({"sandbox": project, "agents": {"a": {"sandbox": user}}}), "a").sandbox
    )
    for found in sections:
        assert (found.mode, found.network, found.writable) == both


def test_the_lower_limit_on_resources_counts() -> None:
    engine = PoliciesEngine(
        policies=Policies.model_validate(
            {
                "limits": {"memory_mib": 900, "processes": 9},
                "agents": {"a": {"limits": {"memory_mib": 500, "processes": 99}}},
            }
        ),
        source=None,
    )
    assert engine.limits_of("a").model_dump() == {"memory_mib": 500, "processes": 9, "cpu_seconds": None}
    assert engine.limits_of("b").memory_mib == 900
    assert engine.sandbox_of("a").mode == "off"
