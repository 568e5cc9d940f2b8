"""The request of a hook, as its reader sees it: the token and the length of the call on a line, then the call."""

from __future__ import annotations

from typing import Final

from aurora_spawner.gates.hook import CALL_LIMIT_BYTES

HEADER_LIMIT_BYTES: Final = 1024


class BadRequestError(ConnectionError):
    """Bytes that came are no request of a hook."""


def read_header(line: bytes) -> tuple[str, int]:
    """Returns the token and the length of the call in bytes.

    Raises:
        BadRequestError: The line is not the first one of a request.
    """
    token, _, length = line.removesuffix(b"\n").partition(b" ")
    if not (token.isascii() and length.isdigit() and len(line) <= HEADER_LIMIT_BYTES):
        raise BadRequestError("no token and length")
    if int(length) > CALL_LIMIT_BYTES:
        raise BadRequestError(f"the call is longer than {CALL_LIMIT_BYTES >> 20} MB")
    return token.decode("ascii"), int(length)
