"""Problems that a validator finds, in the words of JSON instead of those of Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonschema.exceptions import SchemaError, ValidationError


def problem_words(problem: ValidationError | SchemaError) -> str:
    """Returns what is wrong, in one line; the validator begins or ends it with a value."""
    message = problem.message
    for value in (problem.instance, problem.validator_value):
        message = _in_json(message, value)
    return " ".join(message.split())


def shown(value: object) -> str:
    """Returns a value as JSON; as Python shows it if it has no JSON."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return ascii(value)


def _in_json(message: str, value: object) -> str:
    said = repr(value)
    if isinstance(value, str):  # its quotes tell the text from the words around it
        return message
    if message.startswith(said):
        message = f"{shown(value)}{message.removeprefix(said)}"
    return f"{message.removesuffix(said)}{shown(value)}" if message.endswith(said) else message
