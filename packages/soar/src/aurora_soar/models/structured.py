"""JSON documents of a model: found in its answer, checked strictly, and asked for again until they are valid."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_soar.errors import ModelAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aurora_soar.models.language_model import Completion, LanguageModel

__all__ = ["Criticism", "JudgedComplexity", "Replies", "WrittenAnswer", "ask_until_valid", "read_document"]

T = TypeVar("T")
Document = TypeVar("Document", bound=BaseModel)
Sentence = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"\S")]
MAX_ANSWER: Final = 200_000
"""Characters of a model's answer that are read."""
TRIES: Final = 3
"""The first prompt, and two repeats with the exact error."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WrittenAnswer(_Document):
    """An answer as a model writes it.

    Attributes:
        answer: Markdown that cites the code as path:line.
        conflicts: contradictions between the agents' findings, one sentence each.
    """

    answer: Annotated[str, Field(min_length=1, pattern=r"\S")]
    conflicts: list[Sentence] = []


class Criticism(_Document):
    """The faults of a plan as a model names them, the worst first."""

    findings: Annotated[list[Sentence], Field(max_length=20)]


class JudgedComplexity(_Document):
    """The complexity of a request as a model judges it."""

    complexity: Annotated[str, Field(pattern="^(SIMPLE|MEDIUM|COMPLEX|CRITICAL)$")]
    reason: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies(Generic[T]):
    """A model's answers to one request.

    Attributes:
        value: the value read from the first valid answer; None if no answer was valid.
        calls: every completion in order, the failed and the invalid ones included.
        errors: the reason why each completion but a valid one was rejected, in order.
    """

    value: T | None
    calls: tuple[Completion, ...]
    errors: tuple[str, ...]


async def ask_until_valid(
    model: LanguageModel, request: str, read: Callable[[Completion], T], *, title: str
) -> Replies[T]:
    """Asks a model until `read` accepts its answer, at most `TRIES` times.

    A model that fails, or is interrupted, is not asked again.

    Args:
        request: the prompt; each repeat adds the error of the previous answer to it.
        read: returns the value of an answer, or raises `ModelAnswerError`.
        title: the purpose of the prompt in a few words, shown to the user.
    """
    prompt, calls, errors = request, [], []
    for _ in range(TRIES):
        completion = await model.ask(prompt, title=title)
        calls.append(completion)
        if completion.error is not None:
            errors.append(completion.error)
            break
        try:
            value = read(completion)
        except ModelAnswerError as error:
            errors.append(str(error))
            if completion.interrupted:
                break
            prompt = f"{request}\nYour last answer to this could not be used: {error}. Answer again, in full.\n"
            continue
        return Replies(value=value, calls=tuple(calls), errors=tuple(errors))
    return Replies(value=None, calls=tuple(calls), errors=tuple(errors))


def read_document(text: str, kind: type[Document]) -> Document:
    """Returns the document in a model's answer.

    Raises:
        ModelAnswerError: the answer holds no document, or an invalid one; the message names the field for the model.
    """
    problem = "there is no JSON object in it"
    for candidate in _candidates(text[:MAX_ANSWER]):
        try:
            return kind.model_validate(_parse(candidate))
        except ValidationError as error:
            problem = _first_problem(error)
        except (ValueError, RecursionError) as error:
            problem = f"it is no valid JSON: {error}"
    raise ModelAnswerError(problem)


_FENCED: Final = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(r",(\s*[\]}])")


def _candidates(answer: str) -> Iterator[str]:
    """Yields the texts that may be the object: the whole answer, a fenced block, first brace to last brace."""
    text = answer.strip()
    if text.startswith("{"):
        yield text
    yield from (block.strip() for block in _FENCED.findall(text) if "{" in block)
    first, last = text.find("{"), text.rfind("}")
    if 0 <= first < last:
        yield text[first : last + 1]


def _parse(text: str) -> object:
    """Returns the value; commas before a closing bracket, the commonest slip, are removed."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_TRAILING_COMMA.sub(r"\1", text))


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the object'}: {first['msg']}"
