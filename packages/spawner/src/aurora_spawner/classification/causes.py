"""Categories and causes of failures."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class ErrorCategory(StrEnum):
    """The kind of a failure."""

    TRANSIENT = "transient"
    """The attempt may succeed later, unchanged."""
    PERMANENT = "permanent"
    """The attempt cannot succeed until the user changes something."""
    TIMEOUT = "timeout"
    RESOURCE = "resource"
    """A resource ran out: memory, disk, quota or money."""
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """The precise cause of a failure, if detectable."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    NETWORK = "network"
    INTERRUPTED = "interrupted"
    AUTHENTICATION = "authentication"
    BILLING = "billing"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    NOT_FOUND = "not_found"
    NOT_STARTABLE = "not_startable"
    BAD_USAGE = "bad_usage"
    UNTRUSTED = "untrusted"
    """A certificate that this machine does not accept."""
    LIMIT_REACHED = "limit_reached"
    NOT_ALLOWED = "not_allowed"
    DEADLINE = "deadline"
    STALLED = "stalled"
    API_TIMEOUT = "api_timeout"
    MEMORY = "memory"
    DISK = "disk"
    PROCESSES = "processes"
    CRASHED = "crashed"
    NO_EVIDENCE = "no_evidence"


CATEGORY_OF: Final[Mapping[Cause, ErrorCategory]] = {
    Cause.RATE_LIMIT: ErrorCategory.TRANSIENT,
    Cause.OVERLOADED: ErrorCategory.TRANSIENT,
    Cause.SERVER_ERROR: ErrorCategory.TRANSIENT,
    Cause.NETWORK: ErrorCategory.TRANSIENT,
    Cause.INTERRUPTED: ErrorCategory.TRANSIENT,
    Cause.AUTHENTICATION: ErrorCategory.PERMANENT,
    Cause.BILLING: ErrorCategory.RESOURCE,
    Cause.BAD_REQUEST: ErrorCategory.PERMANENT,
    Cause.TOO_LARGE: ErrorCategory.PERMANENT,
    Cause.NOT_FOUND: ErrorCategory.PERMANENT,
    Cause.NOT_STARTABLE: ErrorCategory.PERMANENT,
    Cause.BAD_USAGE: ErrorCategory.PERMANENT,
    Cause.UNTRUSTED: ErrorCategory.PERMANENT,
    Cause.LIMIT_REACHED: ErrorCategory.RESOURCE,
    Cause.NOT_ALLOWED: ErrorCategory.PERMANENT,
    Cause.DEADLINE: ErrorCategory.TIMEOUT,
    Cause.STALLED: ErrorCategory.TIMEOUT,
    Cause.API_TIMEOUT: ErrorCategory.TIMEOUT,
    Cause.MEMORY: ErrorCategory.RESOURCE,
    Cause.DISK: ErrorCategory.RESOURCE,
    Cause.PROCESSES: ErrorCategory.RESOURCE,
    Cause.CRASHED: ErrorCategory.UNKNOWN,
    Cause.NO_EVIDENCE: ErrorCategory.UNKNOWN,
}

THROTTLING: Final = frozenset({Cause.RATE_LIMIT, Cause.OVERLOADED})
"""Causes that pause the provider; the task loses no attempt."""
BLAMES_TASK: Final = frozenset({Cause.BAD_REQUEST, Cause.TOO_LARGE, Cause.LIMIT_REACHED, Cause.NOT_ALLOWED})
"""Causes that lie in the task and say nothing against the agent."""

_STATUSES: Final[Mapping[int, Cause]] = {
    400: Cause.BAD_REQUEST,
    401: Cause.AUTHENTICATION,
    402: Cause.BILLING,
    403: Cause.AUTHENTICATION,
    404: Cause.NOT_FOUND,
    405: Cause.BAD_REQUEST,
    408: Cause.API_TIMEOUT,
    409: Cause.SERVER_ERROR,
    413: Cause.TOO_LARGE,
    422: Cause.BAD_REQUEST,
    425: Cause.SERVER_ERROR,
    429: Cause.RATE_LIMIT,
    503: Cause.OVERLOADED,
    504: Cause.API_TIMEOUT,
    529: Cause.OVERLOADED,
}


def cause_of_status(status: int) -> Cause | None:
    """Returns the cause of a provider's status; None for a status that is no error."""
    if not 400 <= status <= 599:
        return None
    return _STATUSES.get(status) or (Cause.SERVER_ERROR if status >= 500 else Cause.BAD_REQUEST)
