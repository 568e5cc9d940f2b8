"""Output: results go to standard output, everything else to standard error."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from aurora_cli.escapes import printable_json, printable_with_colours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from aurora_cli.documents import Schema

__all__ = [
    "colour_setting",
    "emit",
    "emit_bytes",
    "emit_exported",
    "emit_json",
    "emit_json_line",
    "emit_paged",
    "is_gone",
    "is_live_terminal",
    "note",
    "note_once",
    "silence",
    "tolerant",
    "tolerate_odd_streams",
]


def emit(text: str) -> None:
    """Prints a result. A reader that closes the pipe (`aur … | head`) ends the output, not the command."""
    _print(printable_with_colours(text))


def emit_bytes(data: bytes) -> None:
    """Prints a result byte by byte, for a program that reads it; a closed pipe ends the output, not the command."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        if not is_gone(error):
            raise
        silence(sys.stdout)


def emit_paged(text: str, *, colour: bool) -> None:
    """Shows a long result through the pager of the user, escaped as by `emit`; `colour` keeps its colours."""
    click.echo_via_pager(printable_with_colours(text), color=colour)


def _print(text: str) -> None:
    try:
        click.echo(text, file=sys.stdout)  # without it click writes UTF-8 to ASCII streams
    except OSError as error:
        if not is_gone(error):
            raise
        silence(sys.stdout)


def is_gone(error: OSError) -> bool:
    """Returns True if a write failed because the pipe or the terminal was closed."""
    return isinstance(error, BrokenPipeError) or error.errno in (errno.EIO, errno.ENXIO, errno.EBADF)


def tolerant(stream: TextIO) -> TextIO:
    """Returns a stream that drops its output, and raises nothing, once its reader is gone."""
    return cast("TextIO", _TolerantStream(stream))


class _TolerantStream(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding

    def write(self, text: str) -> int:
        """Writes the text, or drops it if the reader is gone."""
        try:
            return self._stream.write(text)
        except OSError:
            silence(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flushes the stream, or drops its output if the reader is gone."""
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream)

    def isatty(self) -> bool:
        """Returns True if the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Returns the file descriptor of the stream."""
        return self._stream.fileno()


def emit_json(schema: Schema, document: Mapping[str, object]) -> None:
    """Prints a result as one JSON document that begins with its schema, in ASCII if the stream is not UTF-8."""
    _print(_json_text({"schema": schema, **document}, indent=2))


def emit_json_line(schema: Schema, document: Mapping[str, object]) -> None:
    """Prints one of many results as a line of JSON that begins with its schema."""
    _print(_json_text({"schema": schema, **document}))


def emit_exported(line: str) -> None:
    """Prints a line of an exported journal as it is: each byte of it is sealed."""
    emit_bytes(line.encode("ascii"))


def _json_text(document: Mapping[str, object], *, indent: int | None = None) -> str:
    return printable_json(json.dumps(document, indent=indent, ensure_ascii=not _is_utf8()))


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def note(text: str) -> None:
    """Prints a message to standard error; a closed stream is ignored."""
    try:
        click.echo(printable_with_colours(text), file=sys.stderr)
    except OSError:
        silence(sys.stderr)


def note_once(key: str, text: str) -> None:
    """Prints a message to standard error, once per command and key."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.setdefault(f"aurora_cli.noted.{key}", text) is not text:
        return
    note(text)


def is_live_terminal() -> bool:
    """Returns True if standard error is a terminal whose lines can be redrawn."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def silence(stream: TextIO) -> None:
    """Points a stream without a reader at the null device, so that its last flush cannot fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)


def tolerate_odd_streams() -> None:
    """Makes streams escape characters that they cannot encode, and opens streams that are closed."""
    if sys.__stdout__ is None or sys.__stderr__ is None:
        _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _open_missing_streams() -> None:
    """Opens the null device for a process that was started with closed streams (`aur >&-`)."""
    null = Path(os.devnull).open("w")  # noqa: SIM115 - it lives as long as the process
    sys.stdout, sys.stderr = sys.__stdout__ or null, sys.__stderr__ or null


def colour_setting(environ: Mapping[str, str]) -> bool | None:
    """Returns click's colour setting: False if NO_COLOR or TERM forbids colour, else None: click decides."""
    return False if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" else None
