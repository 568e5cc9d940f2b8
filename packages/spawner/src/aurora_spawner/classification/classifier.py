"""What kind of failure it was, from the evidence that a failed attempt left.

Evidence counts in this order: what its agent reported in structured events, how the attempt was ended, the status of
its provider's answer, its exit code, and at last the final lines of its stderr. What a healthy agent says is never
looked at, nor is the answer of a failed one.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import REFUSALS, EndReason
from aurora_spawner.classification.causes import (
    CATEGORY_OF,
    OF_THE_TASK,
    THROTTLING,
    Cause,
    ErrorCategory,
    cause_of_status,
)
from aurora_spawner.classification.error_patterns import OVER_STATUS, asks_to_wait_s, cause_of_text, is_final
from aurora_spawner.tasks.failure import believed_wait_s
from aurora_spawner.tasks.usage_windows import last_reset, window_in

if TYPE_CHECKING:
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage_windows import UsageWindow

STDERR_LINES: Final = 30
"""Final lines of stderr that are looked at."""
LINE_LENGTH: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEvidence:
    """What a failed attempt left to judge by."""

    reason: EndReason = EndReason.EXITED
    exit_code: int | None = None
    """Negative: by that signal."""
    exec_errno: int = 0
    reported: ReportedFailure | None = None
    """What the agent itself reported, as its backend understands it."""
    api_status: int | None = None
    """Of the last answer of its provider, where that is known without events."""
    stderr: str = ""
    windows: tuple[UsageWindow, ...] = ()
    """Usage windows of the account, as the agent told them."""
    at: float = field(default_factory=time.time)
    """When it failed, Unix time; times of day in its messages are read from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A failure, understood."""

    category: ErrorCategory
    cause: Cause
    evidence: str
    """What it was seen by: ending, event, api_status, exit_code, stderr, none."""
    retry_after_s: float | None = None
    """What the provider asked to wait; a day at most."""
    status: int | None = None
    """Of the provider's answer."""
    window: UsageWindow | None = None
    """The usage window that is used up, where the provider says when it resets."""

    @property
    def throttled(self) -> bool:
        """Whether the provider asks everybody to wait."""
        return self.cause in THROTTLING

    @property
    def stops_provider(self) -> bool:
        """Whether no task of this provider can succeed until the user acts."""
        return self.cause is Cause.AUTHENTICATION

    @property
    def blames_agent(self) -> bool:
        """Whether it says something against the agent, and not only about the task or the provider's load."""
        return not self.throttled and self.cause not in OF_THE_TASK


class ErrorClassifier:
    """Finds the category of a failure; pure."""

    def classify(self, evidence: FailureEvidence) -> Classification:
        """Weighs the evidence of an attempt that failed."""
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
}
_ERRNOS: Final = {
    errno.EAGAIN: Cause.PROCESSES,
    errno.ENOMEM: Cause.MEMORY,
    errno.EMFILE: Cause.PROCESSES,
    errno.ENFILE: Cause.PROCESSES,
    errno.ENOSPC: Cause.DISK,
    errno.EDQUOT: Cause.DISK,
}


def _by_refusal(evidence: FailureEvidence) -> Classification | None:
    """Our own budget or cap ended it, or kept it from beginning: whatever it said in its last moment counts less."""
    return _found(Cause.NOT_ALLOWED, "ending") if evidence.reason in REFUSALS else None


def _by_window(evidence: FailureEvidence) -> Classification | None:
    """A plan's window is used up: told by an event, or in the words of the failure, which may speak of money too."""
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
        wait_s = asks_to_wait_s(reported.message)
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
    "session_lost": Cause.INTERRUPTED,  # ours: the next attempt begins anew
}
"""What providers and agents call their errors, in lower case."""


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
    """The last line that says something decides: what came before it was overcome."""
    for line in reversed(_last_lines(stderr)):
        cause = cause_of_text(line) if is_final(line) else None
        if cause is not None:
            return _found(cause, "stderr", asks_to_wait_s(stderr))
    return None


def _last_lines(stderr: str) -> list[str]:
    return [line[:LINE_LENGTH] for line in stderr[-64_000:].splitlines() if line.strip()][-STDERR_LINES:]
