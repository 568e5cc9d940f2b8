"""Problems of a value in the words of YAML, not in those of Python and pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

__all__ = ["problem_words"]

_SHOWN: Final = 40
"""Characters of a value that are repeated."""
_WANTED: Final[Mapping[str, str]] = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
}
"""Expected values, by pydantic's name for the problem."""
_WANTED_KIND: Final[Mapping[str, str]] = {
    "string_type": "must be text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
"""The same for what may hold a secret, and is not repeated."""
_ALONE: Final[Mapping[str, str]] = {
    "missing": "is required",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
"""The same for what has no value worth repeating; every least length is 1."""
_BEGINNINGS: Final = ("Input should ", "String should ", "List should ", "Tuple should ", "Dictionary should ")


def problem_words(error: ErrorDetails) -> str:
    """Returns what is wrong with a value, and what it is, to follow the name of its field."""
    kind = error["type"]
    if kind in _WANTED:
        return f"{_WANTED[kind].format(**error.get('ctx', {}))}, not {_shown(error['input'])}"
    if kind in _WANTED_KIND:
        return f"{_WANTED_KIND[kind]}, not {_kind_of(error['input'])}"
    return _ALONE.get(kind) or _in_plain_words(error["msg"])


def _in_plain_words(message: str) -> str:
    message = message.removeprefix("Value error, ")  # pydantic's name for what our own checks say
    for each in _BEGINNINGS:
        if message.startswith(each):
            return f"must {message.removeprefix(each)}"
    return message


def _shown(value: Any) -> str:
    if value is None or isinstance(value, list | dict):
        return _kind_of(value)
    words = str(value).lower() if isinstance(value, bool) else repr(value)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


def _kind_of(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "empty" if value is None else "true or false"
    kinds: tuple[tuple[type, str], ...] = ((str, "text"), (list, "a list"), (dict, "a mapping"))
    return next((words for kind, words in kinds if isinstance(value, kind)), "a number")
