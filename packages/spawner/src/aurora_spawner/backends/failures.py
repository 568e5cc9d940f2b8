"""Failures read from the errors of model APIs, also as agents pass them on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.fields import object_in
from aurora_spawner.tasks.failure import ReportedFailure, believed_wait_s

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_LENGTH: Final = 4_000
NESTING: Final = 8
"""The number of nested errors that are unwrapped."""
_EMPTY: Final = ("", "error", "api_error", "query", "apierror", "unknown")


def failure_in(error: object, *, depth: int = NESTING) -> ReportedFailure:
    """Returns the failure in an API's error; unwraps nested errors and JSON in the message."""
    if isinstance(error, str):
        inner = object_in(error) if depth else None
        if inner:
            return failure_in(inner.raw, depth=depth - 1)
        return ReportedFailure(status=status_in(error), message=error[:MESSAGE_LENGTH])
    if not isinstance(error, dict):
        return ReportedFailure()
    if isinstance(error.get("error"), dict) and depth:
        return failure_in(error["error"], depth=depth - 1)
    data = error.get("data")
    nested = data if isinstance(data, dict) else error
    message = _message(nested)
    inner = object_in(message[message.find("{") : message.rfind("}") + 1]) if depth else None
    if inner:
        return failure_in(inner.raw, depth=depth - 1)
    words = [nested.get(key) for key in ("code", "status", "type", "errorType")]
    return ReportedFailure(
        code=next((word for word in words if isinstance(word, str) and word.lower() not in _EMPTY), "")[:200],
        status=_first_status(nested, "statusCode", "code", "status") or status_in(message),
        message=message[:MESSAGE_LENGTH],
        retry_after_s=_retry_after(nested.get("responseHeaders")),
    )


def _message(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    return message if isinstance(message, str) else ""


def _first_status(error: Mapping[str, Any], *keys: str) -> int | None:
    found = (error.get(key) for key in keys)
    return next(
        (value for value in found if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599),
        None,
    )


_STATUS: Final = re.compile(
    r"(?:\bstatus(?: code)?|\berror|\bhttp|\bcode|\brejected)\W{0,4}(\d{3})\b|^\W*(\d{3})\b", re.IGNORECASE
)


def status_in(message: str) -> int | None:
    """Returns the HTTP status that a message mentions; None if it mentions none."""
    found = _STATUS.search(message[:MESSAGE_LENGTH])
    number = int(next(group for group in found.groups() if group)) if found else 0
    return number if 400 <= number <= 599 else None


def _retry_after(headers: object) -> float | None:
    if not isinstance(headers, dict):
        return None
    for name, value in headers.items():
        if str(name).lower() in ("retry-after", "retry-after-ms"):
            return believed_wait_s(value, unit_s=0.001 if str(name).lower().endswith("ms") else 1.0)
    return None
