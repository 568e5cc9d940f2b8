"""`aur keys set`: store a key in the system's keyring."""

from __future__ import annotations

import sys

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import note
from aurora_core.settings.keys import check_key_name
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "set",
    cls=AurCommand,
    context_settings={"allow_extra_args": True},  # a key there gets an answer of its own
    examples=(
        ("aur keys set openai", "Type the key; it is hidden."),
        ("aur keys set openai < key.txt", "Read it from a file."),
    ),
)
@click.argument("name", help="The provider, for example openai; a model names the key as keys:openai.")
@click.pass_context
def command(ctx: click.Context, *, name: str) -> int:
    """Store a key in the system's keyring.

    Type the key when you are asked for it, or pass it on standard input. On the command line, where other users
    could read it, a key is refused.
    """
    if ctx.args:
        raise click.UsageError("do not put a key on the command line; type it at the prompt, or pipe it in", ctx)
    check_user("keys are", "ask the user for it")
    check_key_name(name)
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
