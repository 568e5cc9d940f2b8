"""Read stored values back, from JSON or a database: each has the type of its field, or an error names it."""

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
"""The end of the year 9999, Unix time: calendars go no further."""
MOST: Final = 2**63 - 1
"""The largest whole number that a database keeps."""


class StoredValueError(ValueError):
    """A stored value is not what was written."""


def text(value: object) -> str:
    """A text."""
    if type(value) is not str:
        raise StoredValueError(f"is {_shown(value)} and no text")
    return value


def whole(value: object) -> int:
    """A whole number that fits into 64 bits."""
    if type(value) is not int or not -MOST <= value <= MOST:
        raise StoredValueError(f"is {_shown(value)} and no whole number")
    return value


def count(value: object) -> int:
    """A whole number from 0."""
    if whole(value) < 0:
        raise StoredValueError(f"is {_shown(value)} and less than 0")
    return whole(value)


def number(value: object) -> float:
    """A finite number."""
    if type(value) not in (int, float):
        raise StoredValueError(f"is {_shown(value)} and no number")
    try:
        found = float(value)  # type: ignore[arg-type]
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise StoredValueError(f"is {_shown(value)} and no finite number")
    return found


def moment(value: object) -> float:
    """A Unix time that calendars know."""
    if not 0 <= number(value) <= LAST_MOMENT:
        raise StoredValueError(f"is {_shown(value)} and no time")
    return number(value)


def flag(value: object) -> bool:
    """True or false; a database has 1 and 0."""
    if type(value) not in (bool, int) or value not in (0, 1):
        raise StoredValueError(f"is {_shown(value)} and neither true nor false")
    return bool(value)


def path(value: object) -> Path:
    """An absolute path."""
    found = Path(text(value))
    if "\0" in str(found) or not found.is_absolute():
        raise StoredValueError(f"is {_shown(value)} and no absolute path")
    return found


def texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)):
        raise StoredValueError(f"is {_shown(value)} and no list")
    return tuple(map(text, value))


def numbers(value: object) -> tuple[float, ...]:
    """A list of finite numbers."""
    if not isinstance(value, (list, tuple)):
        raise StoredValueError(f"is {_shown(value)} and no list")
    return tuple(map(number, value))


def document(value: object) -> dict[str, Any]:
    """A JSON object, from its text."""
    found = _parsed(value)
    if not isinstance(found, dict):
        raise StoredValueError(f"is {_shown(value)} and no JSON object")
    return found


def documents(value: object) -> list[dict[str, Any]]:
    """A JSON list of objects, from its text."""
    found = _parsed(value)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise StoredValueError(f"is {_shown(value)} and no JSON list of objects")
    return found


def _parsed(value: object) -> object:
    try:
        return json.loads(text(value))
    except (ValueError, RecursionError) as error:
        if isinstance(error, StoredValueError):
            raise
        raise StoredValueError(f"is no JSON: {error}") from error


def read_fields(kind: type, stored: object, readers: Mapping[str, Reader] | None = None) -> dict[str, Any]:
    """Checks the stored fields of a dataclass; leaves out fields of another version that the class does not have.

    Args:
        readers: By the declared type, as it is written in the class; in addition to the plain ones.

    Raises:
        StoredValueError: A field is missing, or has not its type; the message names it.
    """
    if not isinstance(stored, dict):
        raise StoredValueError(f"is {_shown(stored)} and no object")
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
    """Names, declared type, and whether there is no default, of each field."""
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
}
