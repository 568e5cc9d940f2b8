"""Files as other tools and careless hands write them: odd names, foreign formats, links, prose in the head."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar.personas import Category, Persona, Roster, Scope, load_roster, parse_persona
from aurora_soar.personas.ids import id_of, kebab
from aurora_soar.personas.model_names import is_model_name
from aurora_soar.personas.read import parse_file

NOW = 2_000_000_000.0
EXAMPLES = """---
name: planner
description: Use this agent to plan a sprint. Examples:
<example>
Context: the first day of a sprint
user: "What comes first?"
assistant: "The planner decides that"
model: haiku is fine for this
</example>
model: opus
tools: Read
---
Plan.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "home" / "project"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def persona(text: str, file: str = "a/some-agent.md") -> Persona:
    found = parse_persona(text.encode(), file=file, tool="claude").persona
    assert found is not None
    return found


def roster(project: Path, home: Path | None = None, **more: Path) -> Roster:
    return load_roster(project, home, cache=more.get("cache"), now=NOW)


class TestExamplesInADescription:
    def test_a_line_of_an_example_is_no_setting(self) -> None:
        found = persona(EXAMPLES)
        assert (found.model, found.tools) == ("opus", ("Read",))
        assert found.goal.endswith('assistant: "The planner decides that" model: haiku is fine for this </example>')

    @pytest.mark.parametrize(
        "lines",
        ["user: do it: now", "Context: it: is late\ntool: hammer", "note: a: b\nmodel: of the year it is"],
    )
    def test_only_known_keys_end_a_text_and_the_last_of_them_holds(self, lines: str) -> None:
        found = persona(f"---\nname: a\ndescription: Plan: always\n{lines}\nmodel: opus\ncolor: red\n---\n")
        assert found.goal == f"Plan: always {' '.join(lines.splitlines())}"
        assert found.model == "opus"

    def test_a_setting_before_the_description_holds_if_what_follows_is_prose(self) -> None:
        found = persona("---\nmodel: opus\nname: a\ndescription: Plan: x\nmodel: haiku is fine\n---\n")
        assert (found.model, found.goal) == ("opus", "Plan: x model: haiku is fine")

    def test_a_tag_that_is_never_closed_hides_nothing(self) -> None:
        assert persona("---\nname: a\ndescription: Plan: <example>\nmodel: opus\n---\n").model == "opus"

    def test_a_name_in_an_example_does_not_rename(self) -> None:
        found = persona("---\nname: a\ndescription: Plan: x\nname: b\ndescription: c\n---\n")
        assert (found.id, found.goal) == ("a", "Plan: x name: b description: c")


class TestModels:
    @pytest.mark.parametrize(
        "name", ["opus", "claude-opus-5-5", "opus[1m]", "openrouter/x-ai/grok-4:free", "gpt-5.2"]
    )
    def test_names_of_models_are_taken(self, name: str) -> None:
        assert persona(f"---\ndescription: x\nmodel: {name}\n---\n").model == name

    @pytest.mark.parametrize("text", ["haiku is fine", "-p", "--model", "a;b", "$(x)", "a\tb", "モデル", "a" * 200])
    def test_anything_else_is_left_out_and_told(self, text: str) -> None:
        reading = parse_persona(f"---\ndescription: x\nmodel: {json.dumps(text)}\n---\n".encode(), file="x.md")
        assert reading.persona is not None
        assert reading.persona.model is None
        (problem,) = reading.problems
        assert (problem.line, problem.field) == (3, "model")

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_no_head_gives_a_model_that_is_an_option_or_several_words(self, before: str, model: str) -> None:
        content = f"---\ndescription: x: y\n{before}\nmodel: {model}\n---\n".encode("utf-8", "replace")
        found = parse_persona(content, file="x.md").persona
        assert found is None or found.model is None or is_model_name(found.model)


