"""`aur keys remove`: remove a key from the system's keyring."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import note
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "remove",
    cls=AurCommand,
    examples=(("aur keys remove openai", "Remove it; .env and the environment stay unchanged."),),
)
@click.argument("name", help="The name under which it was set.")
def command(*, name: str) -> int:
    """Remove a key from the system's keyring."""
    check_user("keys are", "ask the user for it")
    if wiring.open_folder().keys.forget(name):
        note(f"removed key {name} from the system's keyring")
        return ExitCode.DONE
    note(f"the system's keyring has no key {name}")
    return ExitCode.NOT_REACHED
