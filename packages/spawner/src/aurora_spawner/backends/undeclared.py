"""The final failure in the events of a program whose dialect nobody has declared, one JSON object a line.

It helps to understand a failed attempt, and is no evidence that one has failed. A report is final when the agent ends
with it. What it says while it still tries again, or of a tool that failed, is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.failures import failure_in, status_in
from aurora_spawner.backends.fields import object_in
from aurora_spawner.tasks.failure import ReportedFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVENTS_LOOKED_AT: Final = 40
"""From the end; a final report stands among the last few lines."""

Event = dict[str, Any]

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
        return failure_in(message)
    return None


def _event(line: str) -> Event | None:
    found = object_in(line)
    return found.raw if found else None


def _result(event: Event) -> ReportedFailure | None:
    """Claude Code, Qwen Code (is_error), Gemini CLI (status), Copilot CLI (neither: `session.error` says it)."""
    if event.get("is_error") is True:
        return _claude_failure(event)
    if event.get("status") == "error":
        return failure_in(event.get("error"))
    return None if "is_error" in event or "status" in event else _UNDECIDED


def _claude_failure(event: Event) -> ReportedFailure:
    """The subtype says "success" even then; the terminal reason and the API's own words are to be believed."""
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
    """Codex; its `error` events before this one are no ends."""
    return failure_in(event.get("error"))


def _error(event: Event) -> ReportedFailure | None:
    """OpenCode and others end with one; Codex says it before each further try."""
    if "error" not in event and str(event.get("message", "")).startswith(_TRIES_AGAIN):
        return _UNDECIDED
    return failure_in(event.get("error", event))


def _session_error(event: Event) -> ReportedFailure:
    """Copilot CLI."""
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
