"""The classifier of failures, by the evidence of the failed attempt.

Evidence counts in this order: the agent's own report in structured events, the end reason of the attempt, the status
of its provider's answer, its exit code, and the final lines of its stderr. The output of a healthy agent is never
read, nor is the answer of a failed one.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import REFUSALS, EndReason
from aurora_spawner.classification.causes import (
    BLAMES_TASK,
    CATEGORY_OF,
    THROTTLING,
    Cause,
    ErrorCategory,
    cause_of_status,
)
from aurora_spawner.classification.error_patterns import OVER_STATUS, cause_of_text, is_final, requested_wait_s
from aurora_spawner.tasks.failure import believed_wait_s
from aurora_spawner.tasks.usage_windows import last_reset, window_in

if TYPE_CHECKING:
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage_windows import UsageWindow

STDERR_LINES: Final = 30
"""The number of final lines of stderr that are read."""
LINE_LENGTH: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEvidence:
    """The evidence of a failed attempt."""

    reason: EndReason = EndReason.EXITED
    exit_code: int | None = None
    """The negative number of the signal that ended it, or its exit code."""
    exec_errno: int = 0
    reported: ReportedFailure | None = None
    """The agent's own report, as its backend understands it."""
    api_status: int | None = None
    """The status of its provider's last answer, if it is known without events."""
    stderr: str = ""
    exceeded: str = ""
    """The limit of its resources that it exceeded, in words."""
    windows: tuple[UsageWindow, ...] = ()
    """Usage windows of the account, as the agent reported them."""
    at: float = field(default_factory=time.time)
    """The time of the failure, Unix time; times of day in its messages are relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The classification of a failure."""

    category: ErrorCategory
    cause: Cause
    evidence: str
    """The evidence that decided: ending, event, api_status, exit_code, stderr or none."""
    retry_after_s: float | None = None
    """The wait that the provider asked for; a day at most."""
    status: int | None = None
    """The status of the provider's answer."""
    window: UsageWindow | None = None
    """The usage window that is used up, if the provider names its reset."""

    @property
    def throttled(self) -> bool:
        """True if the provider limits or is overloaded, which pauses it for all attempts."""
        return self.cause in THROTTLING

    @property
    def stops_provider(self) -> bool:
        """True if no attempt at this provider can succeed until the user acts."""
        return self.cause is Cause.AUTHENTICATION

    @property
    def blames_agent(self) -> bool:
        """True if the failure counts against the agent, and not only against the task or the provider."""
        return not self.throttled and self.cause not in BLAMES_TASK


class ErrorClassifier:
    """The classifier of failures; pure."""

    def classify(self, evidence: FailureEvidence) -> Classification:
        """Classifies the failure of an attempt by its evidence."""
        return (
            _by_refusal(evidence)
            or _by_window(evidence)
            or _by_report(evidence)
            or _by_ending(evidence)
            or _by_status(evidence.api_status, "api_status", None)
            or _by_exit_code(evidence)
            or _by_stderr(evidence.stderr)
            or _found(Cause.CRASHED if _died_of_signal(evidence) else Cause.NO_EVIDENCE, "none")
        )


def _found(cause: Cause, evidence: str, retry_after_s: float | None = None) -> Classification:
    wait_s = believed_wait_s(retry_after_s)
    return Classification(category=CATEGORY_OF[cause], cause=cause, evidence=evidence, retry_after_s=wait_s)


_ENDINGS: Final = {
    EndReason.DEADLINE: Cause.DEADLINE,
    EndReason.STALLED: Cause.STALLED,
    EndReason.SUPERVISOR_LOST: Cause.INTERRUPTED,
    EndReason.FOLDER_REMOVED: Cause.INTERRUPTED,
    EndReason.NOT_CARRIED: Cause.INTERRUPTED,
}
_EXCEEDED: Final = {"memory": Cause.MEMORY, "process": Cause.PROCESSES, "CPU": Cause.LIMIT_REACHED}
"""Causes by the first word of a limit."""
_ERRNOS: Final = {
    errno.EAGAIN: Cause.PROCESSES,
    errno.ENOMEM: Cause.MEMORY,
    errno.EMFILE: Cause.PROCESSES,
    errno.ENFILE: Cause.PROCESSES,
    errno.ENOSPC: Cause.DISK,
    errno.EDQUOT: Cause.DISK,
}


