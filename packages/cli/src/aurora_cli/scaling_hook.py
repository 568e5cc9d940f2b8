"""The hook of `aur worker advise`: a command of the user's own that is told how many workers a pool should have."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Final

import click

from aurora_soar.taskruns.pools import DATABASE_VARIABLE, WORKER_TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOOK_LIMIT_S", "hook_words", "run_hook"]

HOOK_LIMIT_S: Final = 60.0
"""The longest time that a hook may take."""
_SAID_BYTES: Final = 500
"""The part of what it prints to stderr that is shown if it fails: the last."""


def hook_words(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Splits the command of a hook into words, as a shell would; no shell runs it.

    Raises:
        click.BadParameter: It is no command.
    """
    if value is None:
        return None
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise click.BadParameter(f"cannot be split into words: {error}") from error
    if not words:
        raise click.BadParameter("is empty; name a command")
    return words


def run_hook(words: tuple[str, ...], document: Mapping[str, object]) -> str:
    """Runs a hook with a document on its stdin; returns why it failed, "" if it did not.

    It has neither the address of the database nor a token.
    """
    kept = {
        name: value for name, value in os.environ.items() if name not in (DATABASE_VARIABLE, WORKER_TOKEN_VARIABLE)
    }
    try:
        done = subprocess.run(
            words,
            input=json.dumps(document).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=kept,
            check=False,
            timeout=HOOK_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"the hook {words[0]} took longer than {HOOK_LIMIT_S:.0f} s and was ended"
    except OSError as error:
        return f"the hook {words[0]} cannot be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    said = done.stderr[-_SAID_BYTES:].decode(errors="replace").strip()
    return f"the hook {words[0]} ended with status {done.returncode}{f': {said}' if said else ''}"
