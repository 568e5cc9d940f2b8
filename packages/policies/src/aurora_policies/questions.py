"""Questions to the policies, one JSON object a line, as other programs ask them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aurora_policies.problem_words import problem_words

__all__ = ["Question", "QuestionError", "ToolName", "parse_arguments", "parse_question", "question_of"]

MAX_BYTES = 4_000_000
ToolName = Annotated[str, Field(min_length=1, max_length=1000)]
"""The name of a tool, as its CLI has it or as `mcp__SERVER__TOOL`."""


class QuestionError(ValueError):
    """A text that is no question; the answer to it must not be allow."""


class Question(BaseModel):
    """A command or the call of a tool that is asked about.

    Attributes:
        command: the command line; None for a tool.
        tool: the name of the tool, as its CLI has it or as `mcp__SERVER__TOOL`; None for a command.
        arguments: what the tool would be given.
        cwd: its folder; relative ones start at the asker's folder.
        agent: the agent that wants to run it.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    command: Annotated[str, Field(min_length=0)] | None = None
    tool: ToolName | None = None
    arguments: dict[str, Any] = {}
    cwd: Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4000)] = "."
    agent: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.command is None) == (self.tool is None):
            raise ValueError("must have either a command or a tool")
        return self


def parse_question(line: bytes) -> Question:
    """Reads a line.

    Raises:
        QuestionError: it is too long, is not JSON, or has neither a command nor a tool.
    """
    if len(line) > MAX_BYTES:
        raise QuestionError(f"is longer than {MAX_BYTES // 1_000_000} MB")
    try:
        return Question.model_validate_json(line)
    except ValidationError as error:
        raise _unusable(error) from error


def question_of(*, command: str | None, tool: str | None, arguments: dict[str, Any], agent: str | None) -> Question:
    """Returns the question that has these parts.

    Raises:
        QuestionError: one of them is not valid; names it.
    """
    try:
        return Question(command=command, tool=tool, arguments=arguments, agent=agent)
    except ValidationError as error:
        raise _unusable(error) from error


def _unusable(error: ValidationError) -> QuestionError:
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return QuestionError(f"{field}: {problem_words(first)}" if field else problem_words(first))


def parse_arguments(text: str) -> dict[str, Any]:
    """Reads the arguments of a tool.

    Raises:
        QuestionError: they are no JSON object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QuestionError(f"the arguments of a tool must be JSON: {error}") from error
    if not isinstance(found, dict):
        raise QuestionError('the arguments of a tool must be a JSON object, such as {"path": "a.txt"}')
    return found
