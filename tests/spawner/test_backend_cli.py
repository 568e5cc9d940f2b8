"""The start of known CLIs: arguments, environment, secrets, separate configuration, sessions."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from aurora_spawner import CliBackend, CommandBackend, SpawnTask
from aurora_spawner.attempts.executor import AttemptOrder
from aurora_spawner.backends.base import AgentBackend, AttemptRequest, Backend, Invocation
from aurora_spawner.backends.cli import installed_kinds
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.errors import BackendError
from aurora_spawner.gates.hook_command import HookCommand
from aurora_spawner.gates.wirings import CLAUDE_OFFS, OPENCODE_OFFS, QWEN_OFFS
from aurora_spawner.recovery.fallbacks import provider_of
from aurora_spawner.runs.attempt_orders import OrderBuilder

TASK = SpawnTask("Do it", id="1")


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program for every CLI, and PATH with nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for profile in PROFILES.values():
        (folder / profile.program).write_text("#!/bin/sh\n")
        (folder / profile.program).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def request(tmp_path: Path, task: SpawnTask = TASK, resume: str | None = None) -> AttemptRequest:
    folder = tmp_path / "attempt"
    return AttemptRequest(
        task=task, folder=folder, prompt_file=folder / "prompt", home=tmp_path / "home", resume=resume
    )


def started(
    tmp_path: Path, kind: str, resume: str | None = None, task: SpawnTask = TASK, **choices: object
) -> Invocation:
    backend = replace(CliBackend(name=kind, kind=kind), **choices)  # type: ignore[arg-type]  # the test's own table
    return backend.request(request(tmp_path, task, resume))


@pytest.mark.parametrize(
    ("kind", "off"),
    [
        *(("claude", each) for each in ("--bare", "--safe-mode", *CLAUDE_OFFS)),
        *(("qwen", each) for each in ("--bare", "--safe-mode", *QWEN_OFFS)),
        *(("opencode", each) for each in ("--pure", *OPENCODE_OFFS)),
    ],
)
def test_modes_without_hooks_turn_the_gate_off_or_are_turned_off(kind: str, off: str, tmp_path: Path) -> None:
    hook = HookCommand(socket=tmp_path / "gate.sock", token="t")
    wanted = replace(request(tmp_path), hook=hook)
    option = off.startswith("-")
    asked = CliBackend(name=kind, kind=kind, args=(off,) if option else (), env={} if option else {off: "1"})
    assert off in asked.gate_problem
    assert str(hook.program) not in str(asked.request(wanted))
    kept = CliBackend(name=kind, kind=kind, keep_env=(off,)).request(wanted)
    assert option or kept.env[off] == "0"
    assert option or off not in started(tmp_path, kind).env


@pytest.mark.parametrize("kind", sorted(PROFILES))
def test_no_word_of_the_prompt_is_an_argument_or_a_variable(kind: str, tmp_path: Path) -> None:
    task = SpawnTask("UNMISTAKABLE", id="1")
    invocation = started(tmp_path, kind, task=task)
    assert "UNMISTAKABLE" not in " ".join([*invocation.command, *invocation.env.values()])
    assert sum(map(len, invocation.command)) < 2_000 + len(str(tmp_path)) * 4


@pytest.mark.parametrize("kind", sorted(PROFILES))
def test_a_cli_is_careful_unless_told_otherwise(kind: str, tmp_path: Path) -> None:
    careful, permissive = started(tmp_path, kind), started(tmp_path, kind, permissive=True)
    assert (careful.command, careful.env) != (permissive.command, permissive.env)
    assert not set(PROFILES[kind].permissive) - {"--auto-approve"} & set(careful.command)
    dangerous = ("yolo", "dangerously", "allow-all", "bypass")
    assert not any(word in argument for word in dangerous for argument in careful.command)


def test_opencode_asks_for_nothing_that_could_change_something(tmp_path: Path) -> None:
    rules = json.loads(started(tmp_path, "opencode").env["OPENCODE_PERMISSION"])
    assert (rules["bash"], rules["edit"]) == ("deny", "deny")
    assert "OPENCODE_PERMISSION" not in started(tmp_path, "opencode", permissive=True).env


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("claude", ("--resume", "s-1")),
        ("codex", ("resume", "s-1", "-")),
        ("gemini", ("--resume", "s-1")),
        ("opencode", ("--session", "s-1")),
        ("qwen", ("--resume", "s-1")),
        ("copilot", ("--resume=s-1",)),  # which without one is told what to call it
    ],
)
def test_a_session_is_gone_on_with_by_its_id(kind: str, ending: tuple[str, ...], tmp_path: Path) -> None:
    assert started(tmp_path, kind, resume="s-1").command[-len(ending) :] == ending
    assert "s-1" not in " ".join(started(tmp_path, kind).command)
    assert CliBackend(name=kind, kind=kind).resumes


def test_cline_keeps_its_sessions_to_itself() -> None:
    assert not CliBackend(name="c", kind="cline").resumes


def test_aider_has_no_sessions_and_reads_its_prompt_from_the_file(tmp_path: Path) -> None:
    assert not CliBackend(name="a", kind="aider").resumes
    command = started(tmp_path, "aider", resume="s-1").command
    assert command[-2:] == ("--message-file", str(tmp_path / "attempt" / "prompt"))
    assert "s-1" not in command


def test_a_session_that_an_agent_would_hide_is_named_by_us(tmp_path: Path) -> None:
    order = order_of(CliBackend(name="copilot", kind="copilot"), tmp_path)
    record = json.loads(order.files[order.folder / "agent.json"])
    assert order.command[-2:] == ("--session-id", record["new_session_id"])
    assert len(record["new_session_id"]) == 36
    other = order_of(CliBackend(name="claude", kind="claude"), tmp_path)
    assert json.loads(other.files[other.folder / "agent.json"])["new_session_id"] is None


def test_the_users_choices_come_last(tmp_path: Path) -> None:
    invocation = started(
        tmp_path, "claude", model="small", args=("--max-turns", "3"), env={"CLAUDE_CODE_MAX_RETRIES": "7"}
    )
    assert invocation.command[-4:] == ("--model", "small", "--max-turns", "3")
    assert invocation.env["CLAUDE_CODE_MAX_RETRIES"] == "7"
    assert started(tmp_path, "claude").env["CLAUDE_CODE_MAX_RETRIES"] == "1"
    asked = started(tmp_path, "claude", task=replace(TASK, model="large"), model="small")
    assert "large" in asked.command
    assert "small" not in asked.command


def test_a_persona_becomes_part_of_claudes_system_prompt(tmp_path: Path) -> None:
    task = replace(TASK, instructions="You are careful.")
    invocation = started(tmp_path, "claude", task=task)
    path = tmp_path / "attempt" / "instructions.md"
    assert invocation.instructed
    assert invocation.command[-2:] == ("--append-system-prompt-file", str(path))
    assert invocation.files[path] == "You are careful.\n"
    assert not started(tmp_path, "codex", task=task).instructed


@pytest.mark.parametrize("kind", ["claude", "codex", "gemini", "opencode", "qwen", "copilot", "cline"])
def test_an_isolated_agent_has_a_home_of_its_own(kind: str, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    isolated, ordinary = started(tmp_path, kind, isolated=True), started(tmp_path, kind)
    assert home in " ".join([*isolated.command, *isolated.env.values()])
    assert set(isolated.env) | set(isolated.command) > set(ordinary.env) | set(ordinary.command)


@pytest.mark.parametrize(
    ("kind", "model", "provider"),
    [
        ("claude", None, "anthropic"),
        ("codex", "gpt-5", "openai"),
        ("gemini", None, "google"),
        ("opencode", "anthropic/opus", "anthropic"),
        ("opencode", None, "opencode"),
        ("aider", "openai/m", "openai"),
        ("copilot", None, "github"),
    ],
)
def test_agents_of_one_provider_share_its_gate(kind: str, model: str | None, provider: str) -> None:
    assert provider_of(CliBackend(name="x", kind=kind, model=model)) == provider
    assert provider_of(CliBackend(name="x", kind=kind, model=model, named_provider="mine")) == "mine"


def test_what_is_missing_says_how_to_get_it(programs: Path, tmp_path: Path) -> None:
    (programs / "codex").unlink()
    with pytest.raises(BackendError, match="install @openai/codex, set `command:` or give its full path"):
        started(tmp_path, "codex")
    assert started(tmp_path, "codex", command=(str(programs / "claude"),)).command[0].endswith("/claude")
    with pytest.raises(BackendError, match="unknown kind kodex; known kinds: claude, codex"):
        CliBackend(name="k", kind="kodex")


def test_the_first_that_is_found_is_the_one_that_the_table_has_first(programs: Path) -> None:
    assert installed_kinds(os.environ) == tuple(PROFILES)
    (programs / "claude").unlink()
    assert installed_kinds(os.environ)[0] == "codex"
    assert installed_kinds({"PATH": "/nowhere"}) == ()


def order_of(backend: Backend, tmp_path: Path, task: SpawnTask = TASK) -> AttemptOrder:
    orders = OrderBuilder(
        run_id="r",
        cwd=tmp_path,
        spool=tmp_path / "runs",
        default_agent=backend.name,
        default_timeout_s=None,
        environ={"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "LANG": "C"},
    )
    return orders.order(
        task, number=1, position=0, backend=backend, cwd=tmp_path, before=(), deadline_s=None, open_tasks=1
    )


# The user's own command.


def test_a_command_takes_its_prompt_as_it_likes(tmp_path: Path) -> None:
    backend = CommandBackend("own", ("claude", "run"))
    assert isinstance(backend, AgentBackend)
    assert backend.request(request(tmp_path)).command == ("claude", "run")
    by_file = replace(backend, prompt="file").request(request(tmp_path))
    assert by_file.command == ("claude", "run", str(tmp_path / "attempt" / "prompt"))


def test_a_placeholder_says_where_the_file_goes(tmp_path: Path) -> None:
    backend = CommandBackend("own", ("claude", "--task={prompt_file}", "-v"), prompt="file")
    path = tmp_path / "attempt" / "prompt"
    assert backend.request(request(tmp_path)).command == ("claude", f"--task={path}", "-v")


def test_a_long_prompt_is_no_argument(tmp_path: Path) -> None:
    backend = CommandBackend("own", ("claude",), prompt="argument")
    assert order_of(backend, tmp_path).command == ("claude", "Do it")
    order = order_of(backend, tmp_path, replace(TASK, prompt="x" * 200_000))
    assert order.command == ("claude", f"Do the task in the file {order.folder / 'prompt'}.")
    assert order.prompt == "x" * 200_000
    assert order_of(CliBackend(name="cline", kind="cline"), tmp_path).command[-1] == "Do it"


def test_a_command_may_print_the_events_of_a_known_cli() -> None:
    backend = CommandBackend("own", ("true",), dialect=DIALECTS["codex"])
    stream = '{"type":"thread.started","thread_id":"t"}\n{"type":"turn.failed","error":{"message":"status 401"}}\n'
    reply = backend.read(stream, "")
    assert (reply.session_id, reply.failure) == ("t", "it reports: status 401")


# The order of an attempt.


def test_an_attempt_gets_its_files_and_its_own_environment(tmp_path: Path) -> None:
    order = order_of(CliBackend(name="codex", kind="codex", isolated=True), tmp_path)
    assert "ANTHROPIC_API_KEY" not in order.environment
    assert order.environment["OPENAI_API_KEY"] == "o"
    home = Path(order.environment["CODEX_HOME"])
    assert home.parent.parent == tmp_path / "runs"
    assert home / "config.toml" in order.files
    assert order.resumes is None


SERVER = ("/bin/python", "-c", 'print("ready")')


def with_tools(tmp_path: Path, kind: str, **choices: object) -> tuple[str, ...]:
    own = {"AURORA_ATTEMPT": 'to"ken', "AURORA_INBOX": "/run/control.sock"}
    backend = replace(CliBackend(name=kind, kind=kind, tools=SERVER), **choices)  # type: ignore[arg-type]
    return backend.request(replace(request(tmp_path), own=own)).command


def test_claude_gets_a_server_of_tools_beside_those_of_the_user(tmp_path: Path) -> None:
    command = with_tools(tmp_path, "claude", args=("--mcp-config", "mine.json"))
    first, second = [at for at, word in enumerate(command) if word == "--mcp-config"]
    assert command[first + 1] == "mine.json"
    (entry,) = json.loads(command[second + 1])["mcpServers"].values()
    assert (entry["command"], *entry["args"]) == SERVER
    assert entry["env"] == {"AURORA_ATTEMPT": 'to"ken', "AURORA_INBOX": "/run/control.sock"}
    assert command[second + 2 :] == ("--allowedTools", "mcp__aurora_run")
    assert "--strict-mcp-config" not in command


def test_codex_gets_a_server_of_tools_by_valid_overrides(tmp_path: Path) -> None:
    command = with_tools(tmp_path, "codex")
    given = [word for before, word in pairwise(command) if before == "-c" and word.startswith("mcp_servers.")]
    (entry,) = tomllib.loads("\n".join(given))["mcp_servers"].values()
    assert (entry["command"], *entry["args"]) == SERVER
    assert entry["env"] == {"AURORA_ATTEMPT": 'to"ken', "AURORA_INBOX": "/run/control.sock"}
    assert entry["required"] is True
    assert command[-1] == "-", "the prompt is on its standard input"


@pytest.mark.parametrize("kind", sorted(PROFILES))
def test_without_a_server_or_a_way_to_give_it_nothing_changes(kind: str, tmp_path: Path) -> None:
    assert with_tools(tmp_path, kind, tools=()) == started(tmp_path, kind).command
    if PROFILES[kind].tools is None:
        assert with_tools(tmp_path, kind) == started(tmp_path, kind).command


@pytest.mark.parametrize(
    ("kind", "args", "opened"),
    [
        ("claude", ("--verbose",), "claude --model m --resume s-1"),
        (
            "codex",
            ("--color", "never", "-c", "model_provider=here", "--config=a=b", "--skip-git-repo-check"),
            "codex --model m -c model_provider=here --config=a=b -c check_for_update_on_startup=false resume s-1",
        ),
        ("gemini", (), "gemini --model m --resume s-1"),
        ("opencode", ("--share",), "opencode --model m --session s-1"),
        ("qwen", ("--auth-type", "openai", "-o"), "qwen --model m --auth-type openai --resume s-1"),
        ("copilot", ("--disable-builtin-mcps", "-x"), "copilot --model m --disable-builtin-mcps --resume=s-1"),
    ],
)
def test_a_session_is_opened_with_those_of_the_users_arguments_that_a_terminal_takes(
    tmp_path: Path, kind: str, args: tuple[str, ...], opened: str
) -> None:
    backend = CliBackend(name=kind, kind=kind, args=args, model="m")
    found = backend.opened(request(tmp_path, resume="s-1"))
    assert " ".join(found.command) == opened


def test_a_session_in_a_terminal_asks_again_and_has_the_hook_from_its_start(tmp_path: Path) -> None:
    hook = HookCommand(socket=tmp_path / "gate.sock", token="t-1")

    def opened(kind: str, **choices: object) -> str:
        backend = replace(CliBackend(name=kind, kind=kind), **choices)  # type: ignore[arg-type]  # as in `started`
        return " ".join(backend.opened(replace(request(tmp_path, resume="s-1"), hook=hook)).command)

    asks = "--ask-for-approval on-request --sandbox workspace-write"
    assert asks in opened("codex")  # permissive, as it is judged
    assert asks not in opened("codex", permissive=False)
    assert "--skip-trust" in opened("gemini", isolated=True, permissive=False)
    assert "--skip-trust" not in opened("gemini")  # its hook needs a configuration of its own


@pytest.mark.parametrize("kind", ["aider", "cline"])
def test_a_cli_without_sessions_is_not_opened(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BackendError, match="cannot open a session in a terminal"):
        CliBackend(name=kind, kind=kind).opened(request(tmp_path, resume="s-1"))
