"""Text and JSON of settings; secrets in them are masked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line
from aurora_spawner.gates.masking import MASK, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core.settings.listing import Setting

__all__ = ["as_document", "as_lines", "origin_text", "shown", "value_text"]

_NAMED_KEY: Final = re.compile(r"(?:.*\s)?keys:[\w-]+")
"""A value that names a key of the keyring and holds none."""
_ADDRESS: Final = re.compile(r"(https?://[^/?#]+).+")
_SECRET_OPTION: Final = re.compile(r"--?[\w-]*(?:key|token|secret|passw)[\w-]*", re.IGNORECASE)


def as_lines(settings: Sequence[Setting], root: Path) -> Iterator[str]:
    """Yields a line per setting: key, value and origin in columns.

    Args:
        root: of the project; files in it are named from there.
    """
    rows = [(each.key, one_line(value_text(each), 60), origin_text(each.origin, root)) for each in settings]
    key_width = max((len(key) for key, _, _ in rows), default=0)
    value_width = max((len(value) for _, value, _ in rows), default=0)
    for key, value, origin in rows:
        yield f"{key:<{key_width}}  {value:<{value_width}}  {origin}"


def as_document(setting: Setting) -> dict[str, object]:
    """Returns a setting as data for `--json`."""
    value = _safe(setting.value, setting.key)
    return {"key": setting.key, "value": value, "origin": setting.origin}


def value_text(setting: Setting) -> str:
    """Returns the value as text: a text as it is, nothing for one that is not set, else JSON."""
    return shown(setting.value, setting.key)


def shown(value: object, key: str) -> str:
    """Returns the value of a setting as `value_text` does."""
    safe = _safe(value, key)
    if safe is None:
        return ""
    return safe if isinstance(safe, str) else json.dumps(safe, ensure_ascii=False)


def origin_text(origin: str, root: Path) -> str:
    """Returns an origin, with a file of the project named from its root."""
    path = Path(origin)
    return str(path.relative_to(root)) if path.is_absolute() and path.is_relative_to(root) else origin


def _safe(value: object, key: str) -> object:
    *above, name = key.split(".")
    inside = above[-1] if above else ""
    whole = _without_secrets({name: value}, inside)
    assert isinstance(whole, dict)
    return whole[name]


def _without_secrets(value: object, name: str) -> object:
    """Returns a value without what is secret in it, or may be.

    Args:
        name: the last word of its key.
    """
    if isinstance(value, dict):
        if name in ("env", "headers"):
            return {each: text if _NAMED_KEY.fullmatch(str(text)) else MASK for each, text in value.items()}
        return {each: _without_secrets(inner, str(each)) for each, inner in value.items()}
    if isinstance(value, list):
        options = ["", *map(str, value)]
        return [
            MASK if _SECRET_OPTION.fullmatch(option) else _without_secrets(each, name)
            for option, each in zip(options, value, strict=False)
        ]
    if isinstance(value, str):
        return _ADDRESS.sub(rf"\1/{MASK}", value) if name == "url" else masked(value)
    return value
