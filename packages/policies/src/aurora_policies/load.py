"""Reads policies.yaml into `Policies`, or reports every error of the file."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

from aurora_policies.errors import PolicyFileError, Problem
from aurora_policies.plain_yaml import PlainYamlError, read_plain_yaml
from aurora_policies.problem_words import problem_words
from aurora_policies.schema import AgentSection, Policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from aurora_policies.plain_yaml import PlainYaml, Repeated
    from aurora_policies.schema import CommandRule, NetworkRule, ToolRule

    _Rule = CommandRule | ToolRule | NetworkRule
    BrokenExamples = Callable[[_Rule], Iterable[tuple[str, int, str]]]

__all__ = ["load_policies"]

_Place = tuple[int | str, ...]


def load_policies(path: Path, *, broken_examples: BrokenExamples) -> Policies:
    """Reads a file strictly; an empty one means the defaults.

    Args:
        broken_examples: returns the examples of a rule that it does not keep.

    Raises:
        PolicyFileError: the file cannot be read, or has a setting that is unknown, given twice or of the wrong type.
    """
    try:
        document = read_plain_yaml(path)
    except FileNotFoundError as error:
        reason = f"cannot be read: {error.strerror}; repair the file or its link"
        raise PolicyFileError(path, [Problem(line=None, column=None, field="", reason=reason)]) from error
    except PlainYamlError as error:
        problem = Problem(line=error.line, column=error.column, field=_dotted(error.place), reason=error.reason)
        raise PolicyFileError(path, [problem]) from error
    if document.value is None:
        return Policies()
    if not isinstance(document.value, dict):
        reason = "must be a mapping of sections such as budget and safety"
        raise PolicyFileError(path, [_problem_at((), document, reason)])
    problems = [_given_twice(each) for each in document.repeated]
    try:
        policies = Policies.model_validate(document.value)
    except ValidationError as error:
        problems += [_problem(details, document) for details in error.errors(include_url=False)]
    else:
        problems += _problems_of_examples(policies, document, broken_examples)
    if problems:
        raise PolicyFileError(path, problems)
    return policies


def _problems_of_examples(policies: Policies, document: PlainYaml, broken_examples: BrokenExamples) -> list[Problem]:
    """Returns a problem for each example that its rule does not keep."""
    rules = _rules_of((), policies)
    for name, section in policies.agents.items():
        rules += _rules_of(("agents", name), section)
    return [
        _problem_at((*place, field, index), document, reason)
        for place, rule in rules
        for field, index, reason in broken_examples(rule)
    ]


def _rules_of(above: _Place, section: Policies | AgentSection) -> list[tuple[_Place, _Rule]]:
    """Returns the rules of a file or of the section of an agent, each with its place."""
    lists: tuple[tuple[str, Sequence[_Rule]], ...] = (
        ("commands", section.commands),
        ("tools", section.tools),
        ("network", section.network),
    )
    return [((*above, name, at), rule) for name, rules in lists for at, rule in enumerate(rules)]


def _given_twice(again: Repeated) -> Problem:
    reason = f"is given twice, first in line {again.first_line}; keep one"
    return Problem(line=again.line, column=again.column, field=_dotted(again.place), reason=reason)


def _dotted(place: Sequence[int | str]) -> str:
    return ".".join(map(str, place))


def _problem(details: ErrorDetails, document: PlainYaml) -> Problem:
    place = _in_document(details, document.value)
    if details["type"] == "extra_forbidden":
        return _problem_at(place, document, _unknown(place))
    given = f", not {_shown(details['input']):.60}" if details["type"] != "missing" else ""
    return _problem_at(place, document, f"{problem_words(details)}{given}")


def _in_document(details: ErrorDetails, value: object) -> _Place:
    """Returns the place of a problem, without what pydantic calls the kinds of value that it tried there."""
    place = []
    for part in details["loc"]:
        parts = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(parts, dict) and part in parts:
            value = parts[part]
        elif details["type"] != "missing":
            continue
        place.append(part)
    return tuple(place)


def _shown(value: object) -> str:
    try:
        shown = json.dumps(value, ensure_ascii=False)
        return shown if shown.isprintable() else json.dumps(value)
    except (TypeError, ValueError):  # a date, for one
        return str(value)


def _problem_at(place: _Place, document: PlainYaml, reason: str) -> Problem:
    line, column = document.place_of(place)
    return Problem(line=line, column=column, field=_dotted(place), reason=reason)


def _unknown(place: _Place) -> str:
    known = _settings_in(place[:-1])
    close = get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"is not a setting; {hint}"


def _settings_in(place: _Place) -> list[str]:
    """Returns the settings of a section, also inside of lists and of sections by name."""
    model: type[BaseModel] | None = Policies
    for key in place:
        field = model.model_fields.get(str(key)) if model is not None else None
        if field is not None:
            model = _model_in(field.annotation)
        elif model is None or (isinstance(key, str) and model is not AgentSection):
            return []
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Returns the model of a section, of the members of a list, or of the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)
