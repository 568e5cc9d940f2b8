"""The output of Aider: plain lines; it exits with 0 even after an error line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import AgentEvent, Failed, RetryNotice, Succeeded, Text, UsageReported
from aurora_spawner.backends.failures import failure_in
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOISE: Final = re.compile(
    r"Aider v\d|Model: |Main model: |Editor model: |Weak model: |Git repo: |Repo-map: |Detected dumb terminal"
    r"|Analytics have been|Update git (?:name|email)|You can skip this check|Added \.aider|Added \.env|Creating empty file|https://aider\.chat"
    r"|HTTPSConnectionPool\(|Use /help|Note: in-chat filenames|Cur working dir: |Git working dir: |Retrying in "
    r"|Can't initialize prompt toolkit|Warning: |Multiline mode|Restored previous conversation"
)
"""Lines in which Aider reports about itself."""
_TOKENS: Final = re.compile(
    r"Tokens: ([\d.,]+)(k?) sent(?:, ([\d.,]+)(k?) cache write)?(?:, ([\d.,]+)(k?) cache hit)?"
    r", ([\d.,]+)(k?) received\.(?: Cost: \$([\d.]+) message)?"
)
_ERROR: Final = re.compile(r"litellm\.(\w+Error|APIError|Timeout)\b:? ?(.*)")
_AGAIN: Final = re.compile(r"Retrying in ([\d.]+) seconds")
_STATUS_OF: Final = {
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "BadRequestError": 400,
    "RateLimitError": 429,
    "InternalServerError": 500,
    "ServiceUnavailableError": 503,
}
"""The HTTP status for each error class of Aider's library."""


def read_line(line: str) -> Iterator[AgentEvent]:
    """Yields the events of one line."""
    used = _TOKENS.search(line)
    error = _ERROR.search(line)
    if used:
        yield UsageReported(usage=_usage(used))
        yield Succeeded()
    elif error:
        yield Failed(failure=_failure(error))
    elif again := _AGAIN.search(line):
        yield RetryNotice(delay_s=_number(again[1]), failure=ReportedFailure())
    elif not _NOISE.match(line):
        yield Text(text=f"{line}\n", continues=True)


def _failure(error: re.Match[str]) -> ReportedFailure:
    said = failure_in(error[2])
    status = _STATUS_OF.get(error[1]) or said.status
    return ReportedFailure(code=error[1], status=status, message=f"{error[1]}: {error[2]}"[:2_000])


def _usage(used: re.Match[str]) -> Usage:
    sent, written, cached, received = (_tokens(used[place], used[place + 1]) for place in (1, 3, 5, 7))
    return Usage(
        input_tokens=max(0, sent - cached),
        output_tokens=received,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        cost_usd=_number(used[9]) if used[9] else None,
    )


def _tokens(number: str | None, thousands: str | None) -> int:
    return round((_number(number or "0") or 0.0) * (1000 if thousands else 1))


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "").rstrip("."))
    except ValueError:
        return None
    return number if number < float("inf") else None
