"""`aur keys remove`: forget a key of the system's keyring."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import note

__all__ = ["command"]


@click.command(
    "remove",
    cls=AurCommand,
    examples=(("aur keys remove openai", "Forget it; .env and the environment stay as they are."),),
)
@click.argument("name", help="What it was set as.")
def command(*, name: str) -> int:
    """Forget a key of the system's keyring."""
    if wiring.open_folder().keys.forget(name):
        note(f"key {name} is forgotten")
        return ExitCode.DONE
    note(f"the system's keyring has no key {name}")
    return ExitCode.NOT_REACHED
