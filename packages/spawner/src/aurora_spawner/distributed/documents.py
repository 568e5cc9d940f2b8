"""The documents that cross the database: the order of an attempt, and its end with what it printed.

Both are read strictly and have limits, since whoever may write rows is not trusted with more than the row. An order
names its agent and never a command; each worker has its own list of the agents that it runs.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.errors import SpawnerError
from aurora_spawner.storage.problem_words import problem_words

ORDER_LIMIT_BYTES: Final = 2 << 20
"""The largest order as JSON; its prompt is nearly all of it."""
SPOOL_LIMIT_BYTES: Final = 8 << 20
"""The most that a worker keeps of each output stream, which is the most that comes back."""
RESULT_LIMIT_BYTES: Final = 24 << 20
"""The largest result, compressed and not: both streams, and what is said about them."""
JUDGED_LIMIT: Final = 2000
"""Judged tool calls of an attempt that its result names, denied ones first."""
NOTICES: Final = 20
NOTICE_LIMIT: Final = 1000
"""Characters of a notice."""
_SEPARATOR: Final = b"\n"


class DocumentError(SpawnerError):
    """A document of the queue cannot be used; it was not written by this version, or by nobody of ours."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Name = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")]
Seconds = Annotated[float, Field(ge=0, lt=1e10, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


Commit = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]


class TreeDocument(_Document):
    """The tree that an attempt works on; the pool's repository has it, whose address each side knows for itself."""

    start: Commit
    """The commit that the attempt starts from."""
    folder: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00-\x1f]+$")]
    """The folder in which the agent works, relative to the tree; "." for its top."""
    title: Annotated[str, Field(max_length=1000)]
    """The subject of a commit of what the agent leaves uncommitted."""

    @field_validator("folder")
    @classmethod
    def _is_inside(cls, folder: str) -> str:
        if folder.startswith("/") or ".." in folder.split("/"):
            raise PydanticCustomError("folder", "must be inside of the tree")
        return folder