def _by_refusal(evidence: FailureEvidence) -> Classification | None:
    """Classifies an attempt that our own budget or cap ended or refused: that counts more than its last messages."""
    if evidence.reason == EndReason.OVER_LIMIT:
        return _by_ending(evidence)
    return _found(Cause.NOT_ALLOWED, "ending") if evidence.reason in REFUSALS else None


def _by_window(evidence: FailureEvidence) -> Classification | None:
    """Classifies a failure by a used-up window of the plan, as an event or the message of the failure reports it."""
    window = _exhausted(evidence)
    if window is None:
        return None
    reported = evidence.reported
    status = reported.status if reported else evidence.api_status
    found = _found(Cause.RATE_LIMIT, "event" if reported else "stderr", reported.retry_after_s if reported else None)
    return replace(found, status=status, window=window)


def _exhausted(evidence: FailureEvidence) -> UsageWindow | None:
    reported = evidence.reported
    if reported is None:
        stderr = evidence.stderr if evidence.reason == EndReason.EXITED else ""
        lines = filter(is_final, reversed(_last_lines(stderr)))
        return next((found for line in lines if (found := window_in(line, evidence.at)) is not None), None)
    if reported.status not in (None, 429, 402, 403, 503, 529):
        return None
    causes = {_CODES.get(reported.code.lower()), cause_of_text(reported.message)}
    limited = reported.status == 429 or not causes.isdisjoint({Cause.RATE_LIMIT, Cause.BILLING})
    window = last_reset(evidence.windows, evidence.at) if limited else None
    return window or window_in(reported.message, evidence.at)


def _by_ending(evidence: FailureEvidence) -> Classification | None:
    if evidence.reason == EndReason.EXEC_FAILED:
        return _found(_ERRNOS.get(evidence.exec_errno, Cause.NOT_STARTABLE), "ending")
    if evidence.reason == EndReason.OVER_LIMIT:
        return _found(_EXCEEDED.get(evidence.exceeded.partition(" ")[0], Cause.LIMIT_REACHED), "ending")
    cause = _ENDINGS.get(evidence.reason)
    return _found(cause, "ending") if cause else None


def _by_report(evidence: FailureEvidence) -> Classification | None:
    reported = evidence.reported
    if reported is None:
        return None
    wait_s = reported.retry_after_s
    cause = _CODES.get(reported.code.lower())
    by_text = cause_of_text(reported.message) if cause is None else None
    by_status = cause_of_status(reported.status) if reported.status is not None else None
    cause = cause or (by_status if by_text not in OVER_STATUS else None) or by_text
    if cause is None:
        return None
    if wait_s is None and cause in THROTTLING:
        wait_s = requested_wait_s(reported.message)
    return replace(_found(cause, "event", wait_s), status=reported.status)


def _by_status(status: int | None, seen_by: str, retry_after_s: float | None) -> Classification | None:
    if status is None:
        return None
    cause = cause_of_status(status)
    return replace(_found(cause, seen_by, retry_after_s), status=status) if cause else None


