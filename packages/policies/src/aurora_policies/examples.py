"""A user's own table of commands and tools, and the answers that they expect of the policies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aurora_policies.errors import PolicyFileError, Problem
from aurora_policies.operations import Operation, OperationType
from aurora_policies.plain_yaml import PlainYamlError, read_plain_yaml
from aurora_policies.problem_words import problem_words
from aurora_policies.questions import ToolName
from aurora_policies.schema import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_policies.engine import PoliciesEngine
    from aurora_policies.operations import PolicyResult
    from aurora_policies.plain_yaml import PlainYaml

    _PlaceOf = Callable[[Sequence[int | str]], tuple[int, int | None]]
    """Returns the line and the column of a field of one example."""

__all__ = ["Example", "Outcome", "read_examples", "try_examples"]

_MAX_BYTES = 4_000_000


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    command: str | None = None
    tool: ToolName | None = None
    expect: Annotated[Action, Field(strict=False)]
    rule: str | None = None
    cwd: str = "."
    agent: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.command is None) == (self.tool is None):
            raise ValueError("must have either a command or a tool")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A command or a tool, and the answer that is expected.

    Attributes:
        line: of the file, counted from 1.
        command: the command line; None for a tool.
        tool: the name of the tool; None for a command.
        rule: the rule that is expected; None if any is right.
        cwd: the folder of the command, from where the test runs.
    """

    line: int
    command: str | None
    tool: str | None
    expect: Action
    rule: str | None
    cwd: str
    agent: str | None

    @property
    def subject(self) -> str:
        """The command, or the name of the tool."""
        return self.command if self.command is not None else self.tool or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An example, and the answer to it."""

    example: Example
    result: PolicyResult

    @property
    def kept(self) -> bool:
        """The answer is as expected."""
        return self.result.action is self.example.expect and self.example.rule in {None, self.result.rule}


def read_examples(path: Path) -> tuple[Example, ...]:
    """Reads a YAML list of examples, or one JSON object a line.

    Raises:
        PolicyFileError: the file cannot be read, holds no example, or one that is not valid.
    """
    rows = list(_json_rows(path) if path.suffix in {".jsonl", ".ndjson"} else _yaml_rows(path))
    found, problems = [], []
    for place_of, row in rows:
        try:
            value = _Row.model_validate(row)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                line, column = place_of(each["loc"])
                field = ".".join(map(str, each["loc"]))
                problems.append(Problem(line=line, column=column, field=field, reason=problem_words(each)))
            continue
        found.append(Example(line=place_of(())[0], **value.model_dump()))
    if problems:
        raise PolicyFileError(path, problems)
    if not found:
        raise PolicyFileError(
            path, [Problem(line=None, column=None, field="", reason="holds no example; add a command or a tool")]
        )
    return tuple(found)


def _yaml_rows(path: Path) -> Iterator[tuple[_PlaceOf, object]]:
    try:
        document = read_plain_yaml(path)
    except PlainYamlError as error:
        problem = Problem(line=error.line, column=error.column, field="", reason=error.reason)
        raise PolicyFileError(path, [problem]) from error
    if not isinstance(document.value, list):
        raise PolicyFileError(
            path, [Problem(line=1, column=1, field="", reason="must be a list of examples, each with a dash")]
        )
    for index, row in enumerate(document.value):
        yield partial(_place_in, document, index), row


def _place_in(document: PlainYaml, index: int, loc: Sequence[int | str]) -> tuple[int, int | None]:
    return document.place_of((index, *loc))


def _json_rows(path: Path) -> Iterator[tuple[_PlaceOf, Mapping[str, Any]]]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise PolicyFileError(path, [Problem(line=None, column=None, field="", reason=reason)]) from error
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield partial(_place_on, number), json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = "is not a JSON object; write one object a line"
            column = error.colno if isinstance(error, json.JSONDecodeError) else None
            problem = Problem(line=number, column=column, field="", reason=reason)
            raise PolicyFileError(path, [problem]) from error


def _place_on(line: int, _loc: Sequence[int | str]) -> tuple[int, int | None]:
    return line, None


def try_examples(
    engine: PoliciesEngine, examples: Sequence[Example], *, folder: Path, workspace: Path
) -> tuple[Outcome, ...]:
    """Asks the policies about each example; nothing is run."""
    return tuple(
        Outcome(
            example=each,
            result=engine.check(
                Operation(
                    type=OperationType.COMMAND if each.tool is None else OperationType.TOOL,
                    command=each.command or "",
                    target=each.tool,
                    cwd=folder / each.cwd,
                    workspace=workspace,
                    agent=each.agent,
                )
            ),
        )
        for each in examples
    )
