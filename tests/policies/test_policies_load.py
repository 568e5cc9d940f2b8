"""A policy file is read strictly: it means what it says, or nothing runs and every reason is named."""

from __future__ import annotations

from contextlib import suppress
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

from aurora_policies import (
    Action,
    HardLimitAction,
    Policies,
    PoliciesEngine,
    PolicyFileError,
    default_policies_yaml,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policies.yaml"


def load(file: Path, text: str) -> Policies:
    file.write_text(dedent(text), encoding="utf-8")
    return PoliciesEngine.load(file).policies


def problems(file: Path, text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(PolicyFileError) as caught:
        load(file, text)
    assert caught.value.path == file
    return [(p.line, p.field, p.reason) for p in caught.value.problems]


def test_without_a_file_the_defaults_are_in_force(file: Path) -> None:
    engine = PoliciesEngine.load(file)
    assert engine.source is None
    assert engine.policies == Policies()
    assert engine.policies.budget.monthly_limit_usd == 100.0
    assert engine.policies.destructive.git_force_push.action is Action.DENY
    assert engine.recovery.timeout_seconds == 120
    assert PoliciesEngine.load(None).policies == Policies()


def test_the_default_file_says_exactly_the_defaults(file: Path) -> None:
    assert load(file, default_policies_yaml()) == Policies()
    assert PoliciesEngine.load(file).source == file


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_file_means_the_defaults(file: Path, text: str) -> None:
    assert load(file, text) == Policies()


def test_given_settings_are_taken_and_the_rest_stays(file: Path) -> None:
    policies = load(
        file,
        """
        budget: {monthly_limit_usd: 5, hard_limit_action: warn}
        destructive:
          truncate: {action: deny}
        safety:
          protected_paths: ["secrets/"]
        """,
    )
    assert policies.budget.monthly_limit_usd == 5
    assert policies.budget.hard_limit_action is HardLimitAction.WARN
    assert policies.budget.warn_at_percent == 80
    assert policies.destructive.truncate.action is Action.DENY
    assert policies.destructive.drop_table.action is Action.DENY
    assert policies.safety.protected_paths == ("secrets/",)


def test_recovery_is_handed_on(file: Path) -> None:
    file.write_text("agent_recovery: {timeout_seconds: 7.5, max_retries: 0, fallback_to_llm: false}\n")
    recovery = PoliciesEngine.load(file).recovery
    assert (recovery.timeout_seconds, recovery.max_retries, recovery.fallback_to_llm) == (7.5, 0, False)
    assert recovery.max_timeout_seconds == 600
    assert recovery.max_provider_wait_seconds == 900


@pytest.mark.parametrize(("written", "means"), [("0", 0), ("12.5", 12.5), ("null", None)])
def test_the_patience_with_providers_is_handed_on(file: Path, written: str, means: float | None) -> None:
    file.write_text(f"agent_recovery: {{max_provider_wait_seconds: {written}}}\n")
    assert PoliciesEngine.load(file).recovery.max_provider_wait_seconds == means


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        ("budgets: {}\n", 1, "budgets", "did you mean budget?"),
        ("budget:\n  monthly_limit_usd: 1\n  warn_at: 80\n", 3, "budget.warn_at", "did you mean warn_at_percent?"),
        ("safety:\n  zebra: 1\n", 2, "safety.zebra", "known here: auto_branch"),
        (
            "destructive:\n  truncate: {action: perhaps}\n",
            2,
            "destructive.truncate.action",
            "'allow', 'prompt' or 'deny'",
        ),
        ("destructive:\n  truncate: {}\n", 2, "destructive.truncate.action", "required"),
        ("destructive:\n  truncate: deny\n", 2, "destructive.truncate", "deny"),
        ("budget: {hard_limit_action: stop}\n", 1, "budget.hard_limit_action", "'reject' or 'warn'"),
        ('budget:\n  monthly_limit_usd: "100"\n', 2, "budget.monthly_limit_usd", "number"),
        ("budget:\n  monthly_limit_usd: -1\n", 2, "budget.monthly_limit_usd", "greater than or equal to 0"),
        ("budget:\n  monthly_limit_usd: .inf\n", 2, "budget.monthly_limit_usd", "finite"),
        ("budget:\n  monthly_limit_usd: .nan\n", 2, "budget.monthly_limit_usd", "finite"),
        ("budget: {warn_at_percent: 101}\n", 1, "budget.warn_at_percent", "100"),
        ("agent_recovery:\n  fallback_to_llm: 1\n", 2, "agent_recovery.fallback_to_llm", "true or false"),
        ("agent_recovery:\n  max_retries: 2.5\n", 2, "agent_recovery.max_retries", "whole number"),
        ("agent_recovery:\n  timeout_seconds: 0\n", 2, "agent_recovery.timeout_seconds", "greater than 0"),
        ('safety:\n  protected_paths: ["ok", ""]\n', 2, "safety.protected_paths.1", "must not be empty"),
        ("safety:\n  protected_paths: .env\n", 2, "safety.protected_paths", "list"),
        ("safety:\n  branch_prefix: '--force'\n", 2, "safety.branch_prefix", "pattern"),
        ("budget:\n", 1, "budget", "not null"),
        ("- budget\n", 1, "", "must be a mapping"),
        ("just words\n", 1, "", "must be a mapping"),
        ("budget: [unclosed\n", 2, "", "not valid YAML"),
        ("budget: {}\n---\nsafety: {}\n", 2, "", "not valid YAML"),
        ("budget: !!python/object:os.system {}\n", 1, "budget", "remove the tag"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(file: Path, text: str, line: int, field: str, said: str) -> None:
    found = problems(file, text)
    assert len(found) == 1, found
    assert found[0][1] == field
    assert said in found[0][2]
    if "python/object" not in text:
        assert found[0][0] == line


def test_every_problem_is_reported_at_once(file: Path) -> None:
    found = problems(
        file,
        """\
        budget:
          warn_at_percent: high
        safty: {}
        destructive:
          truncate: {action: maybe}
        """,
    )
    assert [(line, field) for line, field, _ in found] == [
        (2, "budget.warn_at_percent"),
        (3, "safty"),
        (5, "destructive.truncate.action"),
    ]


def test_a_setting_given_twice_is_refused(file: Path) -> None:
    ((line, field, reason),) = problems(
        file, "budget: {warn_at_percent: 1}\nsafety: {}\nbudget: {warn_at_percent: 90}\n"
    )[:1]
    assert (line, field) == (3, "budget")
    assert "first in line 1" in reason


def test_the_message_is_one_line_a_problem_with_file_line_and_field(file: Path) -> None:
    file.write_text("budget:\n  monthly_limit_usd: lots\nsafty: {}\n")
    with pytest.raises(PolicyFileError) as caught:
        PoliciesEngine.load(file)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{file}:2:3: budget.monthly_limit_usd: ")
    assert 'not "lots"' in first
    assert second.startswith(f"{file}:3:1: safty: ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"budget: \xff\xfe\n", "UTF-8"),
        (b"\0\0\0\0", "YAML"),
        (b"#" * 1_000_001, "larger than 128 kB"),
        (b"[" * 20_000, "nested too deeply"),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 9)) for i in range(8)),
            "aliases",
        ),
        (b"a: &a [*a]\n", "hold itself"),
    ],
    ids=["not UTF-8", "binary", "huge", "deep", "alias bomb", "alias loop"],
)
def test_hostile_bytes_are_refused(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(PolicyFileError, match=said):
        PoliciesEngine.load(file)


def test_a_folder_in_its_place_is_refused(file: Path) -> None:
    file.mkdir()
    with pytest.raises(PolicyFileError, match="not a regular file"):
        PoliciesEngine.load(file)


def test_a_link_to_nowhere_is_not_taken_for_a_missing_file(file: Path) -> None:
    file.symlink_to(file.with_name("gone.yaml"))
    with pytest.raises(PolicyFileError, match="link"):
        PoliciesEngine.load(file)


def test_policies_cannot_be_changed_after_they_were_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Policies().budget.monthly_limit_usd = 1e9  # type: ignore[misc]


KEYS = st.sampled_from(["budget", "safety", "destructive", "action", "truncate", "warn_at_percent", "max_files", "x"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["deny", "allow"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with suppress(PolicyFileError):
        PoliciesEngine.load(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(KEYS, VALUES, max_size=4))
def test_no_document_raises_anything_else_or_loosens_a_denial(file: Path, value: dict[str, object]) -> None:
    import yaml

    file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    try:
        policies = PoliciesEngine.load(file).policies
    except PolicyFileError:
        return
    if "git_force_push" not in str(value):
        assert policies.destructive.git_force_push.action is Action.DENY


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("sandbox: {mode: on}", "sandbox.mode"),
        ("sandbox: {mode: none}", "sandbox.mode"),
        ("sandbox: {network: [0]}", "sandbox.network"),
        ("sandbox: {network: closed}", "sandbox.network"),
        ("sandbox: {writable: [cache]}", "sandbox.writable"),
        ("limits: {memory_mib: 0}", "limits.memory_mib"),
        ("limits: {processes: many}", "limits.processes"),
        ("limits: {cpu_seconds: .inf}", "limits.cpu_seconds"),
    ],
)
def test_a_wrong_sandbox_or_limit_stops_every_run(file: Path, text: str, field: str) -> None:
    file.write_text(text)
    with pytest.raises(PolicyFileError) as error:
        PoliciesEngine.load(file)
    assert field in str(error.value)