class TestIds:
    @pytest.mark.parametrize(
        ("name", "stem", "expected"),
        [
            ("代码审查员", "reviewer-zh", "代码审查员"),
            ("🧪", "lab-tester", "lab-tester"),
            ("🧪", "🧪", "test-tube"),
            ("", "", "persona"),
            ("C# Expert", "x", "c-sharp-expert"),
            ("C++ Expert", "x", "cpp-expert"),
            ("F# and C#", "x", "f-sharp-and-c-sharp"),
            (".NET Expert", "x", "dotnet-expert"),
            ("ASP.NET", "x", "asp-net"),
            ("Développeur", "x", "développeur"),
            ("C Expert", "x", "c-expert"),
        ],
    )
    def test_every_script_and_sign_gives_one(self, name: str, stem: str, expected: str) -> None:
        assert id_of(name, stem) == expected

    @given(st.text(max_size=300), st.text(max_size=20))
    def test_an_id_is_its_own_id(self, name: str, stem: str) -> None:
        assert kebab(id_of(name, stem)) == id_of(name, stem) != ""

    def test_a_name_in_signs_alone_takes_the_files(self) -> None:
        assert persona("---\nname: '🧪'\ndescription: x\n---\n", "a/lab-tester.md").id == "lab-tester"


class TestOtherFormats:
    def test_codex_toml(self, project: Path) -> None:
        put(
            project / ".codex/agents/reviewer.toml",
            'name = "reviewer"\ndescription = "Reviews changes"\nmodel = "gpt-5.2"\n'
            'developer_instructions = """\nRead the diff.\n"""\n[mcp_servers.x]\ncommand = "y"\n',
        )
        (found,) = roster(project)
        assert (found.id, found.goal, found.instructions) == ("reviewer", "Reviews changes", "Read the diff.")
        assert (found.tool, found.model) == ("codex", "gpt-5.2")

    def test_kiro_json(self, project: Path) -> None:
        put(project / ".kiro/agents/ops.json", '{"name":"ops","prompt":"Look after servers. Well.","tools":["*"]}')
        (found,) = roster(project)
        assert (found.id, found.goal, found.tools) == ("ops", "Look after servers.", ())

    def test_a_prompt_in_another_file_is_told(self, project: Path) -> None:
        put(
            project / ".kiro/agents/ops.json",
            '{"name":"ops","description":"x","prompt":"file://../../../etc/passwd"}',
        )
        found = roster(project)
        assert found.by_id["ops"].instructions == ""
        assert "names another file, which is not read" in found.problems[0].reason

    @pytest.mark.parametrize("as_json", [False, True])
    def test_modes_of_roo(self, project: Path, as_json: bool) -> None:
        text = (
            "customModes:\n  - slug: docs-writer\n    name: Docs writer\n    roleDefinition: You write documents.\n"
            "    whenToUse: A page is missing\n    groups: [read, [edit, {fileRegex: x}]]\n"
            "  - slug: '!'\n    name: b\n    roleDefinition: Test it. Twice.\n    customInstructions: Now.\n"
        )
        if as_json:
            text = json.dumps(
                {
                    "customModes": [
                        {
                            "slug": "docs-writer",
                            "name": "Docs writer",
                            "roleDefinition": "You write documents.",
                            "whenToUse": "A page is missing",
                            "groups": ["read", ["edit", {"fileRegex": "x"}]],
                        },
                        {"slug": "!", "name": "b", "roleDefinition": "Test it. Twice.", "customInstructions": "Now."},
                    ]
                }
            )
        put(project / ".roomodes", text)
        found = roster(project)
        first, second = found
        assert (first.id, first.role, first.goal) == ("docs-writer", "Docs writer", "You write documents.")
        assert (first.when_to_use, first.tools, first.tool) == ("A page is missing", ("read", "edit"), "roo")
        assert (second.goal, second.instructions) == ("Test it.", "Test it. Twice.\n\nNow.")
        assert found.problems == ()

    @pytest.mark.parametrize(
        ("place", "text", "reason"),
        [
            (".codex/agents/a.toml", "a = [", "is not valid TOML"),
            (".codex/agents/a.toml", "a = " + "[" * 20_000, "is not valid TOML"),
            (".kiro/agents/a.json", "{", "is not valid JSON"),
            (".kiro/agents/a.json", "[" * 200_000, "is not valid JSON"),
            (".kiro/agents/a.json", "9" * 9_000, "is not valid JSON"),
            (".kiro/agents/a.json", "[]", "has no fields"),
            (".roomodes", "customModes: {}", "has no list `customModes`"),
            (".roomodes", "- [", "is not valid YAML"),
        ],
    )
    def test_what_is_not_of_the_format_is_told_by_file(
        self, project: Path, place: str, text: str, reason: str
    ) -> None:
        put(project / place, text)
        found = roster(project)
        assert len(found) == 0
        (problem,) = found.problems
        assert problem.file == str(project / place)
        assert reason in problem.reason

    def test_another_file_of_a_tool_is_no_persona_and_no_problem(self, project: Path) -> None:
        put(project / ".claude/agents/package.json", '{"name": "x", "description": "y"}')
        put(project / ".claude/agents/config.toml", "a =")
        found = roster(project)
        assert (len(found), found.problems) == (0, ())

    @given(st.sampled_from(["a.toml", "a.json", ".roomodes", ".kilocodemodes"]), st.binary(max_size=200))
    def test_no_bytes_raise(self, file: str, content: bytes) -> None:
        readings = parse_file(content, file=file)
        assert all(each.persona or each.problems or file.startswith(".") for each in readings)


