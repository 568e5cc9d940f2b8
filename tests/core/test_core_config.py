"""Settings come in layers, each value knows where it came from, and nonsense is named with its line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_core import ConfigError, Project, load_config
from aurora_core.settings.config import PoolConfig
from aurora_core.settings.routing_config import RoutingConfig


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project.init(root)


def environ(tmp_path: Path, **variables: str) -> dict[str, str]:
    """The environment of a user who trusts the project; trust is the subject of test_core_trust."""
    return {"HOME": str(tmp_path / "home"), "AURORA_TRUST": "1", **variables}


def write_user_config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "home" / ".config" / "aurora" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_file_the_defaults_hold(project: Project, tmp_path: Path) -> None:
    config = load_config(project, environ=environ(tmp_path))
    assert (config.tool, config.max_concurrent, config.exclude, dict(config.backends)) == (None, 4, (), {})
    assert config.origin("spawner.max_concurrent") == "default"
    assert load_config(None, environ={}) == config


def test_each_layer_overrules_the_one_before(project: Project, tmp_path: Path) -> None:
    user = write_user_config(tmp_path, "tool: user\nspawner: {max_concurrent: 2}\n")
    project.config_file.write_text("tool: project\n")
    plain = load_config(project, environ=environ(tmp_path))
    assert (plain.tool, plain.max_concurrent) == ("project", 2)
    assert plain.origin("tool") == str(project.config_file)
    assert plain.origin("spawner.max_concurrent") == str(user)

    variables = environ(
        tmp_path, AURORA_TOOL="variable", AURORA_SPAWNER_MAX_CONCURRENT="3", AURORA_MEMORY_EXCLUDE="a/, b/"
    )
    set_by_environment = load_config(project, environ=variables)
    assert (set_by_environment.tool, set_by_environment.max_concurrent) == ("variable", 3)
    assert set_by_environment.exclude == ("a/", "b/")
    assert set_by_environment.origin("tool") == "environment AURORA_TOOL"

    flagged = load_config(project, environ=variables, overrides={"tool": "flag", "spawner.max_concurrent": 9})
    assert (flagged.tool, flagged.max_concurrent) == ("flag", 9)
    assert flagged.origin("tool") == "flag"


def test_backends_of_all_files_are_joined_by_name(project: Project, tmp_path: Path) -> None:
    write_user_config(
        tmp_path, "backends:\n  one: {kind: command, command: [a]}\n  two: {kind: command, command: [b]}\n"
    )
    project.config_file.write_text(
        "backends:\n  two: {kind: command, command: [c, d], timeout_s: 1.5, env: {X: '1'}}\n"
    )
    config = load_config(project, environ=environ(tmp_path))
    assert config.backends["one"].command == ("a",)
    assert config.backends["two"].command == ("c", "d")
    assert (config.backends["two"].timeout_s, config.backends["two"].env) == (1.5, {"X": "1"})
    assert config.origin("backends.two") == str(project.config_file)


def test_an_address_holds_no_password(project: Project, tmp_path: Path) -> None:
    project.config_file.write_text(
        'backends:\n  m: {kind: model, model: x, base_url: "http://user:hush@127.0.0.1/v1"}\n'
    )
    with pytest.raises(ConfigError) as raised:
        load_config(project, environ=environ(tmp_path))
    assert "must hold no user or password" in str(raised.value)
    assert "config.yaml:2" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_known_cli_needs_no_command(project: Project, tmp_path: Path) -> None:
    project.config_file.write_text(
        "backends:\n  claude: {kind: claude, model: sonnet, args: [-x, '9'], permissive: true, isolated: true}\n"
    )
    claude = load_config(project, environ=environ(tmp_path)).backends["claude"]
    assert (claude.kind, claude.command, claude.model) == ("claude", (), "sonnet")
    assert (claude.args, claude.permissive, claude.isolated) == (("-x", "9"), True, True)


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        ("toool: x\n", 1, "toool", "did you mean tool?"),
        ("notify:\n  - {bell: true, on: [run_ends]}\n", 2, "notify.0.on.0", "did you mean run_ended?"),
        ("notify:\n  - {bel: true}\n", 2, "notify.0.bel", "did you mean notify.0.bell?"),
        ("notify:\n  - {on: [run_ended]}\n", 2, "notify.0", "exactly one of command, url, bell, desktop"),
        ("notify:\n  - {bell: true, desktop: true}\n", 2, "notify.0", "exactly one of"),
        ("notify:\n  - {bell: true, body: x}\n", 2, "notify.0", "body and headers need a url"),
        ('notify:\n  - {url: "https://a:b@c.invalid"}\n', 2, "notify.0", "no user or password"),
        ('notify:\n  - {url: "https://c.invalid/a or b"}\n', 2, "notify.0.url", "must match pattern"),
        ('notify:\n  - {url: "https://c.invalid\\n"}\n', 2, "notify.0.url", "must match pattern"),
        ('notify:\n  - {url: "https://c.invalid", headers: {X-Token: abc}}\n', 2, "notify.0.headers", "name a key"),
        ('notify:\n  - {url: "https://c.invalid", body: "$mesage"}\n', 2, "notify.0.body", "no placeholder"),
        ("spawner:\n  max_concurent: 3\n", 2, "spawner.max_concurent", "did you mean spawner.max_concurrent?"),
        ("spawner:\n  max_concurrent: 0\n", 2, "spawner.max_concurrent", "must be at least 1, not 0"),
        ("spawner:\n  max_concurrent: '3'\n", 2, "spawner.max_concurrent", "a whole number, not '3'"),
        ("tool: 3\n", 1, "tool", "must be text, not a number"),
        ("backends:\n  a: {kind: '', command: [x]}\n", 2, "backends.a.kind", "must not be empty"),
        ("backends:\n  a: {kind: magic, prompt: file}\n", 2, "backends.a.prompt", "is not a setting of kind magic"),
        ("backends:\n  a: {kind: command, command: []}\n", 2, "backends.a.command", "must not be empty"),
        ("backends:\n  a: {kind: command}\n", 2, "backends.a.command", "required"),
        ("backends:\n  a: {kind: claude, prompt: file}\n", 2, "backends.a.prompt", "is not a setting of kind claude"),
        (
            "backends:\n  a:\n    kind: command\n    command: [x]\n    permissive: true\n",
            5,
            "backends.a.permissive",
            "no",
        ),
        ("pools:\n  p: {}\n", 2, "pools.p", "exactly one of repository and ssh"),
        ("pools:\n  p: {repository: /t, ssh: h}\n", 2, "pools.p", "exactly one of repository and ssh"),
        ("pools:\n  p: {repository: /t, folder: f}\n", 2, "pools.p", "folder is for a pool with ssh"),
        ("pools:\n  p: {ssh: -oProxyCommand=x}\n", 2, "pools.p.ssh", "pattern"),
        ("pools:\n  p: {ssh: h, port: 0}\n", 2, "pools.p.port", "1"),
        ('pools:\n  p: {ssh: h, folder: "a\\nb"}\n', 2, "pools.p.folder", "one line"),
        ("pools:\n  p: {repository: 'ext::sh -c x'}\n", 2, "pools.p.repository", "must be an absolute path"),
        ("pools:\n  p: {repository: --upload-pack=x}\n", 2, "pools.p.repository", "must be an absolute path"),
        ("pools:\n  p: {repository: ../trees}\n", 2, "pools.p.repository", "must be an absolute path"),
        ("pools:\n  p: {repository: 'http://h/t'}\n", 2, "pools.p.repository", "must be an absolute path"),
        ("pools:\n  p: {repository: 'https://u:hush@h/t'}\n", 2, "pools.p.repository", "no user or password"),
        (
            "backends:\n  a: {kind: model, api: openai, model: m, labels: [gpu]}\n",
            2,
            "backends.a.labels",
            "is not a setting of kind",
        ),
        ("backends:\n  a: {kind: command, command: [x], labels: [GPU]}\n", 2, "backends.a.labels.0", "pattern"),
        ("backends:\n  a: {kind: claude, modle: x}\n", 2, "backends.a.modle", "did you mean backends.a.model?"),
        ("tool: a\ntool: b\n", 2, "tool", "twice"),
        ("- a\n", 1, "", "mapping"),
        ("tool: [\n", 2, "", "YAML"),
    ],
)
def test_nonsense_is_named(project: Project, tmp_path: Path, text: str, line: int, field: str, said: str) -> None:
    project.config_file.write_text(text)
    with pytest.raises(ConfigError, match=r".") as caught:
        load_config(project, environ=environ(tmp_path))
    assert (caught.value.source, caught.value.line, caught.value.field) == (project.config_file, line, field)
    assert said in str(caught.value)


def test_a_variable_that_is_no_number_is_named(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"AURORA_SPAWNER_MAX_CONCURRENT: .*'many' is not a whole number"):
        load_config(project, environ=environ(tmp_path, AURORA_SPAWNER_MAX_CONCURRENT="many"))


def test_an_unknown_override_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean tool"):
        load_config(project, environ=environ(tmp_path), overrides={"tol": "x"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_raise_anything_else(project: Project, tmp_path: Path, content: bytes) -> None:
    project.config_file.write_bytes(content)
    with suppress(ConfigError):
        load_config(project, environ=environ(tmp_path))


def test_a_project_is_found_from_inside_and_home_is_none(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = project.root / "a" / "b"
    inner.mkdir(parents=True)
    found = Project.find(inner)
    assert found == project
    home = tmp_path / "home"
    (home / ".aurora").mkdir(parents=True)
    (home / "work").mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert Project.find(home / "work") is None
    assert Project.find(home) == Project(root=home.resolve())


def test_making_a_project_twice_changes_nothing(project: Project) -> None:
    ignore = project.aurora_dir / ".gitignore"
    ignore.write_text("mine\n")
    Project.init(project.root)
    assert ignore.read_text() == "mine\n"
    ignore.write_text("")
    Project.init(project.root)
    assert "memory.db*" in ignore.read_text(), "what a full disk left of an earlier try is completed"


def test_agents_get_tools_only_if_the_user_wants_that(project: Project, tmp_path: Path) -> None:
    assert load_config(project, environ=environ(tmp_path)).agent_tools is False
    project.config_file.write_text("agent_tools: true\n")
    assert load_config(project, environ=environ(tmp_path)).agent_tools is True


def test_the_memory_s_settings(project: Project, tmp_path: Path) -> None:
    plain = load_config(project, environ=environ(tmp_path))
    assert (plain.activation, plain.semantic_model, plain.share_answers) == ("default", None, False)
    project.config_file.write_text(
        "memory:\n  activation: bla_focused\n  semantic_model: ~/models/small\n  share_answers: true\n"
    )
    given = load_config(project, environ=environ(tmp_path))
    assert (given.activation, given.semantic_model, given.share_answers) == ("bla_focused", "~/models/small", True)
    variables = {"AURORA_MEMORY_ACTIVATION": "aggressive", "AURORA_MEMORY_SHARE_ANSWERS": "no"}
    overruled = load_config(project, environ=environ(tmp_path, **variables))
    assert (overruled.activation, overruled.share_answers) == ("aggressive", False)


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("AURORA_MEMORY_ACTIVATION", "memory.activation"),
        ("AURORA_MEMORY_SHARE_ANSWERS", "memory.share_answers"),
        ("AURORA_MEMORY_LESSONS", "memory.lessons"),
    ],
)
def test_consent_and_presets_are_never_guessed(project: Project, tmp_path: Path, variable: str, field: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(project, environ=environ(tmp_path, **{variable: "perhaps"}))
    assert raised.value.field == field


def test_a_misspelt_preset_is_named_with_its_line(project: Project, tmp_path: Path) -> None:
    project.config_file.write_text("memory:\n  activation: bold\n")
    with pytest.raises(ConfigError) as raised:
        load_config(project, environ=environ(tmp_path))
    assert (raised.value.line, raised.value.field) == (2, "memory.activation")


def test_a_project_adds_receivers_and_silences_none_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    project = Project.init(tmp_path / "p")
    project.config_file.write_text("notify: [{bell: true, on: [task_failed]}]\n")
    user = tmp_path / "config" / "aurora" / "config.yaml"
    user.parent.mkdir(parents=True)
    user.write_text('notify: [{command: [tell, me]}, {url: "keys:chat", body: "$message"}]\n')
    config = load_config(project, environ={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    command, url, bell = config.notify
    assert (command.command, len(command.on)) == (("tell", "me"), 5)
    assert (url.url, url.body) == ("keys:chat", "$message")
    assert (bell.bell, bell.on) == (True, ("task_failed",))


def test_a_host_over_ssh_is_a_pool_that_names_what_is_started_there(project: Project, tmp_path: Path) -> None:
    project.config_file.write_text(
        "pools:\n  far: {ssh: anna@big, port: 2222, folder: work, give_up_after: 60, concurrency: 3}\n"
    )
    found = load_config(project, environ=environ(tmp_path)).pools["far"]
    assert found == PoolConfig(
        ssh="anna@big", port=2222, folder="work", program="aur", concurrency=3, give_up_after=60.0
    )
    (claim,) = load_config(project, environ={**environ(tmp_path), "AURORA_TRUST": ""}).untrusted
    words = "files of tasks on pool far go to anna@big over ssh, port 2222; aur is started there in work"
    assert claim.says == (words,)


def test_a_projects_pools_join_the_users_once_they_are_trusted(project: Project, tmp_path: Path) -> None:
    """Files of the project go to a pool's repository, so a stranger's configuration may not choose one."""
    write_user_config(tmp_path, "pools:\n  big: {repository: 'git@db.example:trees.git'}\n")
    project.config_file.write_text(
        "pools:\n  small: {repository: 'ssh://git@h/t'}\n  big: {repository: /elsewhere}\n"
    )
    trusting = load_config(project, environ=environ(tmp_path))
    assert {name: each.repository for name, each in trusting.pools.items()} == {
        "big": "/elsewhere",
        "small": "ssh://git@h/t",
    }
    wary = load_config(project, environ={**environ(tmp_path), "AURORA_TRUST": ""})
    assert wary.pools == {"big": PoolConfig(repository="git@db.example:trees.git")}
    (claim,) = wary.untrusted
    assert (claim.name, claim.says[0]) == ("pools", "files of tasks on pool small go to ssh://git@h/t")


def test_a_tool_of_a_nearer_place_replaces_a_routing_and_one_beside_it_does_not(
    project: Project, tmp_path: Path
) -> None:
    write_user_config(tmp_path, "tool: a\nrouting: {among: [a, b]}\n")
    own = load_config(project, environ=environ(tmp_path))
    assert (own.tool, own.routing) == ("a", RoutingConfig(among=("a", "b"), at_least=20))
    assert load_config(project, environ=environ(tmp_path, AURORA_TOOL="b")).routing is None
    assert load_config(project, environ=environ(tmp_path), overrides={"tool": "b"}).routing is None
    project.config_file.write_text("tool: c\n")
    assert load_config(project, environ=environ(tmp_path)).routing is None
    project.config_file.write_text("routing: {among: [c, d], at_least: 3}\n")
    found = load_config(project, environ=environ(tmp_path))
    assert (found.tool, found.routing) == ("a", RoutingConfig(among=("c", "d"), at_least=3))
    assert found.origin("routing") == str(project.config_file)
    project.config_file.write_text("routing: null\n")
    assert load_config(project, environ=environ(tmp_path)).routing is None


def test_a_projects_routing_and_a_tool_against_the_users_routing_need_trust(project: Project, tmp_path: Path) -> None:
    write_user_config(tmp_path, "routing: {among: [a, b]}\n")
    wary = {**environ(tmp_path), "AURORA_TRUST": ""}
    for text in ("routing: {among: [c, d]}\n", "tool: c\n"):
        project.config_file.write_text(text)
        found = load_config(project, environ=wary)
        assert found.routing == RoutingConfig(among=("a", "b"), at_least=20)
        assert [claim.name for claim in found.untrusted] == [text.partition(":")[0]]


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("{among: [a]}", "routing.among", "two agents or more"),
        ("{among: [a, a]}", "routing.among", "not a twice"),
        ("{at_least: 3}", "routing.among", "required"),
        ("{among: [a, b], at_least: 0}", "routing.at_least", "1"),
        ("{amongst: [a]}", "routing.amongst", "did you mean routing.among?"),
        ("{among: [a, b], least: 3}", "routing.least", "did you mean routing.at_least?"),
        ("[a, b]", "routing", ""),
    ],
)
def test_a_routing_that_cannot_be_is_refused(
    project: Project, tmp_path: Path, text: str, field: str, reason: str
) -> None:
    project.config_file.write_text(f"\nrouting: {text}\n")
    with pytest.raises(ConfigError) as raised:
        load_config(project, environ=environ(tmp_path))
    assert (raised.value.line, raised.value.field) == (2, field)
    assert reason in raised.value.reason
