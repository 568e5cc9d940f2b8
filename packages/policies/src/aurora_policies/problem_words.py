"""Problems of a value in the words of YAML, not in those of Python and pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["problem_words"]

_EXPECTED: Final = {
    "missing": "is required",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "extra_forbidden": "is not known",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
"""Expected values, by pydantic's name for the problem."""
_BEGINNINGS: Final = ("Input should ", "String should ", "List should ", "Tuple should ", "Dictionary should ")


def problem_words(details: ErrorDetails) -> str:
    """Returns what is wrong with a value, to follow the name of its field."""
    message = details["msg"].removeprefix("Value error, ")  # pydantic's name for what our own checks say
    for each in _BEGINNINGS:
        if message.startswith(each):
            message = f"must {message.removeprefix(each)}"
    return _EXPECTED.get(details["type"], message)
