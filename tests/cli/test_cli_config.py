"""`aur config`: values with their origins, and changes that keep the file the user's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

SECRETS = """\
backends:
  claude: {kind: claude, env: {TOKEN: hush-1}, args: [--api-key, hush-2, "--token=hush-333"]}
  own: {kind: command, command: ["x", "--password", "hush-4"]}
notify:
  - {url: "https://hooks.example.com/hush-5", headers: {Authorization: "hush-6 keys:chat", X-Note: hush-7}}
"""


@pytest.fixture
def project(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text("# mine\nspawner:\n  max_concurrent: 3  # few\n", encoding="utf-8")
    return shop / ".aurora" / "config.yaml"


def user_file(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    home = tmp_path_factory.mktemp("other-home")
    monkeypatch.setenv("HOME", str(home))
    path = home / ".config" / "aurora" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_layer_is_named_as_the_origin_of_its_value(
    aur: Aur, project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = user_file(tmp_path_factory, monkeypatch, "merge: never\nspawner: {max_concurrent: 2}\n")
    monkeypatch.setenv("AURORA_MEMORY_EXCLUDE", "a,b")
    document = json.loads(aur("config", "list", "--json").stdout)
    found = {each["key"]: (each["value"], each["origin"]) for each in document["settings"]}
    assert found["spawner.max_concurrent"] == (3, str(project))
    assert found["merge"] == ("never", str(own))
    assert found["memory.exclude"] == (["a", "b"], "environment AURORA_MEMORY_EXCLUDE")
    assert found["isolation"] == ("auto", "default")
    lines = aur("config", "list").stdout.splitlines()
    assert any(line.split() == ["spawner.max_concurrent", "3", ".aurora/config.yaml"] for line in lines)


def test_one_value_is_alone_on_standard_output(aur: Aur, project: Path) -> None:
    outcome = aur("config", "get", "spawner.max_concurrent")
    assert (outcome.stdout, outcome.stderr) == ("3\n", "from .aurora/config.yaml\n")
    assert aur("config", "get", "tool").stdout == "\n"
    assert json.loads(aur("config", "get", "spawner", "--json").stdout)["value"] == {"max_concurrent": 3}
    assert aur("config", "get", "backends").stdout == "{}\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["get", "spawner.max_concurent"], "did you mean spawner.max_concurrent?"),
        (["get", "toool"], "did you mean tool?"),
        (["get", "backends.claude"], "is not a setting"),
        (["set", "spawner.max_concurent", "3"], "did you mean spawner.max_concurrent?"),
        (["set", "backends.a", "{kind: clade}"], "backends.a.kind: there is no 'clade'; did you mean claude?"),
        (["set", "spawner.recovery.base_dely", "3"], "did you mean base_delay?"),
        (["set", "tool"], "Missing argument"),
        (["get", ""], "the name of the setting: is empty"),
        (["set", "", "3"], "the name of the setting: is empty"),
    ],
    ids=" ".join,
)
def test_what_is_no_setting_is_told_with_the_nearest_name(
    aur: Aur, project: Path, words: list[str], problem: str
) -> None:
    before = project.read_bytes()
    outcome = aur("config", *words)
    assert outcome.returncode == ExitCode.USAGE
    assert problem in outcome.stderr
    assert project.read_bytes() == before


def test_a_value_that_is_broken_yaml_is_called_so(aur: Aur, project: Path) -> None:
    told = aur("config", "set", "backends.x", "{kind: command, command: [")
    assert told.returncode != ExitCode.DONE
    assert "backends.x: is not valid YAML" in told.stderr
    assert "must be a mapping" in aur("config", "set", "backends.x", "command").stderr


def test_a_change_keeps_comments_and_takes_effect(aur: Aur, project: Path) -> None:
    outcome = aur("config", "set", "spawner.max_concurrent", "8")
    assert outcome.returncode == ExitCode.DONE
    assert f"{project}:3: spawner.max_concurrent: 8" in outcome.stderr
    assert project.read_text(encoding="utf-8") == "# mine\nspawner:\n  max_concurrent: 8  # few\n"
    assert aur("config", "get", "spawner.max_concurrent").stdout == "8\n"


def test_the_user_s_own_file_is_changed_with_user(aur: Aur, shop: Path) -> None:
    path = json.loads(aur("config", "path", "--json").stdout)["files"][1]
    assert (path["layer"], path["exists"]) == ("user", False)
    assert aur("config", "set", "tool", "claude", "--user").returncode == ExitCode.DONE
    assert json.loads(aur("config", "get", "tool", "--json").stdout)["origin"] == path["path"]
    assert not (shop / ".aurora").exists()


def test_a_folder_that_is_no_project_gets_no_configuration(aur: Aur, shop: Path) -> None:
    assert aur("config", "set", "tool", "claude").returncode == ExitCode.ENVIRONMENT
    assert not (shop / ".aurora").exists()


def test_a_tool_that_is_no_agent_is_refused_with_the_nearest_name(aur: Aur, project: Path) -> None:
    before = project.read_bytes()
    for level in ((), ("--user",)):
        outcome = aur("config", "set", "tool", "claud", *level)
        assert outcome.returncode == ExitCode.USAGE
        assert "tool: there is no 'claud'; did you mean claude? known here: " in outcome.stderr
    assert project.read_bytes() == before
    assert (
        aur("config", "set", "backends.mine", "{kind: command, command: [cat]}", "--user").returncode == ExitCode.DONE
    )
    assert aur("config", "set", "tool", "mine").returncode == ExitCode.DONE
    assert aur("config", "get", "tool").stdout == "mine\n"


def test_a_read_only_file_is_not_replaced(aur: Aur, project: Path) -> None:
    before = project.read_bytes()
    project.chmod(0o444)
    outcome = aur("config", "set", "merge", "never")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert f"{project}: is read-only; make it writable first" in outcome.stderr
    assert project.read_bytes() == before


def test_a_trusted_project_stays_trusted_and_another_does_not_become_so(
    aur: Aur, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AURORA_TRUST")
    assert json.loads(aur("config", "set", "check", "true", "--json").stdout)["trusted"] is True
    assert aur("config", "get", "check").stdout == '["true"]\n'
    with project.open("a", encoding="utf-8") as file:
        file.write("backends: {theirs: {kind: command, command: [evil]}}\n")
    outcome = aur("config", "set", "check", "false")
    assert "once you trust it: aur trust" in outcome.stderr
    assert aur("config", "get", "check").stdout == "[]\n"
    assert "has no effect until you trust this project" in aur("config", "get", "backends.theirs").stderr


def test_what_a_change_trusts_is_said(aur: Aur, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AURORA_TRUST")
    assert "trusted" not in aur("config", "set", "spawner.max_concurrent", "4").stderr
    made = aur("config", "set", "backends.mine", "{kind: command, command: [cat], env: {TOKEN: hush}}")
    assert "you have set it, so it is trusted: backends.mine" in made.stderr
    assert "hush" not in made.stderr


def test_an_agent_cannot_change_settings(aur: Aur, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token")
    before = project.read_bytes()
    assert aur("config", "set", "merge", "auto").returncode == ExitCode.REFUSED
    assert project.read_bytes() == before
    assert aur("config", "get", "merge").stdout == "ask\n"


def test_secrets_are_never_printed(aur: Aur, project: Path) -> None:
    project.write_text(SECRETS, encoding="utf-8")
    for words in (
        ["list"],
        ["list", "--json"],
        ["get", "backends"],
        ["get", "notify", "--json"],
        ["get", "backends.own"],
    ):
        outcome = aur("config", *words)
        assert outcome.returncode == ExitCode.DONE
        assert "hush" not in outcome.stdout.replace("hush-6 keys:chat", ""), words
        assert "***" in outcome.stdout
    outcome = aur("config", "set", "backends.claude.env.TOKEN", "hush-9")
    assert "hush" not in outcome.stdout + outcome.stderr
    assert "hush-9" in project.read_text(encoding="utf-8")


def test_an_unknown_variable_is_told_once_and_is_no_error(
    aur: Aur, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_MAX_CONCURRENT", "9")
    outcome = aur("config", "get", "spawner.max_concurrent")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "3\n")
    assert outcome.stderr.count("AURORA_MAX_CONCURRENT is no variable of Aurora and has no effect") == 1
    assert "did you mean AURORA_SPAWNER_MAX_CONCURRENT?" in outcome.stderr
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token")
    assert "AURORA_MAX" not in aur("config", "get", "tool").stderr
