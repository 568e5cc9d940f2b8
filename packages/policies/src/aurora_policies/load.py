"""Reads policies.yaml into `Policies`, or reports every error of the file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from aurora_policies.errors import PolicyFileError, Problem
from aurora_policies.plain_yaml import PlainYamlError, read_plain_yaml
from aurora_policies.schema import Policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from aurora_policies.plain_yaml import Repeated

__all__ = ["load_policies"]

_Place = tuple[int | str, ...]


def load_policies(path: Path) -> Policies:
    """Reads a file strictly; an empty one means the defaults.

    Raises:
        PolicyFileError: the file cannot be read, or has a setting that is unknown, given twice or of the wrong type.
    """
    try:
        document = read_plain_yaml(path)
    except FileNotFoundError as error:
        raise _whole(path, None, f"cannot be read: {error.strerror}; repair the file or its link") from error
    except PlainYamlError as error:
        raise _whole(path, error.line, error.reason) from error
    if document.value is None:
        return Policies()
    if not isinstance(document.value, dict):
        raise _whole(path, document.lines[()], "must be a mapping of sections such as budget and safety")
    problems = [_given_twice(each) for each in document.repeated]
    try:
        policies = Policies.model_validate(document.value)
    except ValidationError as error:
        problems += [_problem(details, document.lines) for details in error.errors(include_url=False)]
    if problems:
        raise PolicyFileError(path, problems)
    return policies


def _whole(path: Path, line: int | None, reason: str) -> PolicyFileError:
    return PolicyFileError(path, [Problem(line=line, field="", reason=reason)])


def _given_twice(again: Repeated) -> Problem:
    reason = f"is given twice, first in line {again.first_line}; keep one"
    return Problem(line=again.line, field=_dotted(again.place), reason=reason)


def _dotted(place: Sequence[int | str]) -> str:
    return ".".join(map(str, place))


def _problem(details: ErrorDetails, lines: Mapping[_Place, int]) -> Problem:
    place = tuple(details["loc"])
    line = next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)
    if details["type"] == "extra_forbidden":
        return Problem(line=line, field=_dotted(place), reason=_unknown(place))
    given = f", not {details['input']!r:.60}" if details["type"] != "missing" else ""
    return Problem(line=line, field=_dotted(place), reason=f"{details['msg']}{given}")


def _unknown(place: _Place) -> str:
    known = _settings_in(place[:-1])
    close = get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"is not a setting; {hint}"


def _settings_in(place: _Place) -> list[str]:
    model: type[BaseModel] = Policies
    for key in place:
        field = model.model_fields.get(str(key))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)
