"""Work reaches a protected branch only as the policies say, and pushes and merges mean the same branches by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aurora_policies import Action, Operation, OperationType, Policies, PoliciesEngine, PolicyFileError
from aurora_policies.branches import ProtectedBranches
from aurora_policies.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path


def engine(**sections: Any) -> PoliciesEngine:
    return PoliciesEngine(policies=Policies.model_validate(sections), source=None)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git/refs/remotes/origin").mkdir(parents=True)
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/work\n")
    (tmp_path / ".git/refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/develop\n")
    return tmp_path


@pytest.mark.parametrize("target", ["main", "master", "trunk", "develop"])
def test_a_protected_branch_is_asked_about(repository: Path, target: str) -> None:
    result = engine().judge_merge(target, repository=repository)
    assert (result.action, result.rule) == (Action.PROMPT, "git_merge_main")
    assert target in result.reason
    assert "pull request" in result.instead


@pytest.mark.parametrize("target", ["work", "mainly", "feature/main", "main/x", "Main", "origin/main"])
def test_a_name_that_only_contains_a_protected_one_is_free(repository: Path, target: str) -> None:
    assert engine().judge_merge(target, repository=repository).action is Action.ALLOW


def test_the_strictest_of_all_agents_counts(repository: Path) -> None:
    found = engine(
        destructive={"git_merge_main": {"action": "prompt"}},
        agents={
            "codex": {"destructive": {"git_merge_main": {"action": "deny"}}},
            "claude": {"safety": {"protected_branches": ["work"]}},
            "qwen": {"destructive": {"git_merge_main": {"action": "allow"}}},
        },
    )

    def asked(target: str, *agents: str) -> Action:
        return found.judge_merge(target, repository=repository, agents=agents).action

    assert asked("main") is Action.PROMPT
    assert asked("main", "qwen") is Action.PROMPT  # a section cannot loosen
    assert asked("main", "qwen", "codex") is Action.DENY
    assert asked("work", "codex", "qwen") is Action.ALLOW
    assert asked("work", "claude") is Action.PROMPT
    assert asked("main", "nobody") is Action.PROMPT


def test_pushes_and_merges_mean_the_same_branches(repository: Path) -> None:
    found = engine(safety={"protected_branches": ["release/*", "main"]})
    for branch in ("main", "release/1", "release/1/fix", "develop", "master", "release", "xrelease/1"):
        pushed = found.check(
            Operation(type=OperationType.COMMAND, command=f"git push origin {branch}", workspace=repository)
        )
        merged = found.judge_merge(branch, repository=repository)
        assert pushed.action is merged.action, branch


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "-main",
        "refs/heads/main",
        "a b",
        "a..b",
        "a//b",
        "a^",
        "a:b",
        "a?",
        "[ab]",
        "a/",
        "a.",
        "a\\b",
        "a\x01",
    ],
)
def test_what_cannot_be_a_branch_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(f"safety:\n  protected_branches: [{json.dumps(name)}]\n")
    with pytest.raises(PolicyFileError) as caught:
        PoliciesEngine.load(path)
    assert [(each.line, each.field) for each in caught.value.problems] == [(2, "safety.protected_branches.0")]


@pytest.mark.parametrize(
    ("refspec", "protected"),
    [("*", True), ("release/*", True), ("rel*", True), ("release/1*", True), ("topic/a/*", False), ("m*", True)],
)
def test_a_refspec_of_many_branches_may_hold_a_protected_one(refspec: str, protected: bool) -> None:
    branches = ProtectedBranches(patterns=("main", "release/*"), default="develop")
    assert branches.may_hold(refspec) is protected


def test_a_repository_without_a_remote_has_no_default() -> None:
    assert Repository().default_branch is None
