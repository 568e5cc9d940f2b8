"""`aur init` sets a folder up once, never overwrites, and says what it did."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cli.terminals import on_terminal
from tests.cli.test_cli_help import assert_parses

from aurora_cli.agent_instructions import remove_instructions, write_instructions
from aurora_cli.agent_skill import PLACES
from aurora_cli.exits import ExitCode
from aurora_cli.starting_files import CONFIG_YAML
from aurora_core import Project, load_config
from aurora_core.project_profile.listing import list_files
from aurora_policies import PoliciesEngine, default_policies_yaml

Aur = Callable[..., subprocess.CompletedProcess[str]]


def test_a_new_folder_gets_configuration_policies_page_and_index(aur: Aur, shop: Path) -> None:
    outcome = aur("init")
    assert outcome.returncode == ExitCode.DONE
    made = {file.name for file in (shop / ".aurora").iterdir()}
    assert {"config.yaml", "policies.yaml", "project.md", "memory.db", ".gitignore"} <= made
    assert "4 files" in outcome.stdout
    assert outcome.stdout.count("created  ") == 3


def test_the_page_tells_what_the_project_is_made_of(aur: Aur, shop: Path) -> None:
    aur("init", "--no-index")
    page = (shop / ".aurora" / "project.md").read_text(encoding="utf-8")
    assert "- Python: 2 files" in page
    assert "`shop` → `shop.till:main`" in page
    assert "- test: `pytest`" in page


def test_a_second_run_overwrites_nothing_and_says_what_was_there(aur: Aur, shop: Path) -> None:
    aur("init", "--no-index")
    for name in ("config.yaml", "project.md"):
        (shop / ".aurora" / name).write_text("# mine\n", encoding="utf-8")
    document = json.loads(aur("init", "--no-index", "--json").stdout)
    assert document == {
        "schema": "aur.init/1",
        "root": str(shop),
        "made": [],
        "kept": ["config.yaml", "policies.yaml", "project.md"],
        "instructions": [],
        "index": None,
        "agents": {"gated": [], "ungated": {}},
    }
    assert (shop / ".aurora" / "project.md").read_text(encoding="utf-8") == "# mine\n"


def test_a_skill_is_written_only_if_the_user_wants_it(aur: Aur, shop: Path, tmp_path: Path) -> None:
    aur("init", "--no-index")
    assert not any((shop / folder).exists() for folder in (".agents", ".claude"))
    (shop / PLACES[1]).parent.mkdir(parents=True)
    (shop / PLACES[1]).write_text("# mine\n")
    document = json.loads(aur("init", "--no-index", "--skill", "--json").stdout)
    assert (document["made"], document["kept"][-1]) == ([PLACES[0]], PLACES[1])
    assert (shop / PLACES[1]).read_text() == "# mine\n"
    front, _, text = (shop / PLACES[0]).read_text().removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(front)["name"] == "aurora"
    for line in re.findall(r"^    (aur .+?)(?:  +#.*)?$", text, re.MULTILINE):
        assert_parses(shlex.split(line.partition(" < ")[0])[1:])
    undone = json.loads(aur("init", "--undo", "--json").stdout)
    assert (PLACES[0] in undone["removed"], PLACES[1] in undone["kept"]) == (True, True)
    assert not (shop / PLACES[0]).exists()
    assert (shop / PLACES[1]).read_text() == "# mine\n"

    aur("init", "--no-index")
    shutil.rmtree(shop / ".agents")
    (shop / ".agents").symlink_to(tmp_path)
    outcome = aur("init", "--no-index", "--skill")
    assert (outcome.returncode, "behind a link" in outcome.stderr) == (ExitCode.USAGE, True)
    assert not (tmp_path / "skills").exists()


def test_another_folder_is_set_up_by_its_path(aur: Aur, shop: Path) -> None:
    aur("init", "src", "--no-index")
    assert (shop / "src" / ".aurora").is_dir()
    assert not (shop / ".aurora").exists()


def test_a_mistyped_folder_is_an_error_and_nothing_is_made(aur: Aur, shop: Path) -> None:
    outcome = aur("init", "sorc")
    assert outcome.returncode == ExitCode.USAGE
    assert "no such folder: sorc" in outcome.stderr


def test_a_file_cannot_be_set_up(aur: Aur, shop: Path) -> None:
    outcome = aur("init", "README.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "is a file, not a folder" in outcome.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_cannot_be_written_is_an_environment_error(aur: Aur, shop: Path) -> None:
    shop.chmod(0o500)
    try:
        outcome = aur("init")
    finally:
        shop.chmod(0o700)
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "permission" in outcome.stderr.lower()


def test_a_file_in_the_way_of_the_folder_is_an_environment_error(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").write_text("", encoding="utf-8")
    outcome = aur("init")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert ".aurora" in outcome.stderr


def test_the_starting_files_mean_the_defaults(aur: Aur, shop: Path) -> None:
    aur("init", "--no-index")
    project = Project(root=shop)
    assert load_config(project, environ={}) == load_config(None, environ={})
    assert PoliciesEngine.load(project.policies_file).policies == PoliciesEngine.load(None).policies
    assert project.policies_file.read_text(encoding="utf-8") == default_policies_yaml()


def test_every_example_in_the_configuration_can_be_used(shop: Path) -> None:
    project = Project.init(shop)
    lines = CONFIG_YAML.splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# ") and not line.endswith((".", ","))]
    project.config_file.write_text("\n".join(examples), encoding="utf-8")
    config = load_config(project, environ={"AURORA_TRUST": "1"})
    assert config.tool == "reviewer"
    assert config.backends["reviewer"].command == ("python3", "tools/review.py")
    assert config.max_concurrent == 4
    assert config.exclude == ("generated/", "*.min.js")


def test_files_are_listed_without_what_git_ignores(shop: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=shop, check=True)
    (shop / ".gitignore").write_text("*.log\n", encoding="utf-8")
    (shop / "noise.log").write_text("", encoding="utf-8")
    files = list_files(shop)
    assert "src/shop/till.py" in files
    assert "noise.log" not in files


def test_files_are_listed_without_git_but_not_what_tools_make(shop: Path) -> None:
    for name in ("node_modules/x/y.js", ".venv/z.py", "build/out.js"):
        (shop / name).parent.mkdir(parents=True)
        (shop / name).write_text("", encoding="utf-8")
    assert list_files(shop) == ["README.md", "pyproject.toml", "src/shop/stock.py", "src/shop/till.py"]


def test_a_folder_that_an_outer_repository_ignores_is_listed_all_the_same(shop: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=shop.parent, check=True)
    (shop.parent / ".gitignore").write_text("shop/\n", encoding="utf-8")
    assert "src/shop/till.py" in list_files(shop)


def test_a_repository_cannot_have_its_monitor_run(shop: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    subprocess.run(["git", "init", "-q"], cwd=shop, check=True)
    subprocess.run(["git", "config", "core.fsmonitor", f"touch {proof}"], cwd=shop, check=True)
    list_files(shop)
    assert not proof.exists()


def test_a_new_project_hears_what_is_enforced_for_whom_and_what_to_do_next(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = aur("init", "--no-index").stdout
    assert "no agent CLI is installed" in alone
    assert "aur exec" not in alone
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("claude", "aider"):
        (programs / name).write_text("#!/bin/sh\necho 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    said = aur("init", "--no-index").stdout
    assert "before each tool call of claude the policies are asked" in said
    assert "the tool calls of aider are not asked about (Aurora has no hook for it" in said
    assert all(command in said for command in ("aur policies show", "aur trust", "aur agents doctor", "aur exec"))
    gates = [each for each in json.loads(aur("doctor", "--json").stdout)["findings"] if each["check"] == "gates"]
    assert [("claude the policies are asked" in each["says"], each["level"]) for each in gates] == [(True, "ok")]


def test_instructions_are_written_once_between_marks_and_all_is_undone(aur: Aur, shop: Path) -> None:
    agents, claude = shop / "AGENTS.md", shop / "CLAUDE.md"
    claude.write_text("# Ours\nno newline at the end", encoding="utf-8")
    claude.chmod(0o640)
    aur("init", "--no-index")
    assert not agents.exists(), "without consent nothing is written outside of .aurora"
    assert aur("init", "--no-index", "--yes", "--no-instructions").returncode == ExitCode.USAGE
    outcome = aur("init", "--no-index", "--yes")
    assert f"created  {agents}\nchanged  {claude}\n" in outcome.stdout
    written = claude.read_text(encoding="utf-8")
    assert written.startswith("# Ours\nno newline at the end\n")
    assert "aur mem search" in written
    assert claude.stat().st_mode & 0o777 == 0o640
    assert f"kept     {claude}" in aur("init", "--no-index", "--yes").stdout
    claude.write_text(f"{written}\n\nMore of ours.\n", encoding="utf-8")
    (shop / ".aurora" / "config.yaml").write_text("tool: local\n", encoding="utf-8")
    undone = aur("init", "--undo").stdout
    assert not agents.exists()
    assert claude.read_text(encoding="utf-8") == "# Ours\nno newline at the end\n\nMore of ours.\n"
    assert "kept     " in undone
    assert (shop / ".aurora" / "config.yaml").exists()
    assert not (shop / ".aurora" / "policies.yaml").exists()
    assert not (shop / ".aurora" / "project.md").exists()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"a",
        b"a\n",
        b"a\r\nb",
        b"a\r\nb\r\n",
        b"# C\n\n\n\n",
        b"a\nb\r\n",
        b"a\r\nb\r\nc\n",
        b"a\r",
        b"\xef\xbb\xbfa\n",
    ],
)
def test_an_undo_gives_the_same_bytes(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "AGENTS.md"
    file.write_bytes(text)
    assert [each.change for each in write_instructions(tmp_path)] == ["changed"]
    written = file.read_bytes()
    assert written.startswith(text)
    if text in (b"a\r\nb", b"a\r\nb\r\n"):
        assert written.count(b"\n") == written.count(b"\r\n"), "our lines end as those of the file"
    assert [each.change for each in write_instructions(tmp_path)] == ["kept"]
    assert [each.change for each in remove_instructions(tmp_path)] == ["changed"]
    assert file.read_bytes() == text


@pytest.mark.parametrize("edited", [False, True])
def test_a_page_that_nobody_edited_is_taken_back_after_the_project_has_changed(
    aur: Aur, shop: Path, edited: bool
) -> None:
    aur("init", "--no-index")
    (shop / "more.rs").write_text("fn main() {}\n", encoding="utf-8")
    page = shop / ".aurora" / "project.md"
    if edited:
        page.write_text(page.read_text(encoding="utf-8").replace("Python", "Snake"), encoding="utf-8")
    undone = json.loads(aur("init", "--undo", "--json").stdout)
    assert undone["kept"] == (["project.md"] if edited else [])
    assert page.exists() == edited


def test_a_terminal_is_asked_until_the_lines_are_there(shop: Path) -> None:
    for typed in ("n\n", "y\n"):
        assert "Tell agents how to use aur, in AGENTS.md?" in on_terminal("init", "--no-index", typed=typed)[1]
        assert (shop / "AGENTS.md").exists() is (typed == "y\n")
    assert "Tell agents" not in on_terminal("init", "--no-index", typed="")[1]


def test_a_file_that_cannot_be_changed_safely_is_left_alone(aur: Aur, shop: Path, tmp_path: Path) -> None:
    outside, agents = tmp_path / "outside.md", shop / "AGENTS.md"
    outside.write_text("not of this project", encoding="utf-8")
    agents.symlink_to(outside)
    refused = aur("init", "--no-index", "--yes")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "AGENTS.md: is a link out of the project" in refused.stderr
    assert outside.read_text(encoding="utf-8") == "not of this project"
    agents.unlink()
    for content in (
        b"\xff\xfe",
        b"<!-- aurora: end -->\n",
        b"<!-- aurora: begin (aur init --undo removes these lines) -->\n",
    ):
        agents.write_bytes(content)
        assert aur("init", "--no-index", "--yes").returncode == ExitCode.ENVIRONMENT
        assert agents.read_bytes() == content


@pytest.mark.parametrize("outside", [True, False], ids=["a link", "no text"])
def test_an_undo_passes_over_files_into_which_nothing_was_written(
    aur: Aur, shop: Path, tmp_path: Path, outside: bool
) -> None:
    agents = shop / "AGENTS.md"
    if outside:
        (tmp_path / "outside.md").write_text("not of this project", encoding="utf-8")
        agents.symlink_to(tmp_path / "outside.md")
    else:
        agents.write_bytes(b"\xff\xfe")
    aur("init", "--no-index")
    before = agents.read_bytes()
    assert "removed  " in aur("init", "--undo").stdout
    assert (agents.read_bytes(), (shop / ".aurora" / "policies.yaml").exists()) == (before, False)
