"""Finds keys and passwords in lines of text: by known prefixes, checksums where the issuer has one, and entropy."""

from __future__ import annotations

import base64
import json
import math
import re
import string
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["secret_in"]

WINDOW: Final = 20_000
"""Characters that are read at once: a minified file has lines of megabytes, for which forms would take too long."""
OVERLAP: Final = 4_000
"""Characters that two windows share, so that no key is cut by both."""
_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LEAST_ENTROPY: Final = 3.5
"""Bits for each character from which a quoted value counts as random; English words stay below."""
_LEAST_DISTINCT: Final = 6
"""Different characters that a key has at least; a row of x has one."""
_PLACEHOLDER: Final = re.compile(
    r"example|sample|dummy|placeholder|changeme|change[-_]me|your[-_]|redacted|xxxx|\*\*\*|\.\.\.|<[^>]*>|\$\{|\{\{|%\(|%s"
    r"|(?i:1234567890|abcdefgh|deadbeef)",
    re.IGNORECASE,
)


def _any(_found: re.Match[str]) -> bool:
    return True


def _with_crc(found: re.Match[str]) -> bool:
    """Returns True if the last six characters are the CRC-32 of those before, in base 62."""
    body, check = found[1][:-6], found[1][-6:]
    value, digits = zlib.crc32(body.encode()), ""
    while value:
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == check


