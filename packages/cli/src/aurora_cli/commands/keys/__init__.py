"""`aur keys`: the group of the commands about keys."""

from __future__ import annotations

import click

from aurora_cli.catalogue import KEYS
from aurora_cli.lazy import AurGroup

__all__ = ["command"]


@click.group(
    name="keys",
    cls=AurGroup,
    entries=KEYS,
    examples=(
        ("aur keys set openai", "Type a key, hidden; it is stored in the system's keyring."),
        ("aur keys list", "Show where each key comes from."),
    ),
)
def command() -> None:
    """Manage the API keys of model providers.

    Aurora looks for a key in the system's keyring, then in the project's .env (OPENAI_API_KEY for openai), then in
    the environment. config.yaml refers to it as `keys:openai`. No command prints a key.
    """
