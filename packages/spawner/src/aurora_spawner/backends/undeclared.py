"""The final failure in the events of a program without a declared dialect, one JSON object on each line.

It helps to explain a failed attempt, but is no evidence of a failure. A report is final if the agent ends with it;
reports of retries and of failed tools are skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.failures import failure_in, status_in
from aurora_spawner.backends.fields import object_in
from aurora_spawner.tasks.failure import ReportedFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVENTS_LOOKED_AT: Final = 40
"""The number of last lines that are read; a final report is among the last few."""

Event = dict[str, Any]

_UNDECIDED: Final = ReportedFailure(code="undecided")
"""An event that does not decide how the stream ended."""
_TRIES_AGAIN: Final = "Reconnecting..."


def final_failure(stdout: str) -> ReportedFailure | None:
    """Returns the failure at the end of a stream of events; None if it has no events or ends with success.

    For a stream that breaks off during a retry, that is the failure which the agent retried.
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
    """Returns the failure that the agent was about to retry: Claude Code's api_retry, Codex's Reconnecting."""
    if event.get("type") == "system" and event.get("subtype") == "api_retry":
        status, code = _whole(event.get("error_status")), str(event.get("error", ""))
        return ReportedFailure(code=code, status=status, message=code) if status else None
    message = str(event.get("message", ""))
    if event.get("type") == "error" and message.startswith(_TRIES_AGAIN):
        return failure_in(message)
    return None


def _event(line: str) -> Event | None:
    found = object_in(line)
    return found.raw if found else None


def _result(event: Event) -> ReportedFailure | None:
    """Reads a result of Claude Code and Qwen Code (is_error) or Gemini CLI (status); Copilot CLI's has neither."""
    if event.get("is_error") is True:
        return _claude_failure(event)
    if event.get("status") == "error":
        return failure_in(event.get("error"))
    return None if "is_error" in event or "status" in event else _UNDECIDED


def _claude_failure(event: Event) -> ReportedFailure:
    """Returns the failure by the terminal reason and the API's message; the subtype says "success" even then."""
    subtype = str(event.get("subtype", ""))
    ended = str(event.get("terminal_reason", ""))
    code = event.get("api_error_type") or (subtype if subtype.startswith("error_max") else ended)
    message = event.get("result") or failure_in(event.get("error")).message
    return ReportedFailure(
        code=str(code) if code != "api_error" else "",
        status=_whole(event.get("api_error_status")) or status_in(str(message)),
        message=str(message),
    )


def _turn_failed(event: Event) -> ReportedFailure:
    """Reads the final failure of Codex; its earlier `error` events are not final."""
    return failure_in(event.get("error"))


def _error(event: Event) -> ReportedFailure | None:
    """Reads an error: final for OpenCode and others, while Codex sends one before each retry."""
    if "error" not in event and str(event.get("message", "")).startswith(_TRIES_AGAIN):
        return _UNDECIDED
    return failure_in(event.get("error", event))


def _session_error(event: Event) -> ReportedFailure:
    """Reads the final failure of Copilot CLI."""
    return failure_in(event.get("data"))


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
