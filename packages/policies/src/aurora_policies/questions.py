"""Questions to the policies, one JSON object a line, as other programs ask them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_policies.problem_words import problem_words

__all__ = ["Question", "QuestionError", "parse_question"]

MAX_BYTES = 4_000_000


class QuestionError(ValueError):
    """A line that is no question; the answer to it must not be allow."""


class Question(BaseModel):
    """A command that is asked about.

    Attributes:
        command: the command line.
        cwd: its folder; relative ones start at the asker's folder.
        agent: the agent that wants to run it.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    command: Annotated[str, Field(min_length=0)]
    cwd: Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4000)] = "."
    agent: str | None = None


def parse_question(line: bytes) -> Question:
    """Reads a line.

    Raises:
        QuestionError: it is too long, is not JSON, or lacks the command.
    """
    if len(line) > MAX_BYTES:
        raise QuestionError(f"is longer than {MAX_BYTES // 1_000_000} MB")
    try:
        return Question.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise QuestionError(f"{field}: {problem_words(first)}" if field else problem_words(first)) from error
