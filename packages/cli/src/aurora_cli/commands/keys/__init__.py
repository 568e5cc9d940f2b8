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
        ("aur keys set openai", "Type a key, unseen; it is kept in the system's keyring."),
        ("aur keys list", "Where each key is found."),
    ),
)
def command() -> None:
    """Keep the keys of model providers.

    A key is looked for in the system's keyring, then in the project's .env (OPENAI_API_KEY for openai), then in the
    environment. In config.yaml it is named `keys:openai`. No command ever prints one.
    """
