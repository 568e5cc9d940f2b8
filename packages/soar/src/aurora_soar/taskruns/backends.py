"""Agents from the configuration and from PATH, as backends of the spawner; unknown kinds are refused here."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from aurora_core import ConfigError
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner import Backend, CliBackend, CommandBackend
from aurora_spawner.backends.cli import installed_kinds
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.model.backend import HISTORY_TOKENS, MAX_TOKENS, ModelBackend
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.errors import BackendError
from aurora_spawner.supervision.interpreter import python_command
from aurora_spawner.supervision.programs import find_executable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aurora_core import Config
    from aurora_core.settings.config import BackendConfig
    from aurora_spawner.backends.command import PromptBy, TalksBy

__all__ = [
    "check_kinds",
    "check_routing",
    "configured_agents",
    "found_agents",
    "known_agents",
    "line_of",
    "missing_program",
    "program_of",
    "tool_command",
    "untrusted_backends",
]

KINDS: Final = ("command", *PROFILES, "model")
"""Kinds of agents that a configuration may name."""
_SERVER_PACKAGE: Final = "aurora_cli"
EVENTS: Final = ("none", *PROFILES)
"""Dialects that the events of a command may be in."""


def check_kinds(config: Config) -> None:
    """Refuses configured agents of an unknown kind, or with events in an unknown dialect.

    Raises:
        ConfigError: with file, line and field, and the nearest known name.
    """
    for name, backend in config.backends.items():
        for field, value, known in (("kind", backend.kind, KINDS), ("events", backend.events, EVENTS)):
            if value not in known:
                source, place = config.origin(f"backends.{name}"), f"backends.{name}.{field}"
                raise ConfigError(source, line_of(source, place), place, _not_among(value, known))


def check_tool(config: Config) -> None:
    """Refuses a `tool` that is no agent.

    Raises:
        ConfigError: it is none; with the nearest name.
    """
    known = known_agents(config)
    if config.tool is not None and config.tool not in known:
        raise ConfigError("", None, "tool", _not_among(config.tool, sorted(known)))


def check_routing(config: Config) -> None:
    """Refuses a `routing` among agents one of which is none.

    Raises:
        ConfigError: one is none; with file, line and the nearest name.
    """
    known = {*known_agents(config), *untrusted_backends(config)}
    for name in config.routing.among if config.routing else ():
        if name not in known:
            source, field = config.origin("routing"), "routing.among"
            raise ConfigError(source, line_of(source, field), field, _not_among(name, sorted(known)))


def untrusted_backends(config: Config) -> frozenset[str]:
    """Returns the names of the agents of a project's own that the user does not trust."""
    return frozenset(
        claim.name.removeprefix("backends.") for claim in config.untrusted if claim.name.startswith("backends.")
    )


def known_agents(config: Config) -> frozenset[str]:
    """Returns the names of all agents: the configured ones, the known CLIs, and the local one."""
    return frozenset({*config.backends, *PROFILES, LOCAL_AGENT})


