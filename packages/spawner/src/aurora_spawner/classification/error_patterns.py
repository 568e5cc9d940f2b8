"""Error messages of providers and agents, as patterns: the last evidence, used if there is no better one."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from aurora_spawner.classification.causes import Cause, cause_of_status
from aurora_spawner.tasks.failure import believed_wait_s

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS: Final = r"\b(error|status|code|http)\W{0,10}(code\W{0,3})?"
"""Introduces a number as the status of an answer."""

_PATTERNS: Final[Mapping[Cause, tuple[str, ...]]] = {
    Cause.BILLING: (
        r"insufficient[_ ]quota",
        r"exceeded your current quota",
        r"credit balance (is )?too low",
        r"payment required",
        r"billing (hard )?limit",
        r"(out of|insufficient) credits",
        r"(spend(ing)?|monthly) limit",
        r"\b402\b(?=.*\b(payment|status|error)\b)",
        r"plan and billing",
        r"(more|enough) credits",
        r"insufficient balance",
        r"service quota",
    ),
    Cause.RATE_LIMIT: (
        _STATUS + r"429\b",
        r"\b429 too many",
        r"too many requests",
        r"rate[ _-]?limit(ed|ing)?\b(?!.{0,20}\b(config|setting|option|doc)s?\b)",
        r"resource[_ ]exhausted",
        r"throttl(ed|ing)",
        r"(?<!disk )quota exceeded",
        r"(usage|weekly|daily|hourly|\d+-hour) limit",
        r"limit\b.{0,20}\bresets?\b",
        r"\(429\)",
    ),
    Cause.OVERLOADED: (
        r"overloaded",
        _STATUS + r"(503|529)\b",
        r"service unavailable",
        r"high demand",
        r"(?<!resource )temporarily unavailable",
        r"server (is )?busy",
        r"pending requests",
    ),
    Cause.AUTHENTICATION: (
        _STATUS + r"(401|403)\b",
        r"\b401 unauthorized",
        r"\b403 forbidden",
        r"UNAUTHENTICATED",
        r"PERMISSION_DENIED",
        r"unauthorized\b",
        r"authentication[ _](failed|error|required)",
        r"(invalid|incorrect|missing|expired|no) (api[ _-]?key|auth method|credentials|access token)",
        r"not (logged|signed) in",
        r"please (log|sign) ?in",
        r"(token|session|credentials?) (has |have )?expired",
        r"invalid x-api-key",
        r"(api[_ -]?key|access[_ -]?token)\b.{0,40}\b(missing|not set|empty|required|revoked|invalid)",
        r"bad auth\b",
        r"login required",
        r"(sign|log) ?in again",
        r"re-?authenticat",
        r"no auth(entication)? credentials",
        r"credentials (were |was )?not found",
        r"unable to locate credentials",
        r"(?<!pull )access[ _]denied",
        r"expired token",
        r"token\b.{0,40}\bis expired",
        r"api[_ -]?key\b.{0,60}\bmust be set",
    ),
    Cause.TOO_LARGE: (
        r"context[ _](length|window|limit)",
        r"prompt is too long",
        r"maximum context",
        r"request (entity )?too large",
        r"input is too long",
        r"argument list too long",
        r"\bE2BIG\b",
    ),
    Cause.NOT_FOUND: (
        r"\b(model|deployment)\b.{0,80}\b(not found|does not exist|not supported|unknown)",
        r"unknown model",
        r"model_not_found",
        r"\bno such model",
        r"\bno endpoints found",
        r"\bbad revision",
        r"manifest unknown",
    ),
    Cause.PROCESSES: (
        r"too many open files",
        r"unable to create (new )?native thread",
        r"\bEMFILE\b",
        r"\bENFILE\b",
        r"resource temporarily unavailable",
        r"can't start new thread",
        r"cannot fork",
        r"fork: retry",
        r"\bEAGAIN\b",
    ),
    Cause.MEMORY: (
        r"out of memory",
        r"\bOOM\b",
        r"cannot allocate memory",
        r"\bENOMEM\b",
        r"heap limit",
        r"MemoryError",
        r"std::bad_alloc",
        r"oom-kill",
        r"(requires more|not enough|insufficient) (system |video |gpu )?memory",
    ),
    Cause.DISK: (
        r"no space left",
        r"\bENOSPC\b",
        r"disk quota",
        r"\bEDQUOT\b",
        r"disk (is )?full",
    ),
    Cause.UNTRUSTED: (
        r"certificate (signed by unknown|verify failed|has expired|problem|is not trusted)",
        r"self[- _]signed[ _]cert",
        r"CERT_HAS_EXPIRED",
        r"UNABLE_TO_(GET|VERIFY)_\w*(CERT|SIGNATURE)",
        r"CERTIFICATE_VERIFY_FAILED",
    ),
    Cause.API_TIMEOUT: (
        r"\btimed[ -]?out\b",
        r"\bETIMEDOUT\b",
        r"\btimeout\b(?!s? (option|setting))",
        r"deadline exceeded",
        r"TimeoutError",
        r"took too long",
    ),
    Cause.NETWORK: (
        r"\bECONN(RESET|REFUSED|ABORTED)\b",
        r"\bEPIPE\b",
        r"\bENOTFOUND\b",
        r"\bEAI_AGAIN\b",
        r"\bENETUNREACH\b",
        r"\bEHOSTUNREACH\b",
        r"connection (was )?(reset|refused|closed|aborted|error|lost)",
        r"socket hang up",
        r"no such host",
        r"(failed|unable|could ?n[o']t) to connect",
        r"\bdial tcp\b",
        r"closed the connection",
        r"network (error|is unreachable)",
        r"stream (disconnected|closed|ended)",
        r"API Error: terminated",
        r"fetch failed",
        r"terminated by other side",
        r"broken pipe",
        r"other side closed",
        r"temporary failure in name resolution",
        r"name or service not known",
        r"incomplete (chunked )?read",
        r"premature close",
        r"UND_ERR_SOCKET",
        r"TLS handshake",
        r"SSL.{0,20}error",
        r"remote end closed",
        r"could ?n[o']t (connect|resolve)\b(?!.{0,20}\bdaemon\b)",
        r"empty reply",
        r"early EOF",
        r"not closed cleanly",
        r"hung up unexpectedly",
    ),
    Cause.SERVER_ERROR: (
        _STATUS + r"5\d\d\b",
        r"internal server error",
        r"bad gateway",
        r"gateway time-?out",
        r"\bstatus\W{0,3}INTERNAL\b",
        r"server (had an )?error",
        r"upstream (connect )?error",
    ),
    Cause.BAD_REQUEST: (
        _STATUS + r"(400|422)\b",
        r"invalid[_ ]request",
        r"bad request",
        r"INVALID_ARGUMENT",
        r"malformed",
        r"validation failed",
        r"failed to parse",
        r"validation (exception|error)",
        r"content[ _](management |safety )?(policy|filter)",
    ),
    Cause.LIMIT_REACHED: (
        r"max(imum)?[ _-](number of )?turns",
        r"turn limit",
        r"max[ _-]?budget",
        r"budget (is )?(exceeded|exhausted)",
        r"session limit",
    ),
    Cause.NOT_STARTABLE: (
        r"command not found",
        r"no such file or directory",
        r"\bENOENT\b",
        r"cannot find (module|package)",
        r"ModuleNotFoundError",
        r"ImportError",
        r"permission denied",
        r"\bEACCES\b",
        r"not executable",
        r"exec format error",
        r"error while loading shared libraries",
        r"\bGLIBC\w*.{0,20} not found",
        r"(?-i:\bSyntaxError\b)",
        r"unsupported engine",
        r"read-only file system",
        r"\bEROFS\b",
        r"not a (terminal|tty)\b",
        r"not a git repository",
        r"could not read (username|password)",
        r"pull access denied",
        r"cannot connect to the \w+ daemon",
    ),
    Cause.BAD_USAGE: (
        r"unknown (option|argument|flag|command|session|subcommand)",
        r"unrecognized (option|argument|subcommand)s?",
        r"unexpected argument",
        r"^usage:",
        r"invalid (option|argument|choice)",
        r"missing (required )?(argument|option)",
        r"(no|unknown) (conversation|session|rollout|thread)\b.{0,60}(found|exist)",
        r"session .{0,60}(not found|in use)",
        r"config(uration)? (file )?(error|invalid|is invalid)",
        r"error (loading|reading|parsing) \S*config",
        r"cannot be used with root",
    ),
    Cause.INTERRUPTED: (
        r"interrupted",
        r"operation cancell?ed",
        r"cancell?ed by user",
        r"\baborted\b",
        r"KeyboardInterrupt",
        r"another \w+ process",
        r"\.lock\b.{0,4} file exists",
        r"database is locked",
    ),
}
"""Patterns of each cause, case ignored; the more specific causes first."""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Cause], ...]:
    """Compiles the patterns at the first failure: a run without failures should not pay for them."""
    return tuple((re.compile("|".join(some), re.IGNORECASE), cause) for cause, some in _PATTERNS.items())


_PASSED_OVER: Final = re.compile(r"\b(warn(ing)?|debug|info|deprecat\w+|retrying|falling back)\b", re.IGNORECASE)


def is_final(line: str) -> bool:
    """Returns True if a line can be the reason why a program ended; False for warnings, retries and the like."""
    return not _PASSED_OVER.search(line)


OVER_STATUS: Final = frozenset({Cause.BILLING, Cause.TOO_LARGE})
"""Causes whose text counts more than the more general status beside it."""
_SPOKEN_STATUS: Final = re.compile(
    r"(?:\b(?:error|status|code|http(?:/\d(?:\.\d)?)?|exhausted|rejected|exception)\W{0,10}(?:code\W{0,3})?)([45]\d\d)\b"
    r"|(?:^\W*|(?<=\w: ))([45]\d\d)(?=\s*[{(\"]| permission\b| (?-i:[A-Z])[a-z])",
    re.IGNORECASE,
)
_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def cause_of_text(text: str) -> Cause | None:
    """Returns the cause that a text names, if any; names like RateLimitError are read as words."""
    words = f"{text} {_CAMEL_HUMP.sub(' ', text)}"
    found = next((cause for pattern, cause in _patterns() if pattern.search(words)), None)
    spoken = _SPOKEN_STATUS.search(text)
    if spoken is None or found in OVER_STATUS:
        return found
    return cause_of_status(int(spoken[1] or spoken[2])) or found


_WAIT: Final = re.compile(
    r"(?:retry[- _]after|(?:try|retry) again in|retry in)\W{0,4}(\d+(?:\.\d+)?)\s*(ms|m\b|min|h)?", re.IGNORECASE
)
_UNITS: Final = {"ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}


def requested_wait_s(text: str) -> float | None:
    """Returns the last wait that a text asks for, in seconds, a day at most; None if it asks for none."""
    found = _WAIT.findall(text[-64_000:])
    return believed_wait_s(found[-1][0], unit_s=_UNITS.get(found[-1][1].lower(), 1.0)) if found else None
