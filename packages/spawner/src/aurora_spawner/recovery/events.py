"""The final failure that an agent reports in structured events, one JSON object a line, whatever its dialect.

A report is final when the agent ends with it. What it says while it still tries again, or of a tool that failed, is
passed over.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVENTS_LOOKED_AT: Final = 40
"""From the end; a final report stands among the last few lines."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFailure:
    """What an agent says went wrong."""

    code: str = ""
    """Its own word for it: rate_limit_error, UNAUTHENTICATED, error_max_turns."""
    status: int | None = None
    """Of the provider's answer."""
    message: str = ""
    retry_after_s: float | None = None


_UNDECIDED: Final = ReportedFailure(code="undecided")
"""A report that does not say how the stream ended."""
_TRIES_AGAIN: Final = "Reconnecting..."


def final_failure(stdout: str) -> ReportedFailure | None:
    """The failure that a stream of events ends with; None where it has no events, or they end well.

    A stream that breaks off while its agent tries again ends with what it tries again for.
    """
    events = (_event(line) for line in reversed(stdout[-256_000:].splitlines()[-EVENTS_LOOKED_AT:]))
    for place, event in enumerate(filter(None, events)):
        if place == 0 and (pending := _pending(event)):
            return pending
        reader = _FINAL.get(str(event.get("type")))
        report = reader(event) if reader else _UNDECIDED
        if report is not _UNDECIDED:
            return report
    return None


def _pending(event: Event) -> ReportedFailure | None:
    """What the agent was about to try again: Claude Code's api_retry, Codex's Reconnecting."""
    if event.get("type") == "system" and event.get("subtype") == "api_retry":
        status, code = _whole(event.get("error_status")), str(event.get("error", ""))
        return ReportedFailure(code=code, status=status, message=code) if status else None
    message = str(event.get("message", ""))
    if event.get("type") == "error" and message.startswith(_TRIES_AGAIN):
        return _error_object(message)
    return None


def _event(line: str) -> Event | None:
    text = line.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _result(event: Event) -> ReportedFailure | None:
    """Claude Code, Qwen Code (is_error), Gemini CLI (status), Copilot CLI (neither: `session.error` says it)."""
    if event.get("is_error") is True:
        return _claude_failure(event)
    if event.get("status") == "error":
        return _error_object(event.get("error"))
    return None if "is_error" in event or "status" in event else _UNDECIDED


def _claude_failure(event: Event) -> ReportedFailure:
    """The subtype says "success" even then; the terminal reason and the API's own words are to be believed."""
    subtype = str(event.get("subtype", ""))
    ended = str(event.get("terminal_reason", ""))
    code = event.get("api_error_type") or (subtype if subtype.startswith("error_max") else ended)
    message = event.get("result") or _error_object(event.get("error")).message
    return ReportedFailure(
        code=str(code) if code != "api_error" else "",
        status=_whole(event.get("api_error_status")) or _status_in(str(message)),
        message=str(message),
    )


def _error_object(error: object) -> ReportedFailure:
    """An error as most APIs give it; nested ones, and ones written as JSON into the message, are unwrapped."""
    if isinstance(error, str):
        inner = _event(error)
        return _error_object(inner) if inner else ReportedFailure(status=_status_in(error), message=error)
    if not isinstance(error, dict):
        return ReportedFailure()
    if isinstance(error.get("error"), dict):
        return _error_object(error["error"])
    data = error.get("data")
    nested = data if isinstance(data, dict) else error
    message = str(nested.get("message", ""))
    inner = _event(message[message.find("{") : message.rfind("}") + 1])
    if inner:
        return _error_object(inner)
    words = [nested.get(key) for key in ("code", "status", "type", "errorType")]
    return ReportedFailure(
        code=next((word for word in words if isinstance(word, str) and word.lower() not in _EMPTY), ""),
        status=_first_whole(nested, "statusCode", "code", "status") or _status_in(message),
        message=message,
        retry_after_s=_retry_after(nested.get("responseHeaders")),
    )


_EMPTY: Final = ("", "error", "api_error", "query", "apierror")


def _turn_failed(event: Event) -> ReportedFailure:
    """Codex; its `error` events before this one are no ends."""
    return _error_object(event.get("error"))


def _error(event: Event) -> ReportedFailure | None:
    """OpenCode and others end with one; Codex says it before each further try."""
    if "error" not in event and str(event.get("message", "")).startswith(_TRIES_AGAIN):
        return _UNDECIDED
    return _error_object(event.get("error", event))


def _session_error(event: Event) -> ReportedFailure:
    """Copilot CLI."""
    return _error_object(event.get("data"))


def _success(_event: Event) -> None:
    return None


_FINAL: Final[Mapping[str, Callable[[Event], ReportedFailure | None]]] = {
    "turn.failed": _turn_failed,
    "turn.completed": _success,
    "error": _error,
    "session.error": _session_error,
    "result": _result,
}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _first_whole(error: Mapping[str, Any], *keys: str) -> int | None:
    found = (_whole(error.get(key)) for key in keys)
    return next((value for value in found if value is not None and 100 <= value <= 599), None)


_STATUS: Final = re.compile(
    r"(?:\bstatus(?: code)?|\berror|\bhttp|\bcode|\brejected)\W{0,4}(\d{3})\b|^\W*(\d{3})\b", re.IGNORECASE
)


def _status_in(message: str) -> int | None:
    found = _STATUS.search(message)
    number = int(next(group for group in found.groups() if group)) if found else 0
    return number if 400 <= number <= 599 else None


def _retry_after(headers: object) -> float | None:
    if not isinstance(headers, dict):
        return None
    for name, value in headers.items():
        if str(name).lower() in ("retry-after", "retry-after-ms"):
            try:
                return float(value) * (0.001 if str(name).lower().endswith("ms") else 1.0)
            except (TypeError, ValueError):
                return None
    return None
