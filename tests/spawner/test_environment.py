"""An agent inherits the variables that programs and it need, and none that may be another program's secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aurora_spawner import CliBackend, CommandBackend, ModelBackend, Run, RunOptions, SpawnTask
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.runs.attempt_orders import OrderBuilder
from aurora_spawner.supervision.environment import agent_environment, attempt_variables, unattended_environment

if TYPE_CHECKING:
    from aurora_spawner import Backend

NEEDED = {
    "PATH": "/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C",
    "TERM": "xterm",
    "TMPDIR": "/tmp",
    "USER": "u",
    "SHELL": "/bin/sh",
    "XDG_CONFIG_HOME": "/x",
    "XDG_RUNTIME_DIR": "/run/user/0",
    "TZ": "UTC",
    "https_proxy": "http://user:word@proxy:1",
    "NO_PROXY": "localhost",
    "SSL_CERT_FILE": "/c",
    "NODE_EXTRA_CA_CERTS": "/c",
    "CI": "true",
    "NVM_DIR": "/n",
    "PYENV_ROOT": "/p",
    "VIRTUAL_ENV": "/v",
    "JAVA_HOME": "/j",
    "GOPATH": "/g",
    "CARGO_HOME": "/c",
    "RUSTUP_HOME": "/r",
    "CC": "clang",
    "PYTHONPATH": "/y",
    "GIT_AUTHOR_NAME": "n",
    "GIT_CONFIG_GLOBAL": "/g",
    "PIP_INDEX_URL": "https://index.invalid/wheels",
    "NODE_OPTIONS": "--max-old-space-size=4096",
    "GRADLE_OPTS": "-Xmx1g",
    "AURORA_TOOL": "codex",
}
SECRETS = {
    *("DATABASE_URL", "PGPASSWORD", "PGPASSFILE", "MYSQL_PWD", "REDIS_URL", "SECRET_KEY", "TOKEN", "PASSWORD"),
    *(
        "PRIVATE_KEY",
        "GH_PAT",
        "DB_PASS",
        "db_password",
        "JWT",
        "SENTRY_DSN",
        "SLACK_WEBHOOK",
        "STRIPE_KEY",
        "KUBECONFIG",
    ),
    *(
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "NPM_TOKEN",
        "GITLAB_TOKEN",
        "CARGO_REGISTRY_TOKEN",
    ),
    *(
        "UV_PUBLISH_TOKEN",
        "BUNDLE_GEMS__EXAMPLE__COM",
        "npm_config__auth",
        "CONDA_TOKEN",
        "SSH_AUTH_SOCK",
        "GIT_ASKPASS",
    ),
    *("GIT_SSH_COMMAND", "GIT_CONFIG_VALUE_0", "NIX_CONFIG", "VAULT_ADDR", "TWINE_PASSWORD", "MISE_GITHUB_TOKEN"),
    *("HOMEBREW_GITHUB_API_TOKEN", "DOCKER_AUTH_CONFIG", "AURORA_TRUST", "AURORA_MODEL_KEY", "MY_COMPANY_THING"),
    # Of names that are passed on otherwise: each for one word of what secrets are called.
    *("UV_X_SECRET", "UV_PUBLISH_PASSWORD", "CONDA_PASSPHRASE", "UV_X_CREDENTIALS", "HOMEBREW_X_KEY", "MISE_X_KEYS"),
    *("UV_X_PAT", "PIPX_X_AUTH"),
}
KEYS = {
    "claude": {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"},
    "codex": {"OPENAI_API_KEY", "CODEX_API_KEY"},
    "gemini": {"GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"},
    "qwen": {"OPENAI_API_KEY", "DASHSCOPE_API_KEY"},
    "copilot": {"GH_TOKEN", "GITHUB_TOKEN", "COPILOT_GITHUB_TOKEN"},
}
ALL_KEYS = {key for keys in KEYS.values() for key in keys} | {"OPENROUTER_API_KEY", "MISTRAL_API_KEY", "XAI_API_KEY"}
ANY_MODEL = ALL_KEYS - {"CLAUDE_CODE_OAUTH_TOKEN", "CODEX_API_KEY", *KEYS["copilot"]}
EVERYTHING = {**NEEDED, **dict.fromkeys(SECRETS | ALL_KEYS, "not-for-everybody")}


@pytest.fixture(autouse=True)
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for profile in PROFILES.values():
        (folder / profile.program).write_text("#!/bin/sh\n")
        (folder / profile.program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def seen_by(backend: Backend, tmp_path: Path, task: SpawnTask | None = None, **more: str) -> dict[str, str]:
    orders = OrderBuilder(
        run_id="r",
        cwd=tmp_path,
        spool=tmp_path / "runs",
        default_agent=backend.name,
        default_timeout_s=None,
        environ={**EVERYTHING, **more},
    )
    task = task or SpawnTask("x")
    order = orders.order(
        task, number=1, position=0, backend=backend, cwd=tmp_path, before=(), deadline_s=None, open_tasks=1
    )
    return dict(order.environment)


@pytest.mark.parametrize("kind", PROFILES)
def test_every_cli_gets_what_it_needs_and_no_secret(kind: str, tmp_path: Path) -> None:
    seen = seen_by(CliBackend(name=kind, kind=kind), tmp_path)
    assert seen.items() >= NEEDED.items()
    assert not SECRETS & seen.keys()
    assert ALL_KEYS & seen.keys() == KEYS.get(kind, ANY_MODEL)


def test_a_command_and_a_model_get_no_key(tmp_path: Path) -> None:
    seen = seen_by(CommandBackend("own", ("sh",)), tmp_path)
    assert seen.items() >= NEEDED.items()
    assert not (SECRETS | ALL_KEYS) & seen.keys()
    model = ModelBackend(name="m", api="openai", model="m", key=lambda: "the-one")
    seen = seen_by(model, tmp_path)
    assert not (SECRETS | ALL_KEYS) - {"AURORA_MODEL_KEY"} & seen.keys()
    assert seen["AURORA_MODEL_KEY"] == "the-one"


@pytest.mark.parametrize("kind", ["opencode", "aider"])
@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("anthropic/opus", {"ANTHROPIC_API_KEY"}),
        ("openai/gpt-5", {"OPENAI_API_KEY"}),
        ("google/gemini", {"GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"}),
        ("my-own/m", set()),
    ],
)
def test_a_model_that_names_its_maker_brings_the_makers_keys_alone(
    kind: str, model: str, keys: set[str], tmp_path: Path
) -> None:
    of_backend = seen_by(CliBackend(name=kind, kind=kind, model=model), tmp_path, MY_OWN_API_KEY="x")
    of_task = seen_by(CliBackend(name=kind, kind=kind), tmp_path, SpawnTask("x", model=model), MY_OWN_API_KEY="x")
    for seen in (of_backend, of_task):
        assert ALL_KEYS & seen.keys() == keys
        assert ("MY_OWN_API_KEY" in seen) is (model == "my-own/m")


@pytest.mark.parametrize(
    ("switch", "variables"),
    [
        ("CLAUDE_CODE_USE_BEDROCK", {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"}),
        ("CLAUDE_CODE_USE_VERTEX", {"GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"}),
    ],
)
def test_another_provider_that_is_asked_for_brings_its_own(switch: str, variables: set[str], tmp_path: Path) -> None:
    assert not variables & seen_by(CliBackend(name="c", kind="claude"), tmp_path).keys()
    assert variables <= seen_by(CliBackend(name="c", kind="claude", env={switch: "1"}), tmp_path).keys()


def test_what_the_user_passes_on_is_passed_on(tmp_path: Path) -> None:
    wanted = ("MY_COMPANY_*", "SSH_AUTH_SOCK")
    for backend in (
        CliBackend(name="c", kind="claude", keep_env=wanted),
        CommandBackend("own", ("sh",), keep_env=wanted),
    ):
        assert SECRETS & seen_by(backend, tmp_path).keys() == {"MY_COMPANY_THING", "SSH_AUTH_SOCK"}
    seen = seen_by(CommandBackend("own", ("sh",), env={"PASSWORD": "said"}), tmp_path)
    assert seen["PASSWORD"] == "said", "`env:` says what it says"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_INDEX_URL", "https://somebody:word@index.invalid/wheels"),
        ("GOPROXY", "https://:word@proxy.invalid"),
        ("MAVEN_OPTS", "-Dserver.password=word"),
        ("JAVA_TOOL_OPTIONS", "-Dapi_token=word"),
    ],
)
def test_a_password_in_a_value_stays_at_home(name: str, value: str) -> None:
    assert agent_environment({name: value}) == {}
    assert agent_environment({name: value}, keep=(name,)) == {name: value}
    assert agent_environment({name: "-Xmx2g"}) == {name: "-Xmx2g"}


def test_a_surrounding_agent_leaves_no_trace() -> None:
    nested = {
        "CLAUDECODE": "1",
        "CLAUDE_CODE_SESSION_ID": "s",
        "GEMINI_CLI": "1",
        "QWEN_CODE": "1",
        "CODEX_SANDBOX": "x",
        "GIT_DIR": "/elsewhere",
        "TMUX": "x",
    }
    own = [pattern for profile in PROFILES.values() for pattern in profile.own_env]
    assert agent_environment({**nested, "LANG": "C"}, own=own) == {"LANG": "C"}


def test_a_real_process_sees_it(tmp_path: Path) -> None:
    """All the way through the fork server and the supervisor."""
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("x", "own")],
        {"own": CommandBackend("own", ("env",))},
        RunOptions(
            default_agent="own",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            environ={**EVERYTHING, "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        ),
    )
    (result,) = run.execute_sync().results.values()
    seen = {line.partition("=")[0] for line in result.output.splitlines()}
    assert seen >= NEEDED.keys()
    assert not (SECRETS | ALL_KEYS) & seen


def test_no_editor_waits_for_somebody_who_is_not_there(tmp_path: Path) -> None:
    """A rebase that goes on, and a commit that wants a message, in the agent's own git."""
    opened = tmp_path / "opened"
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\ntouch {opened}\nsleep 600\n")
    editor.chmod(0o700)
    script = """
    git init -q . && git config user.name A && git config user.email a@example.invalid
    echo 1 > a && git add a && git commit -qm 1 && git checkout -qb side && echo 2 > a && git commit -qam 2
    git checkout -q - && echo 3 > a && git commit -qam 3
    git rebase side; echo both > a; git add a; git rebase --continue && git rebase -i HEAD~1 && echo rebased
    git commit --allow-empty || echo refused
    """
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    editors = {name: str(editor) for name in ("EDITOR", "VISUAL", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR")}
    options = RunOptions(default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs", environ={**environ, **editors})
    run = Run.create(
        tmp_path / "runs.db", [SpawnTask(f"{script}; exit", "sh")], {"sh": CommandBackend("sh", ("sh",))}, options
    )
    (result,) = run.execute_sync().results.values()
    assert result.output.split()[-2:] == ["rebased", "refused"]
    assert not opened.exists()
    assert unattended_environment(editors, keep=("GIT_EDITOR",))["GIT_EDITOR"] == str(editor)


def test_a_check_knows_what_it_belongs_to_also_within_another_run(tmp_path: Path) -> None:
    outer = attempt_variables(token="outer-0", run_id="spawn-1", task_id="outer", number=7)
    task = SpawnTask("x", "own", id="inner", checks=("env > seen",))
    run = Run.create(
        tmp_path / "runs.db",
        [task],
        {"own": CommandBackend("own", ("echo", "done"))},
        RunOptions(
            default_agent="own", cwd=tmp_path, spool=tmp_path / "runs", environ={"PATH": os.environ["PATH"], **outer}
        ),
    )
    assert run.execute_sync().ok
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text().splitlines())
    names = ("AURORA_RUN_ID", "AURORA_TASK_ID", "AURORA_ATTEMPT_NUMBER")
    assert [seen[each] for each in names] == [run.run_id, "inner", "1"]
    assert seen["AURORA_ATTEMPT"] != "outer-0"
