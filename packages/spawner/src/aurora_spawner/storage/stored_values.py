"""Stored values, read from JSON or a database: each has the type of its field, or an error names the field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Reader = Callable[[Any], Any]

LAST_MOMENT: Final = 253_402_300_799.0
"""The end of the year 9999 in Unix time, the last that calendars have."""
MOST: Final = 2**63 - 1
"""The largest whole number that a database stores."""


class StoredValueError(ValueError):
    """A stored value does not have the type of its field."""


def text(value: object) -> str:
    """Returns a value if it is a text."""
    if type(value) is not str:
        raise StoredValueError(f"must be a text, not {_shown(value)}")
    return value


def storable_text(value: str, *, limit: int) -> str:
    """Returns a text that a database takes: halves of characters as escapes, and no more than `limit` characters."""
    whole_text = value.encode("utf-8", "backslashreplace").decode()
    return whole_text if len(whole_text) <= limit else f"{whole_text[: limit - 1]}…"


def whole(value: object) -> int:
    """Returns a value if it is a whole number of at most 64 bits."""
    if type(value) is not int or not -MOST <= value <= MOST:
        raise StoredValueError(f"must be a whole number of at most 64 bits, not {_shown(value)}")
    return value


def count(value: object) -> int:
    """Returns a value if it is a whole number from 0."""
    if whole(value) < 0:
        raise StoredValueError(f"must be at least 0, not {_shown(value)}")
    return whole(value)


def number(value: object) -> float:
    """Returns a value if it is a finite number."""
    if type(value) not in (int, float):
        raise StoredValueError(f"must be a number, not {_shown(value)}")
    try:
        found = float(value)  # type: ignore[arg-type]
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise StoredValueError(f"must be a finite number, not {_shown(value)}")
    return found


def moment(value: object) -> float:
    """Returns a value if it is a Unix time that calendars have."""
    if not 0 <= number(value) <= LAST_MOMENT:
        raise StoredValueError(f"must be a time, not {_shown(value)}")
    return number(value)


def flag(value: object) -> bool:
    """Returns a value if it is true or false; a database stores 1 and 0."""
    if type(value) not in (bool, int) or value not in (0, 1):
        raise StoredValueError(f"must be true or false, not {_shown(value)}")
    return bool(value)


def path(value: object) -> Path:
    """Returns a value as a path if it is an absolute one."""
    found = Path(text(value))
    if "\0" in str(found) or not found.is_absolute():
        raise StoredValueError(f"must be an absolute path, not {_shown(value)}")
    return found


def texts(value: object) -> tuple[str, ...]:
    """Returns a value if it is a list of texts."""
    if not isinstance(value, (list, tuple)):
        raise StoredValueError(f"must be a list, not {_shown(value)}")
    return tuple(map(text, value))


def numbers(value: object) -> tuple[float, ...]:
    """Returns a value if it is a list of finite numbers."""
    if not isinstance(value, (list, tuple)):
        raise StoredValueError(f"must be a list, not {_shown(value)}")
    return tuple(map(number, value))


def texts_by_name(value: object) -> dict[str, str]:
    """Returns an object whose values are texts; raises StoredValueError for anything else."""
    if not isinstance(value, dict):
        raise StoredValueError(f"must be an object, not {_shown(value)}")
    return {text(name): text(each) for name, each in value.items()}


def document(value: object) -> dict[str, Any]:
    """Returns the JSON object of a text."""
    found = _parsed(value)
    if not isinstance(found, dict):
        raise StoredValueError(f"must be a JSON object, not {_shown(value)}")
    return found


def documents(value: object) -> list[dict[str, Any]]:
    """Returns the JSON list of objects of a text."""
    found = _parsed(value)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise StoredValueError(f"must be a JSON list of objects, not {_shown(value)}")
    return found


def _parsed(value: object) -> object:
    try:
        return json.loads(text(value))
    except (ValueError, RecursionError) as error:
        if isinstance(error, StoredValueError):
            raise
        raise StoredValueError(f"is not JSON: {error}") from error


def read_fields(kind: type, stored: object, readers: Mapping[str, Reader] | None = None) -> dict[str, Any]:
    """Checks and returns the stored fields of a dataclass; skips fields that the class does not have.

    Args:
        readers: Further readers, by the declared type as written in the class.

    Raises:
        StoredValueError: A field is missing or of another type; the message names it.
    """
    if not isinstance(stored, dict):
        raise StoredValueError(f"must be an object, not {_shown(stored)}")
    found: dict[str, Any] = {}
    for name, declared, required in _declared(kind):
        if name not in stored:
            if required:
                raise StoredValueError(f"{name} is missing")
            continue
        value = stored[name]
        optional = declared.removesuffix(" | None")
        if value is None and optional != declared:
            found[name] = None
            continue
        reader = (readers or {}).get(optional) or (moment if _is_moment(name, optional) else _READERS[optional])
        try:
            found[name] = reader(value)
        except (ValueError, TypeError, KeyError) as error:
            raise StoredValueError(f"{name} {error}") from error
    return found


@cache
def _declared(kind: type) -> tuple[tuple[str, str, bool], ...]:
    """Returns the name and declared type of each field, and True if it has no default."""
    return tuple(
        (each.name, str(each.type), each.default is MISSING and each.default_factory is MISSING)
        for each in fields(kind)
        if each.name != "_"
    )


def _is_moment(name: str, declared: str) -> bool:
    return declared == "float" and (name == "at" or name.endswith(("_at", "due", "until", "since")))


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


_READERS: Final[Mapping[str, Reader]] = {
    "str": text,
    "int": whole,
    "float": number,
    "bool": flag,
    "Path": path,
    "tuple[str, ...]": texts,
    "tuple[float, ...]": numbers,
    "dict[str, str]": texts_by_name,
}
