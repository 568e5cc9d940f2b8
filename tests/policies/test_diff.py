"""The judgement of diffs: each rule and each setting changes the answer, and nothing harmless is held up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_policies import Action, Policies, PoliciesEngine
from aurora_policies.diff import ChangedFile, Finding, judge_diff

KEY = "k3J9xQ2mVb7RtY5pLw8Z"


def judged(*files: ChangedFile, planned: tuple[str, ...] = (), **settings: Any) -> dict[str, Finding]:
    return {str(each.rule): each for each in judge_diff(files, Policies.model_validate(settings), planned=planned)}


def some(count: int, kind: str = "M", **fields: Any) -> list[ChangedFile]:
    return [ChangedFile(path=f"src/file{number}.py", kind=kind, **fields) for number in range(count)]


def test_ordinary_work_has_no_findings() -> None:
    files = [*some(20, lines=50), *some(0)]
    assert list(judged(*files, ChangedFile(path="docs/deploy.shtml", kind="D"))) == ["max_files_modified"]
    assert judged(*files) == {}
    assert judged(*some(5, kind="D")) == {}


FLIPS: list[tuple[dict[str, Any], list[ChangedFile], str]] = [
    ({"safety": {"max_files_modified": 2}}, some(3), "max_files_modified"),
    ({"safety": {"max_lines_changed": 9}}, some(2, lines=5), "max_lines_changed"),
    ({"safety": {"protected_paths": ["src/"]}}, some(1), "protected_paths"),
    ({"destructive": {"file_delete": {"action": "prompt", "max_files": 1}}}, some(2, kind="D"), "file_delete"),
    ({"anomalies": {"unexpected_file_types": ["*.py"]}}, some(1), "unexpected_file_types"),
]


@pytest.mark.parametrize(("settings", "files", "rule"), FLIPS)
def test_a_setting_that_is_flipped_changes_the_answer(
    settings: dict[str, Any], files: list[ChangedFile], rule: str
) -> None:
    assert judged(*files) == {}
    found = judged(*files, **settings)
    assert list(found) == [rule]
    assert found[rule].action is Action.PROMPT


def test_the_scope_is_held_against_the_files_that_a_task_declares() -> None:
    planned = ("src/file0.py",)
    assert judged(*some(3), planned=planned) == {}
    assert list(judged(*some(4), planned=planned)) == ["scope"]
    assert judged(*some(4), planned=planned, anomalies={"scope_multiplier": 4}) == {}
    assert judged(*some(20), planned=("src/*",)) == {}, "a pattern counts all that fits it"
    for same in ("./src/", "src", "./", "./src/*"):
        assert judged(*some(20), planned=(same,)) == {}, "a folder counts all that is in it"
    assert judged(*some(20)) == {}, "a task that declares nothing has no scope"


def test_deletions_can_be_denied_or_allowed() -> None:
    files = some(6, kind="D")
    assert judged(*files)["file_delete"].action is Action.PROMPT
    deny = {"file_delete": {"action": "deny"}}
    assert judged(*files, destructive=deny)["file_delete"].action is Action.DENY
    assert judged(*files, destructive={"file_delete": {"action": "allow"}}) == {}
    engine = PoliciesEngine(
        policies=Policies.model_validate({"agents": {"codex": {"destructive": deny}}}), source=None
    )
    assert [each.action for each in engine.judge_diff(files, agent="codex")] == [Action.DENY]
    assert [each.action for each in engine.judge_diff(files, agent="claude")] == [Action.PROMPT]


def test_an_unexpected_type_is_expected_where_the_task_declares_it() -> None:
    file = ChangedFile(path="tools/run.sh", kind="A")
    assert list(judged(file)) == ["unexpected_file_types"]
    assert judged(file, planned=("tools/*.sh",)) == {}
    assert judged(ChangedFile(path="tools/run.sh", kind="D")) == {}


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        (".env", {"protected_paths"}),
        ("deep/in/.ENV", {"protected_paths"}),
        ("certificates/site.pem", {"protected_paths"}),
        ("node_modules/a/index.js", {"protected_paths"}),
        (".env.production", {"secrets"}),
        ("id_ed25519", {"secrets"}),
        (".aurora/policies.yaml", {"self_protection"}),
        (".claude/settings.json", {"self_protection"}),
        (".husky/pre-commit", {"self_protection"}),
        ("sub/.vscode/tasks.json", {"self_protection"}),
        (".env.example", set()),
        ("environment.py", set()),
        ("docs/vendoring.md", set()),
    ],
)
def test_paths(path: str, rules: set[str]) -> None:
    assert set(judged(ChangedFile(path=path, kind="A"))) == rules


def test_a_protected_path_is_protected_although_the_task_declares_it() -> None:
    assert list(judged(ChangedFile(path=".env", kind="M"), planned=(".env",))) == ["protected_paths"]


@pytest.mark.parametrize(
    ("path", "target", "outside"),
    [
        ("link", "/etc/passwd", True),
        ("a/link", "../../x", True),
        ("link", "..", True),
        ("a/link", "../b", False),
        ("link", "a/../b", False),
    ],
)
def test_a_link_that_leads_outside_is_found(path: str, target: str, outside: bool) -> None:
    file = ChangedFile(path=path, kind="A", lines=1, added=((1, target),), is_link=True)
    assert list(judged(file)) == (["worktree_escape"] if outside else [])


def test_a_secret_is_named_by_its_place_and_never_shown() -> None:
    lines = ((7, f'API_KEY = "{KEY}"'), (8, "x = 1"))
    found = judged(ChangedFile(path="app.py", kind="M", lines=2, added=lines))["secrets"]
    assert found.subject == "app.py:7"
    assert found.shape == "", "a secret is asked about each time"
    assert KEY not in repr(found)


def test_what_could_not_be_searched_is_asked_about() -> None:
    assert list(judged(ChangedFile(path="big.txt", kind="A", lines=9, searched=False))) == ["undecidable"]


def test_a_finding_names_a_few_files_and_no_control_characters() -> None:
    files = [ChangedFile(path=f"a\x1b{number}.sh", kind="A") for number in range(9)]
    found = judged(*files)["unexpected_file_types"]
    assert found.subject == ", ".join(f"a\\x1b{number}.sh" for number in range(5)) + " and 4 more"


def test_shapes_name_no_file() -> None:
    files = [ChangedFile(path="very/special.sh", kind="A"), ChangedFile(path="very/special.pem", kind="A")]
    assert all("special" not in each.shape for each in judged(*files).values())


_FILES = st.builds(
    ChangedFile,
    path=st.text(min_size=1, max_size=40),
    kind=st.sampled_from("AMDT"),
    lines=st.integers(0, 5000),
    added=st.lists(st.tuples(st.integers(1), st.text(max_size=200)), max_size=5).map(tuple),
    searched=st.booleans(),
    is_link=st.booleans(),
)


@given(files=st.lists(_FILES, max_size=30), planned=st.lists(st.text(max_size=10), max_size=3))
def test_whatever_a_diff_holds_there_is_an_answer(files: list[ChangedFile], planned: list[str]) -> None:
    for each in judge_diff(files, Policies(), planned=planned):
        assert each.action is not Action.ALLOW
        assert each.subject.isprintable()
        each.subject.encode()
