"""Reads `worktree.yaml`, the file that describes what worktrees contain, or says where it is wrong."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from aurora_spawner.storage.plain_yaml import PlainYamlError, read_plain_yaml
from aurora_spawner.storage.problem_words import problem_words
from aurora_spawner.workspaces.errors import PreparationError
from aurora_spawner.workspaces.preparation import (
    MOST_PORTS,
    PORTS,
    SETUP_TIMEOUT_S,
    Preparation,
    problem_of_links,
    problem_of_path,
    problem_of_template,
    problem_of_variable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.storage.plain_yaml import PlainYaml

_T = TypeVar("_T")
_GB: Final = 10**9
_OWN: Final = "aurora"
"""The type of errors whose text is ours."""


def _without(problem_of: Callable[[_T], str | None]) -> AfterValidator:
    """Returns a validator that refuses a value for which the function returns a problem."""

    def check(value: _T) -> _T:
        problem = problem_of(value)
        if problem is not None:
            raise PydanticCustomError(_OWN, "{problem}", {"problem": problem})
        return value

    return AfterValidator(check)


def _problem_of_command(text: str) -> str | None:
    if not text.strip():
        return "is an empty command"
    # Shown in one line, where the user is asked for trust, it could pass for another command.
    return "must be one line; put a longer script into a file" if len(text.splitlines()) > 1 else None


_Path = Annotated[str, _without(problem_of_path)]
_Command = Annotated[str, _without(_problem_of_command)]
_Name = Annotated[str, _without(problem_of_variable)]
_Template = Annotated[str, _without(problem_of_template)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    copy_: list[_Path] = Field(default_factory=list, alias="copy")
    link: Annotated[list[_Path], _without(problem_of_links)] = Field(default_factory=list)
    setup: list[_Command] = Field(default_factory=list)
    setup_timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = SETUP_TIMEOUT_S
    ports: Annotated[int, Field(ge=0, le=MOST_PORTS)] = PORTS
    env: dict[_Name, _Template] = Field(default_factory=dict)
    regenerate: dict[_Path, _Command] = Field(default_factory=dict)
    max_disk_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


_KEYS: Final = tuple(each.alias or name for name, each in _File.model_fields.items())


def read_preparation(path: Path) -> Preparation:
    """Reads a file; a missing one means the defaults.

    Raises:
        PreparationError: It cannot be read, or a field is invalid; names line and field.
    """
    try:
        document = read_plain_yaml(path)
    except FileNotFoundError:
        return Preparation()
    except PlainYamlError as error:
        raise PreparationError(path, error.line, "", error.reason) from error
    if document.repeated:
        again = document.repeated[0]
        place = ".".join(map(str, again.place))
        raise PreparationError(path, again.line, place, f"is given twice, first in line {again.first_line}; keep one")
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        raise PreparationError(path, document.lines.get(()), "", "must be a mapping of settings")
    try:
        found = _File.model_validate(value)
    except ValidationError as error:
        raise _first_problem(path, document, error) from error
    return Preparation(
        copy=tuple(found.copy_),
        link=tuple(found.link),
        setup=tuple(found.setup),
        setup_timeout_s=found.setup_timeout_seconds,
        ports=found.ports,
        env=found.env,
        regenerate=found.regenerate,
        max_disk_bytes=None if found.max_disk_gb is None else int(found.max_disk_gb * _GB),
    )


def _first_problem(path: Path, document: PlainYaml, error: ValidationError) -> PreparationError:
    first = error.errors(include_url=False)[0]
    place = tuple(part for part in first["loc"] if part != "[key]")
    reason = problem_words(first)
    if first["type"] == "extra_forbidden":
        close = get_close_matches(str(place[-1]), _KEYS, n=1)
        reason = f"is not a setting; {f'did you mean {close[0]}?' if close else 'known: ' + ', '.join(_KEYS)}"
    line = next((line for end in range(len(place), -1, -1) if (line := document.lines.get(place[:end]))), None)
    return PreparationError(path, line, ".".join(map(str, place)), reason)
