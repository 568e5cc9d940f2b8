"""Finding personas: folders of many tools, the project's first, kept until something changes."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_soar.personas import Category, Roster, Scope, load_roster
from aurora_soar.personas.discover import MAX_FILES
from aurora_soar.personas.folders import AGENT_FOLDERS
from aurora_soar.personas.manifest import MAX_AGE_S

NOW = 2_000_000_000.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".aurora" / "cache" / "agent_manifest.json"


def put(root: Path, place: str, goal: str = "Do it", **more: str) -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = "".join(f"{key}: {value}\n" for key, value in more.items())
    path.write_text(f"---\ndescription: {goal}\n{extra}---\nBe good.\n", encoding="utf-8")
    return path


def test_more_than_twenty_tools_are_known_and_each_folder_is_looked_at(project: Path, home: Path) -> None:
    assert len({each.tool for each in AGENT_FOLDERS}) >= 20
    for number, each in enumerate(AGENT_FOLDERS):
        put(project, f"{each.project[0]}/p{number}.md")
        put(home, f"{each.home[0]}/h{number}.md")
    roster = load_roster(project, home, cache=None, now=NOW)
    assert roster.problems == ()
    assert len(roster) == 2 * len(AGENT_FOLDERS)
    assert {each.tool for each in roster} == {each.tool for each in AGENT_FOLDERS}


def test_the_project_comes_before_the_home_and_that_is_no_problem(project: Path, home: Path) -> None:
    put(home, ".claude/agents/reviewer.md", "from home")
    put(project, ".github/agents/reviewer.agent.md", "from project")
    roster = load_roster(project, home, cache=None, now=NOW)
    found = roster.get("@reviewer")
    assert found is not None
    assert (found.goal, found.scope, found.tool) == ("from project", Scope.PROJECT, "copilot")
    assert roster.problems == ()


def test_two_of_one_name_in_one_place_are_told_and_both_can_be_named(project: Path) -> None:
    first = put(project, ".claude/agents/a/reviewer.md", "first")
    second = put(project, ".claude/agents/b/reviewer.md", "second")
    roster = load_roster(project, None, cache=None, now=NOW)
    assert {each.id: each.goal for each in roster} == {"reviewer": "first", "reviewer-b": "second"}
    (problem,) = roster.problems
    assert problem.file == str(second)
    assert str(first) in problem.reason
    assert "'reviewer-b'" in problem.reason


def test_readmes_other_files_and_hidden_folders_are_no_personas(project: Path) -> None:
    for name in ("README.md", "AGENTS.md", "notes.txt", ".git/x.md"):
        put(project, f".claude/agents/{name}")
    assert len(load_roster(project, None, cache=None, now=NOW)) == 0


def test_a_broken_file_is_a_warning_and_the_others_are_there(project: Path) -> None:
    put(project, ".claude/agents/good.md")
    (project / ".claude/agents/bad.md").write_bytes(b"---\nname: \xff\n---\n")
    os.mkfifo(project / ".claude/agents/pipe.md")
    (project / ".claude/agents/gone.md").symlink_to("nowhere.md")
    (project / ".claude/agents/round").symlink_to(".")
    roster = load_roster(project, None, cache=None, now=NOW)
    assert list(roster.by_id) == ["good"]
    assert {Path(each.file).name for each in roster.problems} == {"bad.md", "pipe.md", "gone.md"}


def test_a_file_name_that_is_no_text_is_told(project: Path, cache: Path) -> None:
    put(project, ".claude/agents/good.md")
    try:
        Path(os.fsdecode(bytes(project / ".claude/agents") + b"/\xff.md")).write_text("x")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    roster = load_roster(project, None, cache=cache, now=NOW)
    assert "not UTF-8" in roster.problems[0].reason
    assert load_roster(project, None, cache=cache, now=NOW).from_cache


def test_a_folder_of_thousands_is_cut_and_told(project: Path) -> None:
    for number in range(MAX_FILES + 1):
        put(project, f".claude/agents/p{number:04}.md")
    roster = load_roster(project, None, cache=None, now=NOW)
    assert len(roster) == MAX_FILES
    assert "more than 1,000 files" in roster.problems[0].reason


def test_categories_are_indexed(project: Path) -> None:
    put(project, ".aurora/agents/a.md", category="qa")
    put(project, ".aurora/agents/b.md", category="qa")
    put(project, ".aurora/agents/c.md")
    roster = load_roster(project, None, cache=None, now=NOW)
    assert [each.id for each in roster.by_category[Category.QA]] == ["a", "b"]
    assert [each.id for each in roster.by_category[Category.GENERAL]] == ["c"]


class TestCache:
    def test_what_was_read_is_kept_with_its_problems(self, project: Path, home: Path, cache: Path) -> None:
        put(project, ".claude/agents/a.md", nothing="[[", model="a b")
        first = load_roster(project, home, cache=cache, now=NOW)
        second = load_roster(project, home, cache=cache, now=NOW + MAX_AGE_S - 1)
        assert (first.from_cache, second.from_cache) == (False, True)
        assert list(second) == list(first)
        assert second.problems == first.problems != ()

    @pytest.mark.parametrize("change", ["edit", "add", "add-folder", "remove", "home"])
    def test_every_change_is_seen(self, project: Path, home: Path, cache: Path, change: str) -> None:
        path = put(project, ".claude/agents/a.md", "before")
        load_roster(project, home, cache=cache, now=NOW)
        if change == "edit":
            put(project, ".claude/agents/a.md", "after")
        elif change == "add":
            put(project, ".claude/agents/b.md", "after")
        elif change == "add-folder":
            put(project, ".qwen/agents/b.md", "after")
        elif change == "home":
            put(home, ".codex/agents/b.md", "after")
        else:
            path.unlink()
        roster = load_roster(project, home, cache=cache, now=NOW)
        assert not roster.from_cache
        assert ("after" in {each.goal for each in roster}) == (change != "remove")

    @pytest.mark.parametrize("now", [NOW + MAX_AGE_S, NOW - 60])
    def test_a_day_later_or_before_it_was_made_it_is_made_again(self, project: Path, cache: Path, now: float) -> None:
        put(project, ".claude/agents/a.md")
        load_roster(project, None, cache=cache, now=NOW)
        assert not load_roster(project, None, cache=cache, now=now).from_cache

    def test_a_change_in_the_tick_of_the_reading_is_not_missed(self, project: Path, cache: Path) -> None:
        path = put(project, ".claude/agents/a.md")
        load_roster(project, None, cache=cache, now=path.stat().st_mtime)
        assert not load_roster(project, None, cache=cache, now=path.stat().st_mtime + 1).from_cache

    def test_refresh_reads_all_the_same(self, project: Path, cache: Path) -> None:
        put(project, ".claude/agents/a.md")
        load_roster(project, None, cache=cache, now=NOW)
        assert not load_roster(project, None, cache=cache, now=NOW, refresh=True).from_cache

    def test_that_of_another_project_does_not_count(self, project: Path, home: Path, cache: Path) -> None:
        load_roster(project, None, cache=cache, now=NOW)
        assert not load_roster(home, None, cache=cache, now=NOW).from_cache

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40))
    @given(st.one_of(st.binary(max_size=200), st.integers(0, 2000)))
    def test_a_broken_one_is_made_again(self, project: Path, cache: Path, damage: bytes | int) -> None:
        put(project, ".claude/agents/a.md")
        load_roster(project, None, cache=cache, now=NOW, refresh=True)
        whole = cache.read_bytes()
        broken = damage if isinstance(damage, bytes) else whole[: min(damage, len(whole) - 1)]
        cache.write_bytes(broken)
        roster = load_roster(project, None, cache=cache, now=NOW)
        assert not roster.from_cache
        assert list(roster.by_id) == ["a"]
        assert json.loads(cache.read_bytes())["version"] == 2

    def test_where_it_cannot_be_written_that_is_told(self, project: Path, cache: Path) -> None:
        put(project, ".claude/agents/a.md")
        cache.parent.parent.mkdir()
        cache.parent.write_text("in the way")
        roster = load_roster(project, None, cache=cache, now=NOW)
        assert list(roster.by_id) == ["a"]
        assert "cannot be written" in roster.problems[0].reason

    def test_many_at_once_leave_a_whole_one(self, project: Path, cache: Path) -> None:
        put(project, ".claude/agents/a.md")
        found: list[Roster] = []
        threads = [
            threading.Thread(
                target=lambda: found.append(load_roster(project, None, cache=cache, now=NOW, refresh=True))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [list(each.by_id) for each in found] == [["a"]] * 8
        assert load_roster(project, None, cache=cache, now=NOW).from_cache
        assert [each.name for each in cache.parent.iterdir()] == [cache.name]


def test_a_cache_that_came_with_a_clone_passes_nobody_off_as_the_users_own(tmp_path: Path) -> None:
    """It knows where the clone lies and what time it is, but not when this user's files were written."""
    now = 1_000_000.0
    persona = {"id": "boss", "role": "Boss", "goal": "x", "model": "dearest", "scope": "home", "tool": "claude"}
    for source in ("", str(tmp_path / "home" / ".claude" / "agents" / "boss.md")):
        manifest = {
            "version": 2,
            "project": str(tmp_path / "project"),
            "home": str(tmp_path / "home"),
            "made_at": now,
            "stamps": {source: [0, -1]},
            "personas": [{**persona, "source_file": source}],
            "problems": [],
        }
        cache = tmp_path / "agent_manifest.json"
        cache.write_text(json.dumps(manifest))
        roster = load_roster(tmp_path / "project", tmp_path / "home", cache=cache, now=now + 1)
        assert (roster.from_cache, list(roster.by_id)) == (False, [])
