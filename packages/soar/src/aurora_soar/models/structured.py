"""The JSON documents that a model is asked for: found in its words, mended where that is safe, strictly checked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_soar.errors import ModelAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PlannedSubgoal", "PlannedWork", "WrittenAnswer", "read_document"]

T = TypeVar("T", bound=BaseModel)
Sentence = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"\S")]
MAX_SUBGOALS: Final = 12
MAX_ANSWER: Final = 200_000
"""Characters of a model's answer that are looked at."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PlannedSubgoal(_Document):
    """One subgoal as a model plans it; fields as in `phases.decompose.Subgoal`."""

    description: Sentence
    ideal_agent: Sentence
    ideal_agent_desc: str = ""
    assigned_agent: Sentence
    match_quality: Annotated[str, Field(pattern="^(excellent|acceptable|insufficient)$")] = "acceptable"
    source_file: str | None = None
    is_critical: bool = True
    depends_on: list[Annotated[int, Field(ge=0)]] = []


class PlannedStep(_Document):
    """A layer of the plan; read for its shape only, since the order follows from the dependencies."""

    phase: int
    parallelizable: list[int] = []
    sequential: list[int] = []


class PlannedWork(_Document):
    """A decomposition as a model writes it."""

    goal: Sentence
    subgoals: Annotated[list[PlannedSubgoal], Field(min_length=1, max_length=MAX_SUBGOALS)]
    execution_order: list[PlannedStep] = []
    expected_tools: list[str] = []


class WrittenAnswer(_Document):
    """An answer as a model writes it.

    Attributes:
        answer: Markdown; what it says of the code names its place as path:line.
        conflicts: where the agents' findings contradict each other, a sentence each.
    """

    answer: Annotated[str, Field(min_length=1, pattern=r"\S")]
    conflicts: list[Sentence] = []


def read_document(words: str, kind: type[T]) -> T:
    """Finds the document in a model's words.

    Raises:
        ModelAnswerError: there is none, or it is not as asked; the message says which field, for the model to read.
    """
    complaint = "there is no JSON object in it"
    for candidate in _candidates(words[:MAX_ANSWER]):
        try:
            return kind.model_validate(_parse(candidate))
        except ValidationError as error:
            complaint = _told(error)
        except (ValueError, RecursionError) as error:
            complaint = f"it is no valid JSON: {error}"
    raise ModelAnswerError(complaint)


_FENCED: Final = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(r",(\s*[\]}])")


def _candidates(words: str) -> Iterator[str]:
    """Where the object may stand: everything, a fenced block, from the first brace to the last."""
    text = words.strip()
    if text.startswith("{"):
        yield text
    yield from (block.strip() for block in _FENCED.findall(text) if "{" in block)
    first, last = text.find("{"), text.rfind("}")
    if 0 <= first < last:
        yield text[first : last + 1]


def _parse(text: str) -> object:
    """The value; commas before a closing bracket, the commonest slip, are taken out."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_TRAILING_COMMA.sub(r"\1", text))


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the object'}: {first['msg']}"
