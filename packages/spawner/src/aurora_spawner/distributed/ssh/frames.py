"""Requests of a coordinator and answers of a host over ssh: lines of JSON, some with bytes behind them.

A request has a number, and its answers have the same, so that one connection carries many at once. Each request may
be made again: what it asks for is done once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from aurora_spawner.distributed.documents import (
    ORDER_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
    Commit,
    Count,
    DocumentError,
    StrictDocument,
    parsed,
)

if TYPE_CHECKING:
    import asyncio

GREETING: Final = b"aurora over ssh, version 1\n"
"""The first line of a host; lines before it are those of a shell's start files."""
HEAD_LIMIT_BYTES: Final = 4 << 20
"""The longest line; the refs of 20,000 attempts fit."""
BUNDLE_LIMIT_BYTES: Final = 1 << 30
"""The largest bundle."""
PIECE_BYTES: Final = 1 << 18

Ref = Annotated[str, Field(pattern=r"^refs/aurora/[A-Za-z0-9._*/-]{1,500}$")]
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]


class Request(StrictDocument):
    """A request of a coordinator."""

    id: Count = 0
    kind: Literal["start", "adopt", "collect", "cancel", "refs", "push", "fetch", "delete"]
    """Those about attempts; then those about the refs that carry trees."""
    token: Token | None = None
    at_once: bool = False
    ref: Ref | None = None
    commit: Commit | None = None
    have: tuple[Commit, ...] = Field(default=(), strict=False)
    """Commits that the coordinator has, so that a bundle can do without them."""
    refs: dict[Ref, Commit] = Field(default_factory=dict)
    size: Annotated[int, Field(ge=0, le=BUNDLE_LIMIT_BYTES)] = 0
    """The bytes behind this line: an order, or a bundle."""


class Answer(StrictDocument):
    """An answer of a host."""

    id: Count
    kind: Literal["done", "refused", "life"]
    """`life` says that an attempt works, and is not the last answer."""
    state: Literal["", "running", "over", "voided"] = ""
    """That of an attempt."""
    problem: Annotated[str, Field(max_length=8000)] = ""
    """The reason of a refusal."""
    again: bool = False
    """True if what was refused may work later, as after a full disk."""
    now: Annotated[float, Field(ge=0, lt=1e11)] = 0.0
    """The clock of the host."""
    refs: dict[str, Commit] = Field(default_factory=dict)
    size: Annotated[int, Field(ge=0, le=BUNDLE_LIMIT_BYTES)] = 0
    """The bytes behind this line: a result, or a bundle."""


def line_of(document: Request | Answer) -> bytes:
    """Returns a document as a line, without what is at its default.

    Raises:
        DocumentError: It is longer than the other side reads.
    """
    line = json.dumps(document.model_dump(exclude_defaults=True), ensure_ascii=True).encode("ascii") + b"\n"
    if len(line) > HEAD_LIMIT_BYTES:
        raise DocumentError(f"a line of {len(line) >> 20} MiB is longer than the other side reads")
    return line


def request_in(line: bytes) -> Request:
    """Reads a request.

    Raises:
        DocumentError: It is none, or too many bytes are behind it.
    """
    found = parsed(Request, line.decode("utf-8", errors="replace"), "request")
    if found.kind != "push" and found.size > ORDER_LIMIT_BYTES:
        raise DocumentError(f"the request is larger than {ORDER_LIMIT_BYTES >> 10} KiB")
    return found


def answer_in(line: bytes) -> Answer:
    """Reads an answer.

    Raises:
        DocumentError: It is none.
    """
    return parsed(Answer, line.decode("utf-8", errors="replace"), "answer of a host")


async def body_of(reader: asyncio.StreamReader, answer: Answer) -> bytes:
    """Reads the result behind an answer.

    Raises:
        DocumentError: It is larger than a result may be.
        IncompleteReadError: The connection ends before.
    """
    if answer.size > RESULT_LIMIT_BYTES:
        raise DocumentError(f"the result is larger than {RESULT_LIMIT_BYTES >> 20} MiB")
    return await reader.readexactly(answer.size)
