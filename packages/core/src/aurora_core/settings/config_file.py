"""The schema of config.yaml, and the errors of a file that does not follow it.

It is separate from `config`, because a project without settings should not wait for pydantic.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from string import Template
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from aurora_core.errors import ConfigError
from aurora_core.settings.dashboard_file import AuditFile, DashboardFile, OidcFile, RolesFile
from aurora_core.settings.key_names import named_key
from aurora_core.settings.notify_events import NOTIFY_EVENTS, NOTIFY_FIELDS
from aurora_core.settings.problem_words import problem_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.settings.yaml_source import YamlSource

__all__ = ["BackendFile", "ConfigFile", "NotifyFile", "PoolFile", "RoutingFile", "settings_in", "suggestion"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Word = Annotated[str, Field(min_length=1)]
_Pattern = Annotated[str, Field(pattern=r"^[A-Za-z_*?][A-Za-z0-9_*?]*$")]
"""The name of a variable, or a pattern of names."""
_Label = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
_CLI: Final = "a known CLI"
_ONLY_FOR: Final = {
    "prompt": ("command",),
    "events": ("command",),
    "conversation": ("command",),
    "command": ("command", _CLI),
    "args": (_CLI,),
    "permissive": (_CLI,),
    "isolated": (_CLI,),
    "api": ("model",),
    "base_url": ("model",),
    "key": ("model",),
    "max_tokens": ("model",),
    "history_tokens": ("model",),
    "env_pass": ("command", _CLI),
    "pool": ("command", _CLI),
    "labels": ("command", _CLI),
}
"""Settings that only some kinds of agents have."""


def _one_line(command: str) -> str:
    """Refuses a command of several lines: shown in one line it could pass for another one."""
    if len(command.splitlines()) > 1:
        raise PydanticCustomError("line", "must be one line; put a longer script into a file")
    return command


def _without_secret(url: str) -> str:
    """Refuses credentials in an address, which process lists and messages show."""
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise PydanticCustomError(
            "secret", "must hold no user or password; name a key instead, like `key: keys:openai`", {}
        )
    return url


class BackendFile(_Strict):
    """An agent that the user configures, or the user's choices for a known CLI."""

    kind: _Word
    command: Annotated[list[_Word], Field(min_length=1)] | None = None
    prompt: Literal["stdin", "file", "argument"] = "stdin"
    events: _Word = "none"
    conversation: Literal["one-shot", "json-lines", "acp"] = "one-shot"
    model: _Word | None = None
    args: list[str] = Field(default_factory=list)
    permissive: bool | None = None
    isolated: bool = False
    timeout_s: PositiveFloat | None = None
    env: dict[str, str] = Field(default_factory=dict)
    env_pass: list[_Pattern] = Field(default_factory=list)
    pool: _Word | None = None
    labels: Annotated[list[_Label], Field(max_length=8)] = Field(default_factory=list)
    fallback: list[str] = Field(default_factory=list)
    provider: _Word | None = None
    api: Literal["anthropic", "openai", "openai-responses", "gemini"] = "openai"
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/]\S*$"), AfterValidator(_without_secret)] | None = None
    key: Annotated[str, AfterValidator(named_key)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    history_tokens: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> BackendFile:
        kind = self.kind if self.kind in ("command", "model") else _CLI
        for name, kinds in _ONLY_FOR.items():
            if name in self.model_fields_set and kind not in kinds:
                raise PydanticCustomError("unfit", "{name} is not a setting of kind {kind}", _about(name, self.kind))
        if self.kind == "command" and self.command is None:
            raise PydanticCustomError("unfit", "{name} is required for kind {kind}", _about("command", self.kind))
        if self.kind == "model" and self.model is None:
            raise PydanticCustomError("unfit", "{name} is required for kind {kind}", _about("model", self.kind))
        return self


_SECRET_HEADER: Final = re.compile(r"auth|cookie|token|secret|key", re.IGNORECASE)
_KEY_IN_TEXT: Final = re.compile(r"(?:^|[\s=:])keys:[a-z][a-z0-9_-]{0,63}$")
_WAYS: Final = ("command", "url", "bell", "desktop")


def _event(name: str) -> str:
    if name not in NOTIFY_EVENTS:
        close = get_close_matches(name, NOTIFY_EVENTS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(NOTIFY_EVENTS)}"
        raise PydanticCustomError("event", "is not a known event; {hint}", {"hint": hint})
    return name


def _with_named_key(headers: dict[str, str]) -> dict[str, str]:
    """Refuses a secret in a header, which must not be in a file; a key's name may stand at its end."""
    for name, value in headers.items():
        if _SECRET_HEADER.search(name) and not _KEY_IN_TEXT.search(value):
            raise PydanticCustomError(
                "key", "{name} must name a key at its end, like `Bearer keys:chat`", {"name": name}
            )
    return headers


def _body_template(body: str) -> str:
    """Refuses a template with an unknown placeholder."""
    template = Template(body)
    unknown = sorted({*template.get_identifiers()} - set(NOTIFY_FIELDS)) if template.is_valid() else ["$"]
    if unknown:
        known = ", ".join(f"${each}" for each in NOTIFY_FIELDS)
        raise PydanticCustomError(
            "body",
            "has {word}, which is no placeholder; known: {known}; a dollar is $$",
            {"word": unknown[0], "known": known},
        )
    return body


class NotifyFile(_Strict):
    """One receiver of notifications outside of the terminal: a command, an address, the bell or the desktop."""

    on: Annotated[list[Annotated[str, AfterValidator(_event)]], Field(min_length=1)] = Field(
        default=list(NOTIFY_EVENTS)
    )
    command: Annotated[list[_Word], Field(min_length=1)] | None = None
    url: Annotated[str, Field(pattern=r"^(https?://[^\s/]\S*|keys:[a-z][a-z0-9_-]{0,63})$")] | None = None
    body: Annotated[str, AfterValidator(_body_template)] | None = None
    headers: Annotated[dict[str, str], AfterValidator(_with_named_key)] = Field(default_factory=dict)
    bell: bool = False
    desktop: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> NotifyFile:
        if sum(bool(getattr(self, way)) for way in _WAYS) != 1:
            raise PydanticCustomError("way", "must have exactly one of {ways}", {"ways": ", ".join(_WAYS)})
        if self.url is None and (self.body is not None or self.headers):
            raise PydanticCustomError("way", "body and headers need a url")
        if self.url and "://" in self.url:
            _without_secret(self.url)
        return self


_HELPER: Final = re.compile(r"^[A-Za-z0-9+.-]+::")
_URL: Final = re.compile(r"^(https|ssh|file)://\S+$")
_HOST_AND_PATH: Final = re.compile(r"^[A-Za-z0-9][^\s/:]*:[^\s:]\S*$")


def _of_git(address: str) -> str:
    """Refuses what git would take for an option or for a program to start, and secrets."""
    if "://" in address:
        _without_password(address)
        fits = bool(_URL.match(address))
    else:
        fits = bool(_HOST_AND_PATH.match(address)) or address.startswith(("/", "~/"))
    if _HELPER.match(address) or not fits or not address.isprintable():
        raise PydanticCustomError(
            "address", "must be an absolute path, ssh://…, https://…, file://… or user@host:path of a git repository"
        )
    return address


def _without_password(address: str) -> None:
    scheme, rest = address.split("://", 1)
    user, at, _ = rest.split("/", 1)[0].rpartition("@")
    if at and (":" in user or scheme != "ssh"):
        raise PydanticCustomError("secret", "must hold no user or password; git's own credential helpers keep them")


_HOST: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.@%+:-]*$"
"""A host for ssh, with or without a user; never an option."""


