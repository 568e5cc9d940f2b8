"""Typed results: the one JSON document of an agent's answer, read strictly by the schema of its task."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.tasks.result_schema import validator_of
from aurora_spawner.tasks.schema_problems import problem_words
from aurora_spawner.tasks.strict_json import NotJsonError, parse_strictly

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

DOCUMENT_CHARACTERS: Final = 200_000
"""The longest document; the journal keeps it whole."""
_FENCE: Final = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(?P<body>.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_SHOWN_PROBLEMS: Final = 5
_PROBLEM_CHARACTERS: Final = 300


class DocumentError(ValueError):
    """An answer is not the document that was asked for; the message says where, and what was expected."""


def read_document(answer: str, schema: str) -> Any:
    """Returns the document of an answer: all of it, or its one fenced block. Nothing is guessed or repaired.

    Args:
        schema: A text that `schema_text` has returned.

    Raises:
        DocumentError: There is none, there are several, or it is not valid by the schema.
    """
    text = _document_in(answer)
    if len(text) > DOCUMENT_CHARACTERS:
        raise DocumentError(f"the document has {len(text):,} characters; at most {DOCUMENT_CHARACTERS:,} are allowed")
    try:
        document = parse_strictly(text)
    except NotJsonError as error:
        raise DocumentError(f"the answer is not a JSON document: {error}") from error
    _check(document, schema)
    return document


def _document_in(answer: str) -> str:
    text = answer.strip()
    if not text:
        raise DocumentError("the answer is empty")
    if text[0] in "{[":
        return text
    blocks = [found["body"] for found in _FENCE.finditer(text)]
    if len(blocks) > 1:
        raise DocumentError(f"the answer has {len(blocks)} fenced blocks, and must have one document")
    return blocks[0].strip() if blocks else text


def _check(document: Any, schema: str) -> None:
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        problems = sorted(validator_of(schema).iter_errors(document), key=lambda each: each.json_path)
        # Of "is not valid under any of the given schemas", the closest alternative says more.
        exact = [best_match(iter([each])) or each for each in problems[:_SHOWN_PROBLEMS]]
    except (RecursionError, Unresolvable) as error:
        raise DocumentError(
            f"the document cannot be validated by the schema: {error}"[:_PROBLEM_CHARACTERS]
        ) from error
    if problems:
        more = len(problems) - len(exact)
        lines = [*map(_line, exact), *([f"and {more} more"] if more else [])]
        raise DocumentError("; ".join(lines))


def _line(problem: ValidationError) -> str:
    message = problem_words(problem)
    if len(message) > _PROBLEM_CHARACTERS:  # it begins with the value that is wrong
        message = f"{message[: _PROBLEM_CHARACTERS // 3]} […] {message[-_PROBLEM_CHARACTERS // 2 :]}"
    return f"{problem.json_path}: {message}"


def pretty(document: object) -> str:
    """Returns a document as people and agents read it."""
    return json.dumps(document, ensure_ascii=False, indent=2)