def _is_signed_token(found: re.Match[str]) -> bool:
    """Returns True if the first part is the header of a JSON Web Token (RFC 7519)."""
    part = found[0].split(".", 1)[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return False
    return isinstance(header, dict) and "alg" in header


def _is_password(found: re.Match[str]) -> bool:
    """Returns True for a password in an address that is not its own user's name, and no variable."""
    user, password = found[1], found[2]
    return password not in (user, "password", "pass", "secret") and password[0] not in "$<{%["


def _is_random(found: re.Match[str]) -> bool:
    """Returns True if a value looks random: letters and digits, mixed as no word mixes them."""
    value = found[1]
    mixed = any(each.isdigit() for each in value) and any(each.isalpha() for each in value)
    return mixed and _entropy(value) >= _LEAST_ENTROPY


_Kind = tuple[str, tuple[str, ...], re.Pattern[str], "Callable[[re.Match[str]], bool]"]

_KINDS: Final[tuple[_Kind, ...]] = (
    (
        "a private key",
        ("PRIVATE KEY",),
        re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        _any,
    ),
    ("an AWS access key", ("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"), _any),
    ("a GitHub token", ("gh",), re.compile(r"\bgh[pousr]_([0-9A-Za-z]{36})\b"), _with_crc),
    ("a GitHub token", ("github_pat_",), re.compile(r"\bgithub_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}\b"), _any),
    ("a GitLab token", ("gl",), re.compile(r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft)-[0-9A-Za-z_\-]{20,}"), _any),
    ("a package registry token", ("npm_",), re.compile(r"\bnpm_([0-9A-Za-z]{36})\b"), _with_crc),
    ("a package index token", ("-AgE",), re.compile(r"\bpypi-AgE[0-9A-Za-z_\-]{50,}"), _any),
    ("an Anthropic key", ("sk-ant-",), re.compile(r"\bsk-ant-[a-z]+[0-9]{2}-[0-9A-Za-z_\-]{80,}"), _any),
    (
        "an OpenAI key",
        ("T3BlbkFJ",),
        re.compile(r"\bsk-(?:proj-|svcacct-|admin-)?[0-9A-Za-z_\-]{20,200}T3BlbkFJ[0-9A-Za-z_\-]{20,}"),
        _any,
    ),
    ("a Google API key", ("AIza",), re.compile(r"\bAIza[0-9A-Za-z_\-]{35}\b"), _any),
    ("a Google client secret", ("GOCSPX-",), re.compile(r"\bGOCSPX-[0-9A-Za-z_\-]{28}\b"), _any),
    ("a Slack token", ("xox",), re.compile(r"\bxox[abeoprs]-(?:[0-9]+-){1,4}[0-9A-Za-z]{10,}"), _any),
    (
        "a Slack webhook",
        ("hooks.slack.com",),
        re.compile(r"https://hooks\.slack\.com/services/T[0-9A-Z]{8,}/B[0-9A-Z]{8,}/[0-9A-Za-z]{20,}"),
        _any,
    ),
    ("a Stripe key", ("_live_",), re.compile(r"\b[sr]k_live_[0-9A-Za-z]{24,}\b"), _any),
    ("a SendGrid key", ("SG.",), re.compile(r"\bSG\.[0-9A-Za-z_\-]{22}\.[0-9A-Za-z_\-]{43}\b"), _any),
    ("a Hugging Face token", ("hf_",), re.compile(r"\bhf_[A-Za-z]{34}\b"), _any),
    ("a DigitalOcean token", ("_v1_",), re.compile(r"\bdo[opr]_v1_[0-9a-f]{64}\b"), _any),
    ("a Shopify token", ("shp",), re.compile(r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"), _any),
    ("a Telegram bot token", (":AA",), re.compile(r"\b[0-9]{8,10}:AA[0-9A-Za-z_\-]{33}\b"), _any),
    ("an Azure storage key", ("AccountKey=",), re.compile(r"\bAccountKey=[0-9A-Za-z+/]{86}=="), _any),
    ("an age key", ("AGE-SECRET-KEY-",), re.compile(r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"), _any),
    (
        "a signed token",
        ("eyJ",),
        re.compile(r"\beyJ[0-9A-Za-z_\-]{10,1000}\.eyJ[0-9A-Za-z_\-]{10,4000}\.[0-9A-Za-z_\-]{20,}"),
        _is_signed_token,
    ),
    (
        "a password in an address",
        ("://",),
        re.compile(r"\b[a-z][a-z0-9+.\-]{1,20}://([^\s:/@'\"]{1,80}):([^\s:/@'\"]{4,80})@[0-9A-Za-z.\-]+"),
        _is_password,
    ),
)
"""Of each kind: its name, texts of which a line has one, the whole form, and a test of what the form leaves open."""

_ASSIGNED: Final = re.compile(
    r"(?:passw(?:or)?d|passwd|secret|token|api[_\-]?key|private[_\-]?key|access[_\-]?key|auth[_\-]?key|credentials?)"
    r"[0-9A-Za-z_\-]{0,20}[\"']?\s{0,5}(?::=|=>|[:=])\s{0,5}[\"']([0-9A-Za-z+/=_.\-!@#$%^&*]{12,200})[\"']",
    re.IGNORECASE,
)


_WORTH_READING: Final = re.compile(
    "|".join(re.escape(mark) for _name, marks, _form, _holds in _KINDS for mark in marks)
    + r"|(?i:passw|secret|token|key|auth|credential)"
)
"""Most lines have nothing of this."""


def secret_in(line: str) -> str | None:
    """Returns the kind of secret that a line holds, in words; None if it holds none. Never the secret itself."""
    for start in range(0, max(len(line) - OVERLAP, 1), WINDOW - OVERLAP):
        found = _in_window(line[start : start + WINDOW])
        if found is not None:
            return found
    return None


def _in_window(line: str) -> str | None:
    if _WORTH_READING.search(line) is None:
        return None
    for name, marks, form, holds in _KINDS:
        if any(mark in line for mark in marks) and any(
            not _is_placeholder(found[0]) and holds(found) for found in form.finditer(line)
        ):
            return name
    assigned = (found for found in _ASSIGNED.finditer(line) if not _is_placeholder(found[1]))
    return "a key or password" if any(_is_random(found) for found in assigned) else None


def _is_placeholder(text: str) -> bool:
    """Returns True for what documents show in place of a key."""
    return _PLACEHOLDER.search(text) is not None or (len(text) < 200 and len(set(text)) < _LEAST_DISTINCT)


def _entropy(text: str) -> float:
    """Returns Shannon's entropy of a text's characters, in bits for each."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())
