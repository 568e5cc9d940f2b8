"""A persona reaches an agent as instructions, and its model only the tool that it was written for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_soar.personas import Persona, Roster, Scope, adhoc_persona, cast, instructions_of
from aurora_soar.personas.tree import MAX_DEPTH, MAX_FOLDERS, Tree
from aurora_spawner import SpawnTask

if TYPE_CHECKING:
    from pathlib import Path

TESTER = Persona(
    id="tester", role="Tester", goal="Covers changes by tests.", instructions="Begin with the edges.", tool="claude"
)


@pytest.mark.parametrize(
    ("own", "model", "tool", "speaks", "passed"),
    [
        (None, "opus", "claude", "claude", "opus"),
        (None, "opus", "claude", "codex", None),  # a name of another tool means nothing
        ("haiku", "opus", "claude", "claude", "haiku"),
        ("haiku", None, "claude", "claude", "haiku"),
        (None, None, "claude", "claude", None),
        (None, "opus", "", "claude", None),
    ],
)
def test_a_model_is_the_tasks_own_else_the_personas_for_its_tool(
    own: str | None, model: str | None, tool: str, speaks: str, passed: str | None
) -> None:
    persona = Persona(id="p", role="P", goal="g", model=model, tool=tool)
    assert cast(SpawnTask("do it", "x", model=own), persona, agent="a", speaks=speaks).model == passed


def test_all_else_of_the_task_stays() -> None:
    task = SpawnTask("do it", "x", id="1", title="It", depends_on=("0",), critical=False)
    given = cast(task, TESTER, agent=None, speaks="claude")
    assert (given.prompt, given.id, given.title, given.depends_on, given.critical) == (
        "do it",
        "1",
        "It",
        ("0",),
        False,
    )
    assert given.agent is None
    assert given.instructions == instructions_of(TESTER)


def test_instructions_name_the_role_then_the_text_then_the_tools() -> None:
    assert instructions_of(TESTER) == "You work as Tester (tester). Covers changes by tests.\n\nBegin with the edges."
    limited = Persona(id="r", role="Reviewer", goal="", tools=("Read", "Grep"))
    assert instructions_of(limited) == (
        "You work as Reviewer (r).\n\nUse these tools only, as far as you have them: Read, Grep."
    )


def test_an_ad_hoc_persona_says_its_role_and_keeps_to_the_task() -> None:
    persona = adhoc_persona("mobile-developer", "Builds apps\n for phones.")
    assert (persona.id, persona.role, persona.goal) == (
        "mobile-developer",
        "Mobile developer",
        "Builds apps for phones.",
    )
    assert "experienced mobile developer" in persona.instructions
    assert adhoc_persona("--", "").id == "specialist"


def test_only_the_projects_own_personas_lose_their_models() -> None:
    mine = Persona(id="mine", role="M", goal="g", model="opus", scope=Scope.HOME)
    theirs = Persona(id="theirs", role="T", goal="g", model="opus", scope=Scope.PROJECT)
    roster = Roster.of({each.id: each for each in (mine, theirs)}, made_at=7.0, from_cache=True)
    safe = roster.without_models_of_project()
    assert {each.id: each.model for each in safe} == {"mine": "opus", "theirs": None}
    assert (safe.made_at, safe.from_cache) == (7.0, True)
    assert roster.by_id["theirs"].model == "opus", "the roster itself is unchanged"


@pytest.mark.parametrize(("name", "found"), [("mine", True), ("@mine", True), ("@@mine", False), ("Mine", False)])
def test_a_persona_is_named_with_or_without_one_at_sign(name: str, *, found: bool) -> None:
    roster = Roster.of({"mine": Persona(id="mine", role="M", goal="g")})
    assert (roster.get(name) is not None) is found


class TestTree:
    def test_files_of_a_folder_come_before_those_below_it_each_by_name(self, tmp_path: Path) -> None:
        for name in ("b.md", "a/z.md", "a/b/y.md", "c.md", "0/x.md"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = Tree(roots=[tmp_path.parent]).files(tmp_path, confined=True)
        assert [str(path.relative_to(tmp_path)) for path in found] == ["b.md", "c.md", "0/x.md", "a/z.md", "a/b/y.md"]

    def test_it_goes_only_so_deep(self, tmp_path: Path) -> None:
        deep = tmp_path.joinpath(*map(str, range(MAX_DEPTH + 3)))
        deep.mkdir(parents=True)
        for folder in (deep, *deep.parents):
            if folder.is_relative_to(tmp_path):
                (folder / "a.md").touch()
        found = list(Tree(roots=[tmp_path.parent]).files(tmp_path, confined=True))
        assert len(found) == MAX_DEPTH + 1

    def test_a_tree_of_too_many_folders_is_cut_and_reported(self, tmp_path: Path) -> None:
        for number in range(MAX_FOLDERS + 5):
            (tmp_path / f"{number:04}").mkdir()
            (tmp_path / f"{number:04}" / "a.md").touch()
        tree = Tree(roots=[tmp_path.parent])
        assert len(list(tree.files(tmp_path, confined=True))) == MAX_FOLDERS - 1
        ((path, reason),) = tree.taken_problems()
        assert path == str(tmp_path)
        assert f"more than {MAX_FOLDERS} folders" in reason
        assert tree.taken_problems() == [], "each problem is reported once"

    def test_one_file_under_two_names_is_read_once_over_all_walks(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        (tmp_path / "one" / "a.md").touch()
        (tmp_path / "two" / "b.md").hardlink_to(tmp_path / "one" / "a.md")
        tree = Tree(roots=[tmp_path])
        assert [path.name for path in tree.files(tmp_path / "one", confined=True)] == ["a.md"]
        assert list(tree.files(tmp_path / "two", confined=True)) == []

    def test_a_user_s_own_links_are_followed_anywhere(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a.md").touch()
        home = tmp_path / "home"
        home.mkdir()
        (home / "agents").symlink_to(outside)
        assert list(Tree(roots=[home]).files(home / "agents", confined=True)) == []
        assert [path.name for path in Tree(roots=[home]).files(home / "agents", confined=False)] == ["a.md"]

    def test_a_missing_folder_is_no_problem(self, tmp_path: Path) -> None:
        tree = Tree(roots=[tmp_path])
        assert list(tree.files(tmp_path / "gone", confined=True)) == []
        assert tree.taken_problems() == []