class OrderDocument(_Document):
    """The order of one attempt, for a worker."""

    run_id: Name
    task_id: Name
    number: Annotated[int, Field(ge=1, lt=1 << 31)]
    agent: Name
    """The name by which the worker knows a backend."""
    model: Name | None
    prompt: str
    deadline_s: Seconds | None
    sandbox: Annotated[str, Field(pattern="^(off|auto|require)$")]
    """The use of a sandbox that the run asks for; the worker's own policies may be stricter."""
    depth: Annotated[int, Field(ge=1, lt=1000)]
    """The number of agents above those that this one starts, itself included."""
    tree: TreeDocument | None = None
    """None for an attempt that works in the worker's own folder."""
    instructions: str | None = None
    """Those of the task, for an agent that is given them beside its prompt."""
    allowance_usd: Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)] | None = None
    """The most that it may cost, for an agent that ends by itself there."""

    @classmethod
    def of(cls, **fields: object) -> OrderDocument:
        """Makes an order.

        Raises:
            DocumentError: A field cannot be sent.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise _unusable("order", error) from error

    def to_text(self) -> str:
        """Returns the order as JSON.

        Raises:
            DocumentError: It is larger than a row may be, or no worker could read it.
        """
        text = json.dumps(self.model_dump(), ensure_ascii=True)
        if len(text) > ORDER_LIMIT_BYTES:
            size, limit = len(text) >> 10, ORDER_LIMIT_BYTES >> 10
            raise DocumentError(f"the order takes {size} KiB, and {limit} KiB is the most that a pool takes")
        self.parse(text)  # half of a character can be written, and not be read
        return text

    @classmethod
    def parse(cls, text: str) -> OrderDocument:
        """Reads an order.

        Raises:
            DocumentError: It is too large, or not an order; the field is named.
        """
        if len(text) > ORDER_LIMIT_BYTES:
            raise DocumentError(f"the order is larger than {ORDER_LIMIT_BYTES >> 10} KiB")
        return _parsed(cls, text, "order")


class JudgedDocument(_Document):
    """A tool call that the gate of a worker has judged."""

    tool: Annotated[str, Field(max_length=1000)]
    subject: Annotated[str, Field(max_length=1000)]
    action: Annotated[str, Field(pattern="^(allow|prompt|deny)$")]
    allowed: bool
    rule: Annotated[str, Field(max_length=1000)]
    reason: Annotated[str, Field(max_length=1000)]
    answered_by: Annotated[str, Field(max_length=100)]

    @classmethod
    def parse(cls, line: str) -> JudgedDocument:
        """Reads one.

        Raises:
            DocumentError: It is none; the field is named.
        """
        return _parsed(cls, line, "judged call")


class EndDocument(_Document):
    """The end of an attempt, as its worker has seen it."""

    reason: EndReason = Field(strict=False)
    exit_code: Annotated[int, Field(gt=-256, lt=256)] | None = None
    exec_errno: Annotated[int, Field(ge=0, lt=1 << 16)] = 0
    started_at: Seconds | None = None
    ended_at: Seconds | None = None
    duration_s: Seconds = 0.0
    stdout_bytes: Count = 0
    lost_bytes: Count = 0
    survivors: tuple[Annotated[int, Field(gt=0, lt=1 << 31)], ...] = Field(default=(), strict=False, max_length=1000)
    denied: tuple[str, ...] = Field(default=(), strict=False, max_length=1000)
    exceeded: Annotated[str, Field(max_length=200)] = ""
    record: dict[str, Any] | None = None
    """The supervisor's exit record; None if it was killed, or never began."""
    judged: tuple[JudgedDocument, ...] = Field(default=(), strict=False, max_length=JUDGED_LIMIT)
    judged_calls: Count = 0
    notices: tuple[Annotated[str, Field(max_length=NOTICE_LIMIT)], ...] = Field(
        default=(), strict=False, max_length=NOTICES
    )
    """Sentences for the run's report about its worktree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of an attempt, with the kept bytes of its streams."""

    end: EndDocument
    stdout: bytes = b""
    stderr: bytes = b""
    commit: str = ""
    """The work on its tree, which the pool's repository has; empty if nothing has changed."""

    def pack(self) -> bytes:
        """Returns the result for a row, compressed.

        Raises:
            DocumentError: It is larger than a row may be.
        """
        sizes = {"stdout": len(self.stdout), "stderr": len(self.stderr)}
        head = {**sizes, "commit": self.commit or None, "end": self.end.model_dump(mode="json")}
        plain = json.dumps(head).encode("ascii") + _SEPARATOR + self.stdout + self.stderr
        if len(plain) > RESULT_LIMIT_BYTES:
            raise DocumentError(
                f"the result takes {len(plain) >> 20} MiB, and {RESULT_LIMIT_BYTES >> 20} is the most"
            )
        return zlib.compress(plain, level=3)

    @classmethod
    def unpack(cls, packed: bytes) -> Result:
        """Reads a result; one that would grow beyond the limit is not unpacked.

        Raises:
            DocumentError: It is damaged, too large, or not a result; the field is named.
        """
        head, separator, streams = _inflated(packed).partition(_SEPARATOR)
        found = _parsed(_Head, head.decode("ascii", errors="replace"), "result")
        if not separator or len(streams) != found.stdout + found.stderr:
            raise DocumentError("the result is cut off; the worker has to deliver it again")
        out, err = streams[: found.stdout], streams[found.stdout :]
        return cls(end=found.end, stdout=out, stderr=err, commit=found.commit or "")


class _Head(_Document):
    stdout: Count
    stderr: Count
    commit: Commit | None = None
    end: EndDocument


def _inflated(packed: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(packed, RESULT_LIMIT_BYTES + 1)
    except zlib.error as error:
        raise DocumentError(f"the result cannot be unpacked: {error}") from error
    if len(plain) > RESULT_LIMIT_BYTES:
        raise DocumentError(f"the result is larger than {RESULT_LIMIT_BYTES >> 20} MiB")
    if not inflate.eof:
        raise DocumentError("the result is cut off; the worker has to deliver it again")
    return plain


_Kind = TypeVar("_Kind", bound=_Document)


def _parsed(kind: type[_Kind], text: str, what: str) -> _Kind:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _unusable(what, error) from error


def _unusable(what: str, error: ValidationError) -> DocumentError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = [".".join(map(str, first["loc"]))] if first["loc"] else []
    return DocumentError(f"it is no {what} that a pool takes: {' '.join((*place, problem_words(first)))}")
