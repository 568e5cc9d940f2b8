"""What the local agent found, as data that crosses a process boundary.

A finding is one claim about one place in the project. It carries the words it rests on, so that whoever reads the
answer, and `citations`, can hold it against the file.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, ValidationError

from aurora_soar.errors import AgentOutputError

__all__ = ["Aspect", "Evidence", "Finding", "FindingKind", "LocalRequest", "parse_evidence"]


class Aspect(StrEnum):
    """The part of a question that one subgoal answers."""

    DEFINITIONS = "definitions"
    STATEMENTS = "statements"
    FLOW = "flow"
    ERRORS = "errors"
    TESTS = "tests"
    REPORT = "report"  # what an agent says in its own words


class FindingKind(StrEnum):
    """What a finding says about its place."""

    DEFINITION = "definition"  # this symbol is defined here; text is its signature
    STEP = "step"  # this line of a definition does something the question asks about; text is the line
    STATEMENT = "statement"  # somebody wrote this sentence about it; text is the sentence
    CALLER = "caller"  # this line uses the symbol; text is the line
    CALLEE = "callee"  # the symbol uses what is defined here; text is the signature
    RAISE = "raise"  # this line raises or reports an error; text is the line
    TEST = "test"  # this test exercises it; text is its signature
    CLAIM = "claim"  # an agent says this of the place; text is what it says


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Document):
    """One claim with its place.

    Attributes:
        file: path from the project's root, with forward slashes.
        line: the line that shows the claim, counted from 1.
        line_end: last line of what is meant (the definition's end), ≥ line.
        symbol: qualified name of the definition it belongs to, or the section's title.
        text: words that stand at that place (white space may differ); for a claim, what is said of it.
        about: for calls, the symbol at the other end; else "".
        detail: a first sentence of documentation, "" where there is none.
        terms: the question's terms that this place speaks of.
        relevance: share of the question's term weight found at the place, 0 to 1.
        chunk_id: the memory's chunk, for the record of its use.
    """

    kind: FindingKind
    file: str
    line: PositiveInt
    line_end: PositiveInt
    symbol: str
    text: str
    about: str = ""
    detail: str = ""
    terms: tuple[str, ...] = ()
    relevance: NonNegativeFloat = 0.0
    chunk_id: str = ""


class Evidence(_Document):
    """The local agent's whole output for one subgoal.

    Attributes:
        findings: best first.
        missing: terms of the focus that nothing in the project's memory speaks of.
        searched: how many chunks were looked at.
    """

    aspect: Aspect
    focus: str
    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()
    searched: int = Field(ge=0)


class LocalRequest(_Document):
    """What the local agent is asked, as the JSON prompt of its task.

    Attributes:
        question: the person's words.
        focus: the words this subgoal is about; a side of a comparison, else the question's own terms.
        limit: at most this many findings of each kind.
        dependency_results: outputs of the subgoals this one depends on; the spawner adds them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    question: str
    aspect: Aspect
    focus: str
    limit: PositiveInt = 6
    dependency_results: tuple[DependencyResult, ...] = ()


class DependencyResult(BaseModel):
    """An earlier subgoal's output, as the spawner hands it on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    agent: str = ""
    output: str


def parse_evidence(agent: str, output: str) -> Evidence:
    """Reads a local agent's output.

    Raises:
        AgentOutputError: it is not such a document; says which field.
    """
    try:
        return Evidence.model_validate_json(output)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise AgentOutputError(agent, ".".join(map(str, first["loc"])), first["msg"]) from error


LocalRequest.model_rebuild()