class TestCategories:
    def test_another_tools_category_is_no_warning(self, project: Path) -> None:
        for name in ("one", "two"):
            text = f"---\nname: {name}\ndescription: Does work {name}\ncategory: language-specialists\n---\n"
            put(project / f".claude/agents/{name}.md", text)
        found = roster(project)
        assert [each.category for each in found] == [Category.GENERAL] * 2
        assert found.problems == ()

    @pytest.mark.parametrize(
        ("name", "goal", "category"),
        [
            ("rust-engineer", "Ownership, lifetimes, unsafe code", Category.ENG),
            ("qa-expert", "Plans what is tried and when", Category.QA),
            ("sprint-prioritizer", "Orders the backlog by value", Category.PRODUCT),
            ("joker", "Lightens the mood", Category.GENERAL),
            ("helper", "Writes Python services with Django", Category.ENG),
        ],
    )
    def test_a_persona_without_one_belongs_where_its_words_do(self, name: str, goal: str, category: Category) -> None:
        assert persona(f"---\nname: {name}\ndescription: {goal}\n---\n").category is category


class TestCollisions:
    def test_each_of_two_that_differ_can_be_named(self, project: Path) -> None:
        put(project / ".claude/agents/a.md", "---\nname: Dev\ndescription: one\n---\n")
        put(project / ".claude/agents/b.md", "---\nname: dev\ndescription: two\n---\n")
        put(project / ".codex/agents/dev.toml", 'description = "three"')
        found = roster(project)
        assert {each.id: each.goal for each in found} == {"dev": "one", "b": "two", "dev-codex": "three"}
        assert [each.reason for each in found.problems if "this one is called 'b'" in each.reason]
        assert len(found.problems) == 2

    def test_one_that_says_the_same_is_told_and_left_out(self, project: Path) -> None:
        for tool in ("claude", "qwen"):
            put(project / f".{tool}/agents/dev.md", "---\ndescription: one\n---\n")
        found = roster(project)
        assert [each.tool for each in found] == ["claude"]
        assert "equals" in found.problems[0].reason


