"""`aur completion`: print shell completion for aur."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.output import emit

__all__ = ["command"]


@click.command(
    "completion",
    cls=AurCommand,
    examples=(
        ("aur completion bash >> ~/.bashrc", "For bash."),
        ("aur completion zsh >> ~/.zshrc", "For zsh."),
        ("aur completion fish > ~/.config/fish/completions/aur.fish", "For fish."),
    ),
)
@click.argument(
    "shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL", help="Your shell: bash, zsh or fish."
)
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> int:
    """Print shell completion for aur.

    With it, Tab completes commands and options. Write the output to the file that the example for your shell names,
    then open a new shell.
    """
    completion = get_completion_class(shell)
    assert completion is not None
    emit(completion(ctx.find_root().command, {}, "aur", "_AUR_COMPLETE").source())
    return ExitCode.DONE
