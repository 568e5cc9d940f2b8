"""The shape of config.yaml, and what is wrong with one that does not have it.

Apart from `config`, because a project without settings should not wait for the library that checks them.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from aurora_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.yaml_source import YamlSource

__all__ = ["BackendFile", "settings_in", "suggestion"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BackendFile(_Strict):
    """One of the user's own agents."""

    kind: Literal["command"]
    command: Annotated[list[str], Field(min_length=1)]
    timeout_s: PositiveFloat | None = None
    env: dict[str, str] = Field(default_factory=dict)
    fallback: list[str] = Field(default_factory=list)
    provider: Annotated[str, Field(min_length=1)] | None = None


class _SpawnerFile(_Strict):
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 4
    recovery: dict[str, object] = Field(default_factory=dict)


class _MemoryFile(_Strict):
    exclude: list[str] = Field(default_factory=list)
    activation: Literal["default", "aggressive", "conservative", "bla_focused", "context_focused"] = "default"
    semantic_model: Annotated[str, Field(min_length=1)] | None = None
    share_answers: bool = False


class _File(_Strict):
    """The shape of config.yaml."""

    tool: Annotated[str, Field(min_length=1)] | None = None
    backends: dict[str, BackendFile] = Field(default_factory=dict)
    spawner: _SpawnerFile = Field(default_factory=_SpawnerFile)
    memory: _MemoryFile = Field(default_factory=_MemoryFile)


def settings_in(source: YamlSource) -> dict[str, object]:
    """The settings of a file, by dotted key.

    Raises:
        ConfigError: something in it cannot be meant; names line and field.
    """
    try:
        parsed = _File.model_validate(source.value)
    except ValidationError as error:
        raise _first_problem(source, error) from error
    given: dict[str, object] = {}
    if "tool" in parsed.model_fields_set:
        given["tool"] = parsed.tool
    if "backends" in parsed.model_fields_set:
        given["backends"] = parsed.backends
    if "max_concurrent" in parsed.spawner.model_fields_set:
        given["spawner.max_concurrent"] = parsed.spawner.max_concurrent
    if "recovery" in parsed.spawner.model_fields_set:
        given["spawner.recovery"] = parsed.spawner.recovery
    given |= {f"memory.{key}": getattr(parsed.memory, key) for key in parsed.memory.model_fields_set}
    return given


def _first_problem(source: YamlSource, error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    place = tuple(first["loc"])
    reason = first["msg"]
    if first["type"] == "extra_forbidden":
        reason = f"is not a setting{suggestion(str(place[-1]), place[:-1])}"
    return ConfigError(source.path, source.line_of(place), ".".join(map(str, place)), reason)


def suggestion(word: str, inside: tuple[int | str, ...]) -> str:
    """The setting that was likely meant, or all that are known in a place."""
    fields = _fields_inside(inside)
    close = get_close_matches(word, fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(fields)}"


def _fields_inside(place: tuple[int | str, ...]) -> list[str]:
    models: Mapping[int | str, type[BaseModel]] = {
        "spawner": _SpawnerFile,
        "memory": _MemoryFile,
        "backends": BackendFile,
    }
    model = models.get(place[0], _File) if place else _File
    return list(model.model_fields)
