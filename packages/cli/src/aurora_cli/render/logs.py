"""Output of agents: unchanged into files and pipes, with escapes on a terminal."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING

import click

from aurora_cli.render.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["emit_bytes"]


def emit_bytes(pieces: Iterable[bytes]) -> None:
    """Prints pieces as they arrive.

    Raises:
        BrokenPipeError: the pipe was closed.
    """
    if sys.stdout.isatty():
        decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        for piece in pieces:
            click.echo(printable(decoder.decode(piece)), file=sys.stdout, nl=False)
        return
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
