"""policies.yaml → `Policies`, or every reason why not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import yaml
from pydantic import BaseModel, ValidationError

from aurora_policies.errors import PolicyFileError, Problem
from aurora_policies.schema import Policies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = ["load_policies"]

MAX_BYTES: Final = 1_000_000
# A hand-written file has some dozens of values; aliases of aliases make millions of a few lines.
MAX_VALUES: Final = 10_000

_Place = tuple[int | str, ...]


def load_policies(path: Path) -> Policies:
    """Read a file strictly; an empty one means the defaults.

    Raises:
        PolicyFileError: it cannot be read, or any setting in it is unknown, given twice or of the wrong type.
    """
    text = _text(path)
    node = _composed(path, text)
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return Policies()
    if not isinstance(node, yaml.MappingNode):
        raise _whole(path, node.start_mark.line + 1, "must be a mapping of sections such as budget and safety")
    lines: dict[_Place, int] = {}
    problems = list(_note_lines(node, (), lines))
    try:
        policies = Policies.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        problems += [_problem(details, lines) for details in error.errors(include_url=False)]
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise _whole(path, None, f"cannot be read as YAML: {error}") from error
    if problems:
        raise PolicyFileError(path, problems)
    return policies


def _whole(path: Path, line: int | None, reason: str) -> PolicyFileError:
    return PolicyFileError(path, [Problem(line=line, field="", reason=reason)])


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _whole(path, None, f"cannot be read: {error.strerror}; mend the file or its link") from error
    if len(content) > MAX_BYTES:
        raise _whole(path, None, f"is larger than {MAX_BYTES // 1_000_000} MB; this is no policy file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _whole(path, line, "is not UTF-8 text; save it as UTF-8") from error


def _composed(path: Path, text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise _whole(path, mark.line + 1 if mark else None, f"is not valid YAML: {reason}") from error
    except RecursionError as error:
        raise _whole(path, None, "is nested too deeply") from error
    if _count(node) > MAX_VALUES:
        raise _whole(path, None, "has too many values; do aliases (*name) repeat?")
    return node


def _count(node: yaml.Node | None) -> int:
    """Values as an expanded file would have, counted no further than the limit; a loop of aliases passes it too."""
    todo, found = [node], 0
    while todo and found <= MAX_VALUES:
        found += 1
        at = todo.pop()
        if isinstance(at, yaml.MappingNode):
            todo += [part for pair in at.value for part in pair]
        elif isinstance(at, yaml.SequenceNode):
            todo += at.value
    return found


def _note_lines(node: yaml.Node, place: _Place, lines: dict[_Place, int]) -> Iterator[Problem]:
    """Fill in the line of every value; yields the keys that are given twice."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _note_lines(item, (*place, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            line = key.start_mark.line + 1
            if inner in lines:
                reason = f"is given twice, first in line {lines[inner]}; keep one"
                yield Problem(line=line, field=_dotted(inner), reason=reason)
            lines[inner] = line
            yield from _note_lines(value, inner, lines)


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