class PoolFile(_Strict):
    """A pool, as this side reaches it: workers that share a git repository, or a host over ssh."""

    repository: Annotated[_Word, AfterValidator(_of_git)] | None = None
    ssh: Annotated[str, Field(pattern=_HOST)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    folder: Annotated[_Word, AfterValidator(_one_line)] | None = None
    program: Annotated[_Word, AfterValidator(_one_line)] = "aur"
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 1
    give_up_after: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_way(self) -> PoolFile:
        if (self.repository is None) == (self.ssh is None):
            raise PydanticCustomError("way", "must have exactly one of repository and ssh")
        own = self.model_fields_set - {"repository", "ssh"}
        if self.ssh is None and own:
            raise PydanticCustomError("way", "{name} is for a pool with ssh", {"name": min(own)})
        return self


def _about(name: str, kind: str) -> dict[str, str]:
    return {"name": name, "kind": kind}


def _to_choose_from(names: list[str]) -> list[str]:
    """Refuses a single name, which leaves no choice, and a name that is there twice."""
    if len(names) < 2:
        raise PydanticCustomError("few", "must name two agents or more; `tool:` names one")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PydanticCustomError("twice", "must name each agent once, not {name} twice", {"name": twice})
    return names


class RoutingFile(_Strict):
    """The agents among which results decide, and how many results that takes."""

    among: Annotated[list[_Word], AfterValidator(_to_choose_from)]
    at_least: Annotated[int, Field(ge=1, le=1_000_000)] = 20


class _SpawnerFile(_Strict):
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 4
    recovery: dict[str, object] = Field(default_factory=dict)


class _MemoryFile(_Strict):
    exclude: list[str] = Field(default_factory=list)
    activation: Literal["default", "aggressive", "conservative", "bla_focused", "context_focused"] = "default"
    semantic_model: Annotated[str, Field(min_length=1)] | None = None
    share_answers: bool = False
    lessons: bool = False


class ConfigFile(_Strict):
    """The schema of config.yaml."""

    tool: Annotated[str, Field(min_length=1)] | None = None
    routing: RoutingFile | None = None
    backends: dict[str, BackendFile] = Field(default_factory=dict)
    env_pass: list[_Pattern] = Field(default_factory=list)
    isolation: Literal["auto", "worktree", "none"] = "auto"
    merge: Literal["auto", "ask", "never"] = "ask"
    conflicts: Annotated[str, Field(min_length=1)] = "leave"
    agent_tools: bool = False
    check: list[Annotated[_Word, AfterValidator(_one_line)]] = Field(default_factory=list)
    check_rounds: Annotated[int, Field(ge=0, le=20)] = 2
    review_rounds: Annotated[int, Field(ge=0, le=20)] = 2
    check_timeout_s: PositiveFloat = 1800.0
    check_protect: list[_Word] = Field(default_factory=list)
    notify: list[NotifyFile] = Field(default_factory=list)
    pools: dict[_Word, PoolFile] = Field(default_factory=dict)
    spawner: _SpawnerFile = Field(default_factory=_SpawnerFile)
    memory: _MemoryFile = Field(default_factory=_MemoryFile)
    dashboard: DashboardFile | None = None
    audit: AuditFile = Field(default_factory=AuditFile)


_TOP_LEVEL: Final = tuple(key for key in ConfigFile.model_fields if key not in ("spawner", "memory", "audit"))


def settings_in(source: YamlSource) -> dict[str, object]:
    """Returns the settings of a file, by dotted key.

    Raises:
        ConfigError: a setting is invalid; names line and field.
    """
    try:
        parsed = ConfigFile.model_validate(source.value)
    except ValidationError as error:
        raise _first_problem(source, error) from error
    given: dict[str, object] = {}
    for key in _TOP_LEVEL:
        if key in parsed.model_fields_set:
            given[key] = getattr(parsed, key)
    if "max_concurrent" in parsed.spawner.model_fields_set:
        given["spawner.max_concurrent"] = parsed.spawner.max_concurrent
    if "recovery" in parsed.spawner.model_fields_set:
        given["spawner.recovery"] = parsed.spawner.recovery
    if "keep_days" in parsed.audit.model_fields_set:
        given["audit.keep_days"] = parsed.audit.keep_days
    given |= {f"memory.{key}": getattr(parsed.memory, key) for key in parsed.memory.model_fields_set}
    return given


def _first_problem(source: YamlSource, error: ValidationError) -> ConfigError:
    # An unknown setting comes first: what seems to be missing may only be misspelt.
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    place = tuple(first["loc"])
    reason = problem_words(first)
    if first["type"] == "unfit":
        place, reason = (*place, first["ctx"]["name"]), reason.removeprefix(f"{first['ctx']['name']} ")
    if first["type"] == "missing" and place[0] == "backends" and place[-1] == "kind":
        name = place[1]
        reason = (
            f"is required; set it too, as in backends.{name}: {{kind: claude}}, or command for a program of your own"
        )
    if first["type"] == "extra_forbidden":
        reason = f"is not a setting{suggestion(str(place[-1]), place[:-1])}"
    return ConfigError(source.path, source.line_of(place), ".".join(map(str, place)), reason)


def suggestion(word: str, inside: tuple[int | str, ...]) -> str:
    """Returns the setting that was probably meant, or all known settings of a section."""
    fields = _fields_inside(inside)
    close = get_close_matches(word, fields, n=1)
    return (
        f"; did you mean {'.'.join(map(str, (*inside, *close)))}?" if close else f"; known here: {', '.join(fields)}"
    )


_IN_DASHBOARD: Final[Mapping[tuple[int | str, ...], type[BaseModel]]] = {
    ("oidc",): OidcFile,
    ("oidc", "roles"): RolesFile,
}


def _fields_inside(place: tuple[int | str, ...]) -> list[str]:
    models: Mapping[int | str, type[BaseModel]] = {
        "spawner": _SpawnerFile,
        "memory": _MemoryFile,
        "backends": BackendFile,
        "notify": NotifyFile,
        "pools": PoolFile,
        "routing": RoutingFile,
        "dashboard": _IN_DASHBOARD.get(place[1:], DashboardFile),
        "audit": AuditFile,
    }
    model = models.get(place[0], ConfigFile) if place else ConfigFile
    return list(model.model_fields)
