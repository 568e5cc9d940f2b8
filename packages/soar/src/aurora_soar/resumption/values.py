"""The results of steps as JSON values, and back: dataclasses, documents and enums of these packages by their name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel

from aurora_soar.errors import StoredStepError

__all__ = ["from_json", "to_json"]

_PACKAGES: Final = ("aurora_core", "aurora_soar", "aurora_spawner")
_NAME, _FIELDS, _ITEMS = "of", "fields", "items"
_PLAIN: Final = (str, int, float, bool, type(None))
_SEQUENCES: Final[Mapping[str, Callable[[Iterable[Any]], object]]] = {"tuple": tuple, "frozenset": frozenset}


def to_json(value: object) -> Any:
    """Returns a value of frozen data as JSON values that `from_json` reads.

    Raises:
        TypeError: a part of it is of a type that cannot be read back.
    """
    if isinstance(value, list):
        return [to_json(each) for each in value]
    if isinstance(value, Enum) or not isinstance(value, _PLAIN):
        return _document(value)
    return value


def _document(value: object) -> dict[str, Any]:
    if isinstance(value, (tuple, frozenset)):
        return {_NAME: type(value).__name__, _ITEMS: [to_json(each) for each in value]}
    if isinstance(value, Mapping):
        return {_NAME: "mapping", _ITEMS: [[to_json(key), to_json(each)] for key, each in value.items()]}
    if isinstance(value, Enum):
        return {_NAME: _name_of(value), _ITEMS: value.value}
    if isinstance(value, BaseModel):
        return {_NAME: _name_of(value), _FIELDS: value.model_dump(mode="json")}
    name = _name_of(value)
    # What is no part of a value's representation, such as its clock, has its default again.
    shown = [each.name for each in fields(value) if each.repr]  # type: ignore[arg-type]
    return {_NAME: name, _FIELDS: {field: to_json(getattr(value, field)) for field in shown}}


def from_json(stored: Any) -> Any:
    """Returns the value that `to_json` stored.

    Raises:
        StoredStepError: it is not one, for example because another version of Aurora has written it.
    """
    try:
        return _value(stored)
    except StoredStepError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, ImportError, RecursionError) as error:
        raise StoredStepError(str(error)) from error


def _value(stored: Any) -> Any:
    if isinstance(stored, list):
        return [_value(each) for each in stored]
    return _named_value(stored[_NAME], stored) if isinstance(stored, dict) else stored


def _named_value(name: str, stored: Mapping[str, Any]) -> Any:
    if name == "mapping":
        return {_value(key): _value(each) for key, each in stored[_ITEMS]}
    if name in _SEQUENCES:
        return _SEQUENCES[name](_value(each) for each in stored[_ITEMS])
    kind = _type_of(name)
    if issubclass(kind, BaseModel):
        return kind.model_validate(stored[_FIELDS])
    if issubclass(kind, Enum):
        return kind(stored[_ITEMS])
    return kind(**{field: _value(each) for field, each in stored[_FIELDS].items()})


def _name_of(value: object) -> str:
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    _type_of(name)
    return name


def _type_of(name: str) -> type:
    """Returns a type of data of these packages; nothing else can be named.

    Raises:
        TypeError: it names none.
    """
    module, _, qualified = name.partition(":")
    if module.partition(".")[0] in _PACKAGES:
        kind = getattr(importlib.import_module(module), qualified, None)
        if isinstance(kind, type) and (issubclass(kind, (Enum, BaseModel)) or is_dataclass(kind)):
            return kind
    raise TypeError(f"{name} is no type of data of Aurora")
