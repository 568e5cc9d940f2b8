"""Settings in layers, each value with where it came from.

Flags come before the environment (`AURORA_…`), that before the project's `.aurora/config.yaml`, that before the
user's `aurora/config.yaml`, that before the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from aurora_core.activation import ActivationPreset
from aurora_core.errors import ConfigError
from aurora_core.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.project import Project

__all__ = ["BackendConfig", "Config", "load_config"]

DEFAULT: Final = "default"
DEFAULT_MAX_CONCURRENT: Final = 4

_Flat = dict[str, object]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _BackendFile(_Strict):
    kind: Literal["command"]
    command: Annotated[list[str], Field(min_length=1)]
    timeout_s: PositiveFloat | None = None
    env: dict[str, str] = Field(default_factory=dict)
    fallback: list[str] = Field(default_factory=list)
    provider: Annotated[str, Field(min_length=1)] | None = None


class _SpawnerFile(_Strict):
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_MAX_CONCURRENT
    recovery: dict[str, object] = Field(default_factory=dict)


class _MemoryFile(_Strict):
    exclude: list[str] = Field(default_factory=list)
    activation: Literal["default", "aggressive", "conservative", "bla_focused", "context_focused"] = "default"
    semantic_model: Annotated[str, Field(min_length=1)] | None = None
    share_answers: bool = False


class _File(_Strict):
    """The shape of config.yaml."""

    tool: Annotated[str, Field(min_length=1)] | None = None
    backends: dict[str, _BackendFile] = Field(default_factory=dict)
    spawner: _SpawnerFile = Field(default_factory=_SpawnerFile)
    memory: _MemoryFile = Field(default_factory=_MemoryFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """An agent of the user's own: any program that takes a prompt on stdin and answers on stdout.

    Attributes:
        kind: always "command" so far.
        command: program and arguments.
        timeout_s: longest run in seconds; None leaves it to the policies.
        env: variables set for it.
        fallback: the agents that are asked when it fails, in order.
        provider: whose limits it meets; None shares them with agents of the same command.
    """

    kind: str
    command: tuple[str, ...]
    timeout_s: float | None
    env: Mapping[str, str]
    fallback: tuple[str, ...] = ()
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, resolved.

    Attributes:
        tool: the agent for tasks that name none; None leaves it to the local agent.
        backends: the user's own agents by name.
        max_concurrent: agents at once.
        recovery: what is done about failed agents; whoever runs them knows and checks its fields.
        exclude: patterns of files that are not indexed, as in `.gitignore`.
        activation: how much earlier use counts in searches.
        semantic_model: folder of an embedding model; None for searches by words alone.
        share_answers: whether this project's answers may be found from the user's other projects that say so too.
        origins: by dotted key, where its value came from; keys at their defaults are not in it.
    """

    tool: str | None
    backends: Mapping[str, BackendConfig]
    max_concurrent: int
    exclude: tuple[str, ...]
    activation: ActivationPreset = ActivationPreset.DEFAULT
    semantic_model: str | None = None
    share_answers: bool = False
    recovery: Mapping[str, object] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, key: str) -> str:
        """Where a key's value came from: a file, `environment AURORA_…`, `flag`, or `default`."""
        return self.origins.get(key, DEFAULT)


_MEMORY_KEYS: Final = tuple(_MemoryFile.model_fields)
_KEYS: Final = (
    "tool",
    "backends",
    "spawner.max_concurrent",
    "spawner.recovery",
    *(f"memory.{key}" for key in _MEMORY_KEYS),
)
_VARIABLES: Final[Mapping[str, str]] = {
    "tool": "AURORA_TOOL",
    "spawner.max_concurrent": "AURORA_SPAWNER_MAX_CONCURRENT",
    "memory.exclude": "AURORA_MEMORY_EXCLUDE",
    "memory.activation": "AURORA_MEMORY_ACTIVATION",
    "memory.semantic_model": "AURORA_MEMORY_SEMANTIC_MODEL",
    "memory.share_answers": "AURORA_MEMORY_SHARE_ANSWERS",
}
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_SWITCH: Final[Mapping[str, bool]] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def load_config(
    project: Project | None, *, environ: Mapping[str, str], overrides: Mapping[str, object] = _NOTHING
) -> Config:
    """Resolve every setting.

    Args:
        environ: the environment; `AURORA_MEMORY_EXCLUDE` is a list with commas.
        overrides: by dotted key, what flags said.

    Raises:
        ConfigError: a file or variable says something that cannot be meant; names file, line and field.
    """
    values: _Flat = {}
    origins: dict[str, str] = {}
    for path in (_user_file(environ), project.config_file if project else None):
        if path is not None:
            _layer(values, origins, _from_file(path), str(path))
    for key, value in _from_environment(environ).items():
        _layer(values, origins, {key: value}, f"environment {_VARIABLES[key]}")
    _layer(values, origins, _known(overrides), "flag")
    return _config(values, origins)