_CODES: Final = {
    "rate_limit": Cause.RATE_LIMIT,
    "rate_limit_error": Cause.RATE_LIMIT,
    "rate_limit_exceeded": Cause.RATE_LIMIT,
    "resource_exhausted": Cause.RATE_LIMIT,
    "too_many_requests": Cause.RATE_LIMIT,
    "overloaded": Cause.OVERLOADED,
    "overloaded_error": Cause.OVERLOADED,
    "unavailable": Cause.OVERLOADED,
    "server_error": Cause.SERVER_ERROR,
    "api_error": Cause.SERVER_ERROR,
    "internal": Cause.SERVER_ERROR,
    "authentication": Cause.AUTHENTICATION,
    "authentication_failed": Cause.AUTHENTICATION,
    "authentication_error": Cause.AUTHENTICATION,
    "unauthenticated": Cause.AUTHENTICATION,
    "permission_denied": Cause.AUTHENTICATION,
    "permission_error": Cause.AUTHENTICATION,
    "invalid_api_key": Cause.AUTHENTICATION,
    "billing_error": Cause.BILLING,
    "insufficient_quota": Cause.BILLING,
    "quota_exceeded": Cause.BILLING,
    "invalid_request_error": Cause.BAD_REQUEST,
    "invalid_argument": Cause.BAD_REQUEST,
    "context_length_exceeded": Cause.TOO_LARGE,
    "request_too_large": Cause.TOO_LARGE,
    "not_found_error": Cause.NOT_FOUND,
    "model_not_found": Cause.NOT_FOUND,
    "not_found": Cause.NOT_FOUND,
    "error_max_turns": Cause.LIMIT_REACHED,
    "error_max_budget_usd": Cause.LIMIT_REACHED,
    "deadline_exceeded": Cause.API_TIMEOUT,
    "aborted_tools": Cause.INTERRUPTED,
    "aborted_streaming": Cause.INTERRUPTED,
    "cut_off": Cause.INTERRUPTED,  # ours: exit code 0, and no last event
    "session_lost": Cause.INTERRUPTED,  # ours: the next attempt starts a new session
}
"""Causes by the error codes of providers and agents, in lower case."""


_EXITS: Final = {
    41: Cause.AUTHENTICATION,  # Gemini CLI: no usable way to sign in
    42: Cause.BAD_REQUEST,  # Gemini CLI: its input, an unknown session among it
    53: Cause.LIMIT_REACHED,  # Gemini CLI: its own limit of turns
    64: Cause.BAD_USAGE,  # sysexits: EX_USAGE, and so on
    66: Cause.NOT_FOUND,
    69: Cause.OVERLOADED,
    71: Cause.PROCESSES,
    75: Cause.SERVER_ERROR,
    77: Cause.AUTHENTICATION,
    124: Cause.DEADLINE,  # timeout(1)
    126: Cause.NOT_STARTABLE,
    127: Cause.NOT_STARTABLE,
    130: Cause.INTERRUPTED,
    137: Cause.MEMORY,  # SIGKILL that was not ours: mostly the kernel's lack of memory
    143: Cause.INTERRUPTED,
    145: Cause.AUTHENTICATION,  # Gemini CLI: 401 cut to a byte
    173: Cause.RATE_LIMIT,  # the same of 429
    -2: Cause.INTERRUPTED,
    -9: Cause.MEMORY,
    -15: Cause.INTERRUPTED,
    -24: Cause.LIMIT_REACHED,  # SIGXCPU
    -25: Cause.DISK,  # SIGXFSZ
}


def _by_exit_code(evidence: FailureEvidence) -> Classification | None:
    cause = _EXITS.get(evidence.exit_code) if evidence.exit_code is not None else None
    return _found(cause, "exit_code") if cause else None


def _died_of_signal(evidence: FailureEvidence) -> bool:
    return evidence.exit_code is not None and evidence.exit_code < 0


def _by_stderr(stderr: str) -> Classification | None:
    """Classifies by the last line that names a cause: the agent has overcome earlier ones."""
    for line in reversed(_last_lines(stderr)):
        cause = cause_of_text(line) if is_final(line) else None
        if cause is not None:
            return _found(cause, "stderr", requested_wait_s(stderr))
    return None


def _last_lines(stderr: str) -> list[str]:
    return [line[:LINE_LENGTH] for line in stderr[-64_000:].splitlines() if line.strip()][-STDERR_LINES:]
