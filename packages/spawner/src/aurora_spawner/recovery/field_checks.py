"""Checks of the fields of recovery policies, with messages that name the field."""

from __future__ import annotations

import math
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aurora_spawner.errors import RecoveryPolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check", "check_counts", "check_flags", "check_kind", "check_seconds", "is_number", "suggestion"]


def check(holds: bool, name: str, problem: str) -> None:
    """Raises RecoveryPolicyError with a field's name and problem unless the condition holds."""
    if not holds:
        raise RecoveryPolicyError(name, problem)


def is_number(value: object) -> bool:
    """Returns True for a finite number; a bool is not one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_seconds(owner: object, *names: str, zero: bool = True) -> None:
    """Checks that fields of an object are numbers of seconds, 0 or more, or above 0.

    Raises:
        RecoveryPolicyError: One is not.
    """
    for name in names:
        value = getattr(owner, name)
        least = "at least 0" if zero else "above 0"
        sound = is_number(value) and (value >= 0 if zero else value > 0)
        check(sound, name, f"must be a number of seconds {least}, not {value!r}")


def check_flags(owner: object, *names: str) -> None:
    """Checks that fields of an object are true or false.

    Raises:
        RecoveryPolicyError: One is not.
    """
    for name in names:
        value = getattr(owner, name)
        check(isinstance(value, bool), name, f"must be true or false, not {value!r}")


def check_counts(owner: object, least: int, *names: str) -> None:
    """Checks that fields of an object are whole numbers of a least size.

    Raises:
        RecoveryPolicyError: One is not.
    """
    for name in names:
        value = getattr(owner, name)
        sound = isinstance(value, int) and not isinstance(value, bool) and value >= least
        check(sound, name, f"must be a whole number of at least {least}, not {value!r}")


def check_kind(owner: object, name: str, kind: type) -> None:
    """Checks that a field of an object is of a class; if that is an enum, the message names its values.

    Raises:
        RecoveryPolicyError: It is not.
    """
    value = getattr(owner, name)
    known = ", ".join(kind) if issubclass(kind, StrEnum) else kind.__name__
    check(isinstance(value, kind), name, f"must be one of {known}, not {value!r}")


def suggestion(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """Returns the end of a message about an unknown name: the known name that is closest, or all known names."""
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