def _layer(values: _Flat, origins: dict[str, str], found: Mapping[str, object], origin: str) -> None:
    """Lay one source's values over what is there; backends are joined by name."""
    for key, value in found.items():
        if key == "backends":
            assert isinstance(value, dict)
            values[key] = {**_backends(values), **value}
            origins.update({f"backends.{name}": origin for name in value})
        else:
            values[key] = value
        origins[key] = origin


def _backends(values: _Flat) -> dict[str, _BackendFile]:
    found = values.get("backends", {})
    assert isinstance(found, dict)
    return found


def _user_file(environ: Mapping[str, str]) -> Path | None:
    base = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    return Path(base) / "aurora" / "config.yaml" if base else None


def _from_file(path: Path) -> _Flat:
    source = read_yaml(path)
    if source is None:
        return {}
    try:
        parsed = _File.model_validate(source.value)
    except ValidationError as error:
        raise _first_problem(source, error) from error
    given: _Flat = {}
    if "tool" in parsed.model_fields_set:
        given["tool"] = parsed.tool
    if "backends" in parsed.model_fields_set:
        given["backends"] = parsed.backends
    if "max_concurrent" in parsed.spawner.model_fields_set:
        given["spawner.max_concurrent"] = parsed.spawner.max_concurrent
    if "recovery" in parsed.spawner.model_fields_set:
        given["spawner.recovery"] = parsed.spawner.recovery
    for key in _MEMORY_KEYS:
        if key in parsed.memory.model_fields_set:
            given[f"memory.{key}"] = getattr(parsed.memory, key)
    return given


def _first_problem(source: YamlSource, error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    place = tuple(first["loc"])
    reason = first["msg"]
    if first["type"] == "extra_forbidden":
        reason = f"is not a setting{_suggestion(str(place[-1]), place[:-1])}"
    return ConfigError(source.path, source.line_of(place), ".".join(map(str, place)), reason)


def _suggestion(word: str, inside: tuple[int | str, ...]) -> str:
    fields = _fields_inside(inside)
    close = get_close_matches(word, fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(fields)}"


def _fields_inside(place: tuple[int | str, ...]) -> list[str]:
    models: Mapping[int | str, type[BaseModel]] = {
        "spawner": _SpawnerFile,
        "memory": _MemoryFile,
        "backends": _BackendFile,
    }
    model = models.get(place[0], _File) if place else _File
    return list(model.model_fields)


def _from_environment(environ: Mapping[str, str]) -> _Flat:
    found: _Flat = {}
    for key, variable in _VARIABLES.items():
        text = environ.get(variable, "")
        if text:
            found[key] = _from_text(key, variable, text)
    return found


def _from_text(key: str, variable: str, text: str) -> object:
    if key == "memory.exclude":
        return [pattern.strip() for pattern in text.split(",") if pattern.strip()]
    if key == "memory.share_answers":
        if text.lower() not in _SWITCH:
            raise ConfigError(variable, None, key, f"{text!r} is neither true nor false")
        return _SWITCH[text.lower()]
    if key == "memory.activation" and text not in list(ActivationPreset):
        raise ConfigError(variable, None, key, f"{text!r} is none of {', '.join(ActivationPreset)}")
    if key != "spawner.max_concurrent":
        return text
    try:
        return _SpawnerFile(max_concurrent=int(text)).max_concurrent
    except ValueError as error:
        raise ConfigError(variable, None, key, f"{text!r} is not a whole number from 1 to 1000") from error


def _known(overrides: Mapping[str, object]) -> Mapping[str, object]:
    for key in overrides:
        if key not in _KEYS:
            raise ConfigError("flag", None, key, f"is not a setting{_suggestion(key, ())}")
    return overrides


def _config(values: _Flat, origins: dict[str, str]) -> Config:
    limit = values.get("spawner.max_concurrent", DEFAULT_MAX_CONCURRENT)
    exclude = values.get("memory.exclude", ())
    tool = values.get("tool")
    assert isinstance(limit, int)
    assert isinstance(exclude, (list, tuple))
    recovery = values.get("spawner.recovery", {})
    assert isinstance(recovery, dict)
    model = values.get("memory.semantic_model")
    return Config(
        tool=None if tool is None else str(tool),
        backends={
            name: BackendConfig(
                kind=b.kind,
                command=tuple(b.command),
                timeout_s=b.timeout_s,
                env=b.env,
                fallback=tuple(b.fallback),
                provider=b.provider,
            )
            for name, b in _backends(values).items()
        },
        max_concurrent=limit,
        exclude=tuple(exclude),
        activation=ActivationPreset(str(values.get("memory.activation", ActivationPreset.DEFAULT))),
        semantic_model=None if model is None else str(model),
        share_answers=bool(values.get("memory.share_answers", False)),
        recovery=recovery,
        origins=origins,
    )
