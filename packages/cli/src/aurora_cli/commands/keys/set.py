"""`aur keys set`: keep a key in the system's keyring."""

from __future__ import annotations

import sys

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import note

__all__ = ["command"]


@click.command(
    "set",
    cls=AurCommand,
    examples=(
        ("aur keys set openai", "Type the key; it is not shown."),
        ("aur keys set openai < key.txt", "Read it from a file."),
    ),
)
@click.argument("name", help="What configuration calls it, for example openai or anthropic.")
@click.argument("more", nargs=-1, help="Nothing: a key on the command line is refused.")
@click.pass_context
def command(ctx: click.Context, *, name: str, more: tuple[str, ...]) -> int:
    """Keep a key in the system's keyring.

    The key is typed, unseen, or read from standard input. On the command line other users could see it.
    """
    if more:
        raise click.UsageError("a key never goes onto the command line; type it when asked, or pipe it in", ctx)
    keys = wiring.open_folder().keys
    if sys.stdin.isatty():
        value = click.prompt(f"Key {name}", hide_input=True, err=True, default="", show_default=False)
    else:
        value = sys.stdin.readline()
    keys.keep(name, value.strip())
    note(f"key {name} is kept in the system's keyring")
    return ExitCode.DONE
