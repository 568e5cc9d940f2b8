"""The review of a task's work by another agent: who reviews, and the verdict with its reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from aurora_spawner.errors import TaskError
from aurora_spawner.storage.stored_values import Reader, StoredValueError, count, documents, read_fields
from aurora_spawner.tasks.usage import Usage, usage_from_json
from aurora_spawner.tasks.work import CommitId, commit_id

SHOWN_REMARKS: Final = 50
"""The most remarks of a review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """The agent that reviews a task's work, always in a session of its own."""

    agent: str | None = None
    """The name of the backend; None takes the run's default."""
    instructions: str | None = None
    """The reviewer's role and way of working; None leaves it to the prompt."""
    model: str | None = None

    def __post_init__(self) -> None:
        for name in ("agent", "model"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip() and value.isprintable()):
                raise TaskError(f"{name} of the reviewer must be a line of text, not {value!a:.100}", field="review")


ReviewSource = Reviewer | str
"""A reviewer, or the name of its backend."""


def reviewer_of(source: object) -> Reviewer:
    """Returns the reviewer that a task names.

    Raises:
        TaskError: It is none.
    """
    if isinstance(source, str):
        return Reviewer(agent=source)
    if not isinstance(source, Reviewer):
        raise TaskError(f"review must be a Reviewer or the name of a backend, not {source!a:.100}", field="review")
    return source


def reviewer_from_json(stored: object) -> Reviewer:
    """Returns the reviewer that the journal has of a task.

    Raises:
        StoredValueError, TaskError: The value is no stored reviewer.
    """
    return Reviewer(**read_fields(Reviewer, stored))


class Verdict(StrEnum):
    """The verdict of a review, in the words that reviewers answer with."""

    APPROVED = "approve"
    SENT_BACK = "send_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One reason of a reviewer."""

    reason: str
    file: str | None = None
    """The file that it is about, relative to the top of the repository; None for the work as a whole."""
    line: int | None = None
    """The line in that file as the work has it, from 1; None for all of the file."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A reviewer's verdict on the work of one attempt."""

    number: int
    """Of the attempt whose work was reviewed."""
    agent: str
    """The reviewer."""
    verdict: Verdict
    summary: str = ""
    remarks: tuple[Remark, ...] = ()
    commit: CommitId | None = None
    """The commit that was reviewed; None for a task without a worktree."""
    attempts: int = 1
    """The times that the reviewer was started for it."""
    usage: Usage | None = None
    """The usage of the reviewer's last attempt; None if it does not report it."""

    @property
    def approved(self) -> bool:
        """True if the reviewer found nothing that has to change."""
        return self.verdict is Verdict.APPROVED

    @property
    def line(self) -> str:
        """The verdict in one line for people."""
        if self.approved:
            return f"approved by {self.agent}"
        more = len(self.remarks) - 1
        first = " ".join(str(self.remarks[0]).split()) if self.remarks else " ".join(self.summary.split())
        return f"sent back by {self.agent}: {first}" + (f" (and {more} more)" if more > 0 else "")

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "verdict": self.verdict.value}


VERDICT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["verdict", "summary", "reasons"],
    "additionalProperties": False,
    "properties": {
        "verdict": {
            "enum": [Verdict.APPROVED.value, Verdict.SENT_BACK.value],
            "description": "send_back if anything has to change before the work is done, else approve",
        },
        "summary": {"type": "string", "maxLength": 2000, "description": "one or two sentences"},
        "reasons": {
            "type": "array",
            "maxItems": SHOWN_REMARKS,
            "items": {
                "type": "object",
                "required": ["reason"],
                "additionalProperties": False,
                "properties": {
                    "reason": {"type": "string", "minLength": 1, "maxLength": 4000},
                    "file": {
                        "type": ["string", "null"],
                        "description": "path from the top of the repository; null if it is about no file",
                    },
                    "line": {
                        "type": ["integer", "null"],
                        "minimum": 1,
                        "description": "line of that file after the change; null for the whole file",
                    },
                },
            },
        },
    },
    "if": {"properties": {"verdict": {"const": Verdict.SENT_BACK.value}}},
    "then": {"properties": {"reasons": {"minItems": 1}}},
}
"""The JSON Schema of a reviewer's answer."""


def remarks_of(document: dict[str, Any]) -> tuple[Remark, ...]:
    """Returns the reasons of an answer that is valid by `VERDICT_SCHEMA`."""
    return tuple(Remark(**each) for each in document["reasons"])


def _remarks(stored: object) -> tuple[Remark, ...]:
    if not isinstance(stored, (list, tuple)):
        raise StoredValueError("must be a list of remarks")
    return tuple(Remark(**read_fields(Remark, each)) for each in stored)


_READERS: Final[dict[str, Reader]] = {
    "int": count,
    "Verdict": Verdict,
    "tuple[Remark, ...]": _remarks,
    "CommitId": commit_id,
    "Usage": usage_from_json,
}


def review_from_json(stored: object) -> Review:
    """Returns the review that `Review.to_json` stored.

    Raises:
        StoredValueError: The value is no stored review.
    """
    return Review(**read_fields(Review, stored, _READERS))


def reviews_from_text(stored: object) -> tuple[Review, ...]:
    """Returns what the journal has as JSON text of the reviews of one task, the oldest first.

    Raises:
        StoredValueError: The value is no list of stored reviews.
    """
    return tuple(map(review_from_json, documents(stored)))
