"""Findings of the local agent, as data that crosses a process boundary.

A finding is one claim about one place in the project. It carries the text that it rests on, so that a reader of the
answer, and `citations`, can check it in the file.
"""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationError

from aurora_soar.errors import AgentOutputError

__all__ = ["Aspect", "Evidence", "Finding", "FindingKind", "LocalRequest", "parse_evidence", "short_name"]


class Aspect(StrEnum):
    """The part of a question that one subgoal answers; the local agent has a module of that name for it."""

    DEFINITIONS = "definitions"
    STATEMENTS = "statements"
    FLOW = "flow"
    ERRORS = "errors"
    TESTS = "tests"
    REPORT = "report"  # the prose of an agent, which no module of the local agent extracts


class FindingKind(StrEnum):
    """The kind of claim that a finding makes about its place."""

    DEFINITION = "definition"  # this symbol is defined here; text is its signature
    STEP = "step"  # this line of a definition does something the question asks about; text is the line
    STATEMENT = "statement"  # a comment or document says this about it; text is the sentence
    FILE = "file"  # this file, or a file of the folder `about`; text is the line that says its purpose, or its first
    MEMBER = "member"  # `about`, a class or file, offers what is defined here; text is the signature
    EXAMPLE = "example"  # what is defined here is the pattern for a change; text is its signature
    USE = "use"  # this line mentions `about` without calling it; text is the line
    CALLER = "caller"  # this line calls `about`; text is the line
    MAYBE_CALLER = "maybe_caller"  # this line calls `about` or something else of its name; text is the line
    CALLEE = "callee"  # the symbol uses what is defined here; text is the signature
    PATH = "path"  # a step of the path that is asked for: this line calls `about`; text is the line
    MAYBE_PATH = "maybe_path"  # as PATH, but the line may call something else of that name
    PATH_END = "path_end"  # the path ends in what is defined here; text is the signature
    PATH_OPEN = "path_open"  # as PATH_END, but another end was asked for, which no path was found to
    RAISE = "raise"  # this line raises or reports an error; text is the line
    UNRELEASED = "unreleased"  # this line acquires what its definition does not release; text is the line
    SOUND = "sound"  # nothing in what is defined here, or in what it calls, raises or acquires; text is its signature
    CHANGE = "change"  # a commit changed the file `about` lately; text is its day, its id and its subject
    TEST = "test"  # this test calls or names `about`; text is its signature
    COMMAND = "command"  # this file says which command runs the tests; text is the command
    CLAIM = "claim"  # an agent says this about the place; text is the agent's sentence


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Document):
    """A claim with its place.

    Attributes:
        file: path from the project's root, with forward slashes.
        line: the line that shows the claim, counted from 1.
        line_end: last line of the definition, or `line` itself.
        symbol: qualified name of the definition that the line belongs to, or the section's title.
        text: the text at that place (white space may differ); of a claim, the agent's sentence; of a change, git's.
        about: the symbol, file or folder that a call, a use, a member, a test or a suspect is of; else "".
        about_file: of a caller, the file with the definition that it calls: others may have its name; else "".
        detail: the first sentence of documentation; of a suspect, its condition; or "".
        terms: the question's terms that this place mentions.
        relevance: share of the question's term weight found at the place, 0 to 1.
        chunk_id: id of the memory's chunk, to record its use.
        total: of a member, or of a file of a folder, how many of these `about` has; not all need to be findings.
    """

    kind: FindingKind
    file: str
    line: PositiveInt
    line_end: PositiveInt
    symbol: str
    text: str
    about: str = ""
    about_file: str = ""
    detail: str = ""
    terms: tuple[str, ...] = ()
    relevance: NonNegativeFloat = 0.0
    chunk_id: str = ""
    total: NonNegativeInt = 0


class Evidence(_Document):
    """The local agent's whole output for one subgoal.

    Attributes:
        findings: best first.
        missing: terms of the focus that occur nowhere in the project's memory.
        searched: number of chunks searched.
    """

    aspect: Aspect
    focus: str
    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()
    searched: int = Field(ge=0)


class LocalRequest(_Document):
    """The JSON prompt of the local agent's task.

    Attributes:
        question: the user's words.
        focus: the words that the subgoal is about: a side of a comparison, else the question's terms.
        limit: maximum number of findings of each kind.
        dependency_results: outputs of the subgoals that this one depends on; the spawner adds them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    question: str
    aspect: Aspect
    focus: str
    limit: PositiveInt = 6
    dependency_results: tuple[DependencyResult, ...] = ()


class DependencyResult(BaseModel):
    """The output of an earlier subgoal, as the spawner passes it on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    agent: str = ""
    output: str


def parse_evidence(agent: str, output: str) -> Evidence:
    """Reads a local agent's output.

    Raises:
        AgentOutputError: the output is not a valid document; the error names the field.
    """
    try:
        return Evidence.model_validate_json(output)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise AgentOutputError(agent, ".".join(map(str, first["loc"])), first["msg"]) from error


LocalRequest.model_rebuild()


def short_name(qualified: str) -> str:
    """Returns the last part of a qualified name, in whichever way its language joins the parts."""
    return re.split(r"[.:#]+", qualified)[-1]