class TestLinks:
    def test_a_linked_folder_in_the_project_or_the_home_is_followed(self, project: Path, home: Path) -> None:
        put(project / "docs/team/dev.md", "---\ndescription: one\n---\n")
        put(home / "shared/ops.md", "---\ndescription: two\n---\n")
        (project / ".claude/agents").mkdir(parents=True)
        (project / ".claude/agents/team").symlink_to("../../docs/team")
        (project / ".qwen").mkdir()
        (project / ".qwen/agents").symlink_to(home / "shared")
        found = roster(project, home)
        assert {each.id: each.scope for each in found} == {"dev": Scope.PROJECT, "ops": Scope.PROJECT}
        assert found.problems == ()

    def test_one_folder_under_the_names_of_two_tools_is_read_once(self, project: Path) -> None:
        put(project / ".claude/agents/dev.md", "---\ndescription: one\n---\n")
        (project / ".qwen").symlink_to(".claude")
        found = roster(project)
        assert [(each.id, each.tool) for each in found] == [("dev", "claude")]
        assert found.problems == ()

    def test_loops_end(self, project: Path) -> None:
        put(project / ".claude/agents/dev.md", "---\ndescription: one\n---\n")
        (project / ".claude/agents/up").symlink_to("..")
        (project / ".claude/agents/self").symlink_to("self")
        found = roster(project)
        assert list(found.by_id) == ["dev"]

    @pytest.mark.parametrize("target", ["/", "/usr", "home", "project"])
    def test_a_link_of_a_project_that_leads_elsewhere_is_told(self, project: Path, home: Path, target: str) -> None:
        put(home / "notes/private.md", "---\ndescription: secret\n---\n")
        (project / ".claude/agents").mkdir(parents=True)
        goal = {"home": str(home), "project": str(project)}.get(target, target)
        (project / ".claude/agents/out").symlink_to(goal)
        found = roster(project, home)
        assert len(found) == 0
        (problem,) = found.problems
        assert "which is not followed" in problem.reason

    def test_a_change_behind_a_link_is_seen(self, project: Path, tmp_path: Path) -> None:
        cache = tmp_path / "cache.json"
        old = put(project / "team/dev.md", "---\ndescription: one\n---\n")
        (project / ".claude").mkdir()
        (project / ".claude/agents").symlink_to("../team")
        roster(project, cache=cache)
        assert roster(project, cache=cache).from_cache
        put(project / "team/ops.md", "---\ndescription: two\n---\n")
        assert list(roster(project, cache=cache).by_id) == ["dev", "ops"]
        assert old.exists()


class TestForeignCache:
    def test_a_manifest_cannot_make_a_projects_persona_the_users_own(self, project: Path, home: Path) -> None:
        cache = project / ".aurora/cache/agent_manifest.json"
        put(project / ".claude/agents/dev.md", "---\ndescription: one\nmodel: opus\n---\n")
        roster(project, home, cache=cache)
        assert roster(project, home, cache=cache).from_cache
        forged = json.loads(cache.read_text(encoding="utf-8"))
        forged["personas"][0]["scope"] = "home"
        cache.write_text(json.dumps(forged), encoding="utf-8")
        found = roster(project, home, cache=cache)
        assert (found.from_cache, found.by_id["dev"].scope) == (False, Scope.PROJECT)

    def test_a_manifest_without_stamps_does_not_hold(self, project: Path) -> None:
        cache = project / ".aurora/cache/agent_manifest.json"
        roster(project, cache=cache)
        forged = json.loads(cache.read_text(encoding="utf-8"))
        forged["stamps"] = {}
        cache.write_text(json.dumps(forged), encoding="utf-8")
        assert not roster(project, cache=cache).from_cache

    def test_a_manifest_that_never_ends_is_made_again(self, project: Path) -> None:
        cache = project / ".aurora/cache/agent_manifest.json"
        cache.parent.mkdir(parents=True)
        cache.symlink_to("/dev/zero")
        assert not roster(project, cache=cache).from_cache
        assert not cache.is_symlink()


def test_pipes_devices_and_endless_links_are_told(project: Path) -> None:
    folder = project / ".claude/agents"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.md")
    (folder / "zero.md").symlink_to("/dev/zero")
    (project / ".roomodes").symlink_to("/dev/zero")
    found = roster(project)
    assert {Path(each.file).name for each in found.problems} == {"pipe.md", "zero.md", ".roomodes"}
    assert {each.reason for each in found.problems} == {"cannot be read: is not a regular file"}
