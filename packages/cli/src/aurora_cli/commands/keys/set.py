"""`aur keys set`: store a key in the system's keyring."""

from __future__ import annotations

import sys

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import note
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "set",
    cls=AurCommand,
    examples=(
        ("aur keys set openai", "Type the key; it is hidden."),
        ("aur keys set openai < key.txt", "Read it from a file."),
    ),
)
@click.argument("name", help="Name of the key in the configuration, for example openai or anthropic.")
@click.argument("more", nargs=-1, help="Must be empty: a key on the command line is refused.")
@click.pass_context
def command(ctx: click.Context, *, name: str, more: tuple[str, ...]) -> int:
    """Store a key in the system's keyring.

    Type the key at the prompt, or pass it on standard input. On the command line other users could read it.
    """
    if more:
        raise click.UsageError("do not put a key on the command line; type it at the prompt, or pipe it in", ctx)
    check_user("keys are", "ask the user for it")
    keys = wiring.open_folder().keys
    if sys.stdin.isatty():
        value = click.prompt(f"Key {name}", hide_input=True, err=True, default="", show_default=False)
    else:
        value = sys.stdin.readline()
    if not value.strip():
        raise click.UsageError("no key was given; type it at the prompt, or pass it on standard input", ctx)
    keys.keep(name, value.strip())
    note(f"stored key {name} in the system's keyring")
    return ExitCode.DONE
