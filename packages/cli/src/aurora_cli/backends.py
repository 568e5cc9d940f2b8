"""Agents from the configuration and from PATH, as the spawner knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aurora_spawner import Backend, CliBackend, CommandBackend
from aurora_spawner.backends.cli import installed_kinds
from aurora_spawner.backends.dialects import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core import BackendConfig, Config
    from aurora_spawner.backends.command import PromptBy

__all__ = ["configured_agents", "found_agents"]


def configured_agents(config: Config) -> dict[str, Backend]:
    """Build the agents that the user has configured, by name."""
    return {
        name: _command(name, backend) if backend.kind == "command" else _cli(name, backend)
        for name, backend in config.backends.items()
    }


def found_agents(environ: Mapping[str, str]) -> dict[str, Backend]:
    """Build the known CLIs on PATH, by name; they need no configuration."""
    return {kind: CliBackend(name=kind, kind=kind) for kind in installed_kinds(environ)}


def _command(name: str, backend: BackendConfig) -> CommandBackend:
    return CommandBackend(
        name=name,
        command=backend.command,
        env=backend.env,
        timeout_s=backend.timeout_s,
        provider=backend.provider,
        dialect=DIALECTS.get(backend.events),
        prompt=cast("PromptBy", backend.prompt),
        model=backend.model,
    )


def _cli(name: str, backend: BackendConfig) -> CliBackend:
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
    )