def _not_among(value: str, known: Collection[str]) -> str:
    close = get_close_matches(value, known, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"there is no {value!r}; {guess}known here: {', '.join(known)}"


def line_of(source: str, field: str) -> int | None:
    """Returns the line of a dotted field in a file, or of the section that it would be in; None without a file."""
    from aurora_core.settings.yaml_source import read_yaml

    found = read_yaml(Path(source)) if Path(source).is_file() else None
    return found.line_of(tuple(field.split("."))) if found else None


def configured_agents(config: Config, find_key: Callable[[str], str]) -> dict[str, Backend]:
    """Builds the agents that the user has configured, by name.

    Args:
        find_key: returns a key's value by its name; called when an agent needs it.

    Raises:
        ConfigError: an agent is of an unknown kind, or its events are in an unknown dialect.
    """
    check_kinds(config)
    return {
        name: _configured(name, backend, find_key, (*config.env_pass, *backend.env_pass), tool_command(config))
        for name, backend in config.backends.items()
    }


def _configured(
    name: str,
    backend: BackendConfig,
    find_key: Callable[[str], str],
    env_pass: tuple[str, ...],
    tools: tuple[str, ...],
) -> Backend:
    if backend.kind == "command":
        return _command(name, backend, env_pass)
    return _model(name, backend, find_key) if backend.kind == "model" else _cli(name, backend, env_pass, tools)


def tool_command(config: Config) -> tuple[str, ...]:
    """Returns the command of the server of tools that agents get; empty for none.

    Raises:
        ConfigError: they are to get one, and the package that it is in is not installed.
    """
    if not config.agent_tools:
        return ()
    if find_spec(_SERVER_PACKAGE) is None:
        raise ConfigError(config.origin("agent_tools"), None, "agent_tools", "needs the package aurora-aur")
    return python_command(_SERVER_PACKAGE, "mcp", "agent")


def found_agents(
    environ: Mapping[str, str], env_pass: tuple[str, ...] = (), tools: tuple[str, ...] = ()
) -> dict[str, Backend]:
    """Builds the known CLIs on PATH, by name; they need no configuration.

    Args:
        env_pass: names or patterns of further variables that they see.
        tools: the command of the server of tools that they get; empty for none.
    """
    return {
        kind: CliBackend(name=kind, kind=kind, keep_env=env_pass, tools=tools) for kind in installed_kinds(environ)
    }


def program_of(backend: Backend, environ: Mapping[str, str], folder: Path) -> str | None:
    """Returns the path of an agent's program; None if it is not found, or the agent is no program.

    Args:
        folder: the folder in which it would run; a relative path counts from there.
    """
    if not isinstance(backend, CliBackend | CommandBackend):
        return None
    return find_executable(backend.program, backend.env.get("PATH", environ.get("PATH")), folder)


def missing_program(backend: Backend, environ: Mapping[str, str]) -> str | None:
    """Returns the program of an agent if no folder has it; a relative path counts from a worktree, made later."""
    if not isinstance(backend, CliBackend | CommandBackend):
        return None
    is_relative = "/" in backend.program and not Path(backend.program).is_absolute()
    found = is_relative or program_of(backend, environ, Path.cwd()) is not None
    return None if found else backend.program


def _command(name: str, backend: BackendConfig, env_pass: tuple[str, ...]) -> CommandBackend:
    return CommandBackend(
        name=name,
        command=backend.command,
        env=backend.env,
        timeout_s=backend.timeout_s,
        provider=backend.provider,
        dialect=DIALECTS.get(backend.events),
        prompt=cast("PromptBy", backend.prompt),
        model=backend.model,
        conversation=cast("TalksBy", backend.conversation),
        keep_env=env_pass,
        pool=backend.pool,
        labels=backend.labels,
    )


def _model(name: str, backend: BackendConfig, find_key: Callable[[str], str]) -> ModelBackend:
    from aurora_core.errors import KeyStoreError, UnknownKeyError

    def key(wanted: str) -> str:
        try:
            return find_key(wanted)
        except (KeyStoreError, UnknownKeyError) as error:
            raise BackendError(name, str(error)) from error

    return ModelBackend(
        name=name,
        api=backend.api,
        model=backend.model or "",
        base_url=backend.base_url or "",
        key=partial(key, backend.key) if backend.key else None,
        max_tokens=backend.max_tokens or MAX_TOKENS,
        history_tokens=backend.history_tokens or HISTORY_TOKENS,
        env=backend.env,
        timeout_s=backend.timeout_s,
        named_provider=backend.provider,
    )


def _cli(name: str, backend: BackendConfig, env_pass: tuple[str, ...], tools: tuple[str, ...]) -> CliBackend:
    return CliBackend(
        name=name,
        kind=backend.kind,
        command=backend.command,
        model=backend.model,
        args=backend.args,
        env=backend.env,
        permissive=backend.permissive,
        isolated=backend.isolated,
        timeout_s=backend.timeout_s,
        named_provider=backend.provider,
        keep_env=env_pass,
        tools=tools,
        pool=backend.pool,
        labels=backend.labels,
    )
