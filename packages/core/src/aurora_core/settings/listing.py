"""Every setting with its value and the place that it comes from, for people to look at."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from aurora_core.errors import ConfigError
from aurora_core.settings.config import DEFAULT, BackendConfig, NotifyConfig, PoolConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_core.settings.config import Config

__all__ = ["Setting", "list_settings", "setting_named"]

_BACKEND_FIELDS: Final = frozenset(each.name for each in fields(BackendConfig))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting.

    Attributes:
        key: dotted, as files have it.
        value: effective; a text, number, boolean, None, or lists and dicts of them. It may hold a secret, such as a
            variable of an agent.
        origin: a file, `environment AURORA_…`, `flag`, or `default`.
    """

    key: str
    value: object
    origin: str


def list_settings(config: Config) -> tuple[Setting, ...]:
    """Returns every setting that has a value, those of agents and receivers as far as they are given."""
    return tuple(_settings(config))


def setting_named(config: Config, key: str) -> Setting:
    """Returns one setting, or a section of them as a dict.

    Raises:
        ConfigError: there is no such setting, with the nearest name; or it has no effect without trust.
    """
    found = list_settings(config)
    for each in found:
        if each.key == key:
            return each
    inside = [each for each in found if each.key.startswith(f"{key}.")]
    if inside or key in ("backends", "dashboard", "pools", "routing", "spawner.recovery"):
        origins = dict.fromkeys(each.origin for each in inside)
        return Setting(key=key, value=_nested(inside, key), origin=", ".join(origins) or DEFAULT)
    section, _, field = key.rpartition(".")
    if section in {f"backends.{name}" for name in config.backends} and field in _BACKEND_FIELDS:
        return Setting(key=key, value=None, origin=DEFAULT)
    if any(f"{key}.".startswith(f"{claim.name}.") for claim in config.untrusted):
        raise ConfigError(key, None, "", "has no effect until you trust this project: aur trust")
    raise _unknown(key, found)


def _unknown(key: str, found: tuple[Setting, ...]) -> ConfigError:
    if not key.strip():
        return ConfigError("the name of the setting", None, "", "is empty; `aur config list` shows all settings")
    sections = {each.key.rpartition(".")[0] for each in found} - {""}
    close = get_close_matches(key, [*(each.key for each in found), *sorted(sections)], n=1)
    return ConfigError(
        key, None, "", f"is not a setting; {f'did you mean {close[0]}?' if close else '`aur config list` shows all'}"
    )


def _settings(config: Config) -> Iterator[Setting]:
    plain: Mapping[str, object] = {
        "tool": config.tool,
        "isolation": config.isolation,
        "merge": config.merge,
        "conflicts": config.conflicts,
        "agent_tools": config.agent_tools,
        "check": list(config.check),
        "check_rounds": config.check_rounds,
        "review_rounds": config.review_rounds,
        "check_timeout_s": config.check_timeout_s,
        "check_protect": list(config.check_protect),
        "env_pass": list(config.env_pass),
        "spawner.max_concurrent": config.max_concurrent,
        "memory.exclude": list(config.exclude),
        "memory.activation": str(config.activation),
        "memory.semantic_model": config.semantic_model,
        "memory.share_answers": config.share_answers,
        "memory.lessons": config.lessons,
        "notify": [_given(each) for each in config.notify],
        "audit.keep_days": config.keep_days,
    }
    for key, value in plain.items():
        yield Setting(key=key, value=value, origin=config.origin(key))
    if config.routing is not None:
        origin = config.origin("routing")
        yield Setting(key="routing.among", value=list(config.routing.among), origin=origin)
        yield Setting(key="routing.at_least", value=config.routing.at_least, origin=origin)
    for name, pool in config.pools.items():
        for key, value in _given(pool).items():
            yield Setting(key=f"pools.{name}.{key}", value=value, origin=config.origin("pools"))
    yield from _about_dashboard(config)
    for key, value in config.recovery.items():
        yield Setting(key=f"spawner.recovery.{key}", value=value, origin=config.origin("spawner.recovery"))
    for name, backend in config.backends.items():
        for key, value in _given(backend).items():
            yield Setting(key=f"backends.{name}.{key}", value=value, origin=config.origin(f"backends.{name}"))


def _about_dashboard(config: Config) -> Iterator[Setting]:
    origin, oidc = config.origin("dashboard"), config.dashboard.oidc
    found: dict[str, object] = {"address": config.dashboard.address, "password": config.dashboard.password}
    if oidc is not None:
        found |= {f"oidc.{each.name}": getattr(oidc, each.name) for each in fields(oidc) if each.name != "roles"}
        found |= {"oidc.scopes": list(oidc.scopes), "oidc.roles": dict(oidc.roles)}
    for key, value in found.items():
        if value is not None:
            yield Setting(key=f"dashboard.{key}", value=value, origin=origin)


def _given(part: BackendConfig | NotifyConfig | PoolConfig) -> dict[str, object]:
    """Returns the fields that are not at their defaults."""
    found: dict[str, object] = {}
    for each in fields(part):
        value = getattr(part, each.name)
        unset = each.default if each.default_factory is MISSING else each.default_factory()
        if value != unset and value not in (None, (), {}):
            found[each.name] = list(value) if isinstance(value, tuple) else value
    return found


def _nested(settings: list[Setting], section: str) -> dict[str, object]:
    whole: dict[str, object] = {}
    for each in settings:
        *way, last = each.key.removeprefix(f"{section}.").split(".")
        at = whole
        for name in way:
            inner = at.setdefault(name, {})
            assert isinstance(inner, dict)
            at = inner
        at[last] = each.value
    return whole
