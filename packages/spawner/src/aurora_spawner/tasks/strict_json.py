"""JSON as its standard has it: no repeated names, no infinite numbers, no text that cannot be UTF-8."""

from __future__ import annotations

import json
import math
from typing import Any


class NotJsonError(ValueError):
    """The text is not JSON; the message says where and why."""


def parse_strictly(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        NotJsonError: It is not JSON, or a reader could understand it in two ways.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise NotJsonError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except UnicodeEncodeError as error:
        raise NotJsonError("half of a surrogate pair is no character") from error
    except RecursionError as error:
        raise NotJsonError("it is nested too deeply") from error
    except NotJsonError:
        raise
    except ValueError as error:
        raise NotJsonError("a whole number has thousands of digits") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise NotJsonError(f"an object has {name!a:.80} twice")
        found[name] = value
    return found


def _refuse_constant(name: str) -> float:
    raise NotJsonError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJsonError(f"the number {text[:40]} is too large")
    return value
