"""Wiring builds real objects from a folder, the environment and options."""

import os
from pathlib import Path
from typing import get_args

import pytest

from aurora_cli import run_wiring, wiring
from aurora_cli.errors import MissingPathError, NoProjectError
from aurora_core import Project
from aurora_core.settings.config_file import AGENT_CLIS, BackendFile
from aurora_policies import PoliciesEngine
from aurora_soar import AgentRegistry
from aurora_spawner import CliBackend, CommandBackend
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.profiles import PROFILES


def configured(root: Path, text: str) -> Project:
    project = Project.init(root)
    project.config_file.write_text(text, encoding="utf-8")
    return project


def test_a_project_is_found_from_a_folder_inside_it(shop: Path) -> None:
    Project.init(shop)
    assert wiring.project_at(shop / "src" / "shop").root == shop


def test_where_there_is_none_the_error_says_how_to_make_one(shop: Path) -> None:
    with pytest.raises(NoProjectError) as raised:
        wiring.project_at(shop)
    assert raised.value.start == shop
    assert "aur init" in raised.value.hint


def test_a_prospect_makes_nothing_until_it_is_set_up(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = wiring.project_or_prospect(shop)
    assert project.root == shop
    assert not project.aurora_dir.exists()
    wiring.set_up(project)
    assert project.aurora_dir.is_dir()
    assert "setting up a project" in capsys.readouterr().err
    wiring.set_up(project)
    assert capsys.readouterr().err == ""


def test_options_come_before_the_environment_and_that_before_the_file(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = configured(shop, "tool: from-file\nspawner: {max_concurrent: 2}\n")
    assert (wiring.settings(project).tool, wiring.settings(project).max_concurrent) == ("from-file", 2)
    monkeypatch.setenv("AURORA_TOOL", "from-environment")
    assert wiring.settings(project).tool == "from-environment"
    given = wiring.settings(project, tool="from-option", max_concurrent=9)
    assert (given.tool, given.max_concurrent) == ("from-option", 9)


def test_agents_are_the_configured_ones_and_the_local_one(shop: Path) -> None:
    project = configured(
        shop, 'backends:\n  tidy: {kind: command, command: ["tidy", "-q"], timeout_s: 9, env: {A: "1"}}\n'
    )
    backends = wiring.backends_of(project, wiring.settings(project))
    assert set(backends) == {"local", "tidy"}
    assert backends["tidy"] == CommandBackend(name="tidy", command=("tidy", "-q"), env={"A": "1"}, timeout_s=9.0)


def test_a_cli_of_a_users_own_is_six_lines(shop: Path) -> None:
    project = configured(
        shop,
        """\
backends:
  mine:
    kind: command
    command: ["mycli", "run", "--json", "--task", "{prompt_file}"]
    prompt: file
    events: claude
""",
    )
    assert wiring.backends_of(project, wiring.settings(project))["mine"] == CommandBackend(
        name="mine",
        command=("mycli", "run", "--json", "--task", "{prompt_file}"),
        prompt="file",
        dialect=DIALECTS["claude"],
    )


def test_clis_on_path_are_agents_and_the_first_is_the_default(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("codex", "aider"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    project = configured(shop, "backends:\n  codex: {kind: codex, model: small, provider: work}\n")
    backends = wiring.backends_of(project, wiring.settings(project))
    assert set(backends) == {"local", "codex", "aider"}
    assert backends["codex"] == CliBackend(name="codex", kind="codex", model="small", named_provider="work")
    assert backends["aider"] == CliBackend(name="aider", kind="aider")
    (shop / "tasks.md").write_text("- [ ] 1 Ask\n", encoding="utf-8")
    assert run_wiring.spawn_plan(project, wiring.settings(project), shop / "tasks.md").default_agent == "codex"
    chosen = wiring.settings(project, tool="aider")
    assert run_wiring.spawn_plan(project, chosen, shop / "tasks.md").default_agent == "aider"


def test_the_configuration_knows_the_same_clis_as_the_spawner() -> None:
    assert tuple(PROFILES) == AGENT_CLIS
    assert set(get_args(BackendFile.model_fields["kind"].annotation)) >= {"command", *PROFILES}
    assert set(get_args(BackendFile.model_fields["events"].annotation)) == {"none", *PROFILES} <= {"none", *DIALECTS}


def test_the_local_agent_can_be_replaced_by_one_of_that_name(shop: Path) -> None:
    project = configured(shop, 'backends:\n  local: {kind: command, command: ["mine"]}\n')
    backend = wiring.backends_of(project, wiring.settings(project))["local"]
    assert isinstance(backend, CommandBackend)
    assert backend.command == ("mine",)


def test_the_local_agent_has_the_name_that_soar_gives_it(shop: Path) -> None:
    assert list(AgentRegistry.local(shop).backends) == [wiring.LOCAL_AGENT]


def test_policies_are_the_projects_own_or_the_defaults(shop: Path) -> None:
    project = Project.init(shop)
    assert wiring.policies_of(project) == PoliciesEngine.load(None)
    project.policies_file.write_text("agent_recovery: {timeout_seconds: 7}\n", encoding="utf-8")
    engine = wiring.policies_of(project)
    assert (engine.recovery.timeout_seconds, engine.source) == (7, project.policies_file)


def test_a_plan_takes_its_limits_from_policies_and_configuration(shop: Path) -> None:
    project = configured(shop, "spawner: {max_concurrent: 3}\n")
    project.policies_file.write_text("agent_recovery: {timeout_seconds: 7}\n", encoding="utf-8")
    (shop / "tasks.md").write_text("- [ ] 1 Ask\n", encoding="utf-8")
    plan = run_wiring.spawn_plan(project, wiring.settings(project), shop / "tasks.md")
    assert (plan.max_concurrent, plan.timeout_s, plan.default_agent) == (3, 7.0, "local")
    assert plan.policies == project.policies_file


def test_memory_leaves_out_what_the_configuration_excludes(shop: Path) -> None:
    project = configured(shop, 'memory: {exclude: ["*.md"]}\n')
    with wiring.open_memory(project, wiring.settings(project)) as memory:
        memory.index()
        assert ".md" not in memory.stats().languages


def test_a_missing_path_names_the_nearest_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tasks.md").touch()
    error = MissingPathError(tmp_path / "taks.md", "file")
    assert str(error) == f"no such file: {tmp_path / 'taks.md'}"
    assert error.hint == f"did you mean {tmp_path / 'tasks.md'}?"


def test_a_missing_path_with_nothing_near_has_no_hint(tmp_path: Path) -> None:
    assert MissingPathError(tmp_path / "zebra", "file").hint == ""
    assert MissingPathError(tmp_path / "no" / "folder", "file").hint == ""
