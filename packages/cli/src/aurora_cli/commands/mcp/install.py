"""`aur mcp install`: add Aurora to the configuration of an MCP client."""

from __future__ import annotations

from typing import Final

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.mcp_clients import CLIENTS, addition, write
from aurora_cli.output import emit, note
from aurora_cli.user_prompts import is_interactive

__all__ = ["command"]

_CLIENT: Final = f"The program that is to use Aurora: {', '.join([*CLIENTS][:-1])} or {[*CLIENTS][-1]}."


@click.command(
    "install",
    cls=AurCommand,
    examples=(
        ("aur mcp install claude", "Show what .mcp.json lacks, and add it if you agree."),
        ("aur mcp install codex --yes", "Add it to ~/.codex/config.toml without a question."),
    ),
)
@click.argument("client", type=click.Choice(list(CLIENTS)), metavar="CLIENT", help=_CLIENT)
@click.option("--yes", is_flag=True, help="Write the file without a question.")
def command(*, client: str, yes: bool) -> int:
    """Add Aurora to the configuration of an MCP client.

    The client then starts `aur mcp serve` by itself. The entry is shown, and written only if you agree; without a
    terminal only with --yes. Everything else in the file stays as it is.
    """
    root = wiring.open_existing().project.root
    new = addition(client, root)
    if new.content is None:
        note(f"{new.path} has it already")
        return ExitCode.DONE
    emit(new.entry)
    if not yes and not (is_interactive() and click.confirm(f"Add this to {new.path}?", default=False, err=True)):
        note(f"nothing was written; the file is {new.path}, and --yes writes it")
        return ExitCode.DONE
    write(new)
    note(f"written: {new.path}")
    return ExitCode.DONE
