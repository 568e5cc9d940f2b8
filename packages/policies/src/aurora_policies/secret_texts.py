"""Finds keys and passwords in lines of text: by the forms of their issuers, and by names whose value looks random."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aurora_policies.secret_forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["secret_in"]

WINDOW: Final = 20_000
"""Characters that are read at once: a minified file has lines of megabytes, for which forms would take too long."""
OVERLAP: Final = 4_000
"""Characters that two windows share, so that no key is cut by both."""
_LEAST_LENGTH: Final = 12
_MOST_ENTROPY_NEEDED: Final = 3.5
"""Bits for each character from which a long value counts as random; English words stay below."""
_LEAST_DISTINCT: Final = 6
"""Different characters that a key has at least; a row of x has one."""
_MOST_OF_WORDS: Final = 0.55
"""The share of a value's letters and digits that may be in words."""
_MOST_WITHOUT_DIGITS: Final = 0.4
_LENGTH_WITHOUT_DIGITS: Final = 16
_WORD: Final = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}")
_NO_WORD: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{4}", re.IGNORECASE)
_VOWEL: Final = re.compile(r"[aeiouy]", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLACEHOLDER: Final = re.compile(
    r"example|sample|dummy|fake|placeholder|change[-_]?me|replace|your[-_]|redacted|xxxx|\*\*\*|\.\.\.|<[^>]*>|\$\{|\{\{"
    r"|%\(|%s|1234567890|abcdefgh|deadbeef|foobar",
    re.IGNORECASE,
)
_SECRETS: Final = (
    r"passw(?:or)?d|passwd|passphrase|(?:(?<=[_.\-])|\b)(?:pass|pwd)(?![a-z])|secret|token|api[_\-.]?key"
    r"|(?:private|access|auth|signing|hmac|encryption|license|master|service|app)[_\-]?key|credentials?"
)
_ASSIGNED: Final = re.compile(
    rf"(?:{_SECRETS})([0-9A-Za-z_\-]{{0,20}})"
    r"(?:[\"']?\]?\s{0,5}(?::\s?&?[A-Za-z.]{3,20}\s{0,3}=|:=|=>|[:=]|[\"']\s{0,3},|(?<=\w),(?=\s[\"'])|>|[\"']\s{1,3}value=)\s{0,5})"
    r"(?:\[\]byte\(|bytes\(|[brfu](?=[\"']))?"
    r"(?:([\"'])([^\s\"']{12,600})\2|(?:base64:)?([0-9A-Za-z+/=_.\-!@#%^&*~]{12,600})(?=$|[\s;,<&\"'\\)]))",
    re.IGNORECASE,
)
"""A name, a separator as programs and settings have it, and a value in quotes or without."""
_NAMES_ONLY: Final = re.compile(
    r"(?:^|[_\-])(?:id|ids|name|names|url|uri|path|file|arn|type|field|header|prefix|suffix|hash|length|ttl|count|limit"
    r"|regex|pattern|format|hint|label|ref|key_?ref|expires?|expiry|version|table|column|class|algorithm)$",
    re.IGNORECASE,
)
"""The end of a name whose value tells of a secret, and is none."""
_TELLS_OF_ONE: Final = re.compile(
    r"[~./]*/|[a-z]+://|arn:|urn:|\$|\{|!|@[a-z]|--|0x[0-9a-f]{40}$|Ag[A-Z][0-9a-z+/=]{200}", re.IGNORECASE
)
"""The beginning of a path, an address, a variable, an option or a sealed secret, or an address of a block chain."""
_ATTRIBUTE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
"""A name in a program, such as `ed25519.PrivateKey`."""
_CREDENTIALS: Final = re.compile(
    r"\bAuthorization[\"']?\s{0,3}[:=,]\s{0,3}[\"']?(?:Bearer|Basic|Token|token)\s{1,3}([0-9A-Za-z._~+/\-]{16,600}=*)"
    r"|--(?:[\w\-]{0,20}-)?(?:password|passwd|token|secret|api-?key)\s{1,3}[\"']?([0-9A-Za-z+/=_.!@#%^&*~][^\s\"'$<]{11,200})"
    r"|[\"']auth[\"']\s{0,3}:\s{0,3}[\"']([0-9A-Za-z+/]{20,400}={0,2})[\"']"
    r"|\bmachine\s+\S{1,100}\s+login\s+\S{1,100}\s+password\s+(\S{8,200})"
    r"|^[\w.*\-]{1,100}:(?:\d{2,5}|\*):[\w*\-]{1,60}:[\w*\-]{1,60}:([^\s:]{8,100})$"
)
"""Places in which a value is a secret whatever it is called: a header, and lines of .netrc and .pgpass."""
_COLONS: Final = 4
"""Of a line of .pgpass."""
_PREFIXED: Final = re.compile(
    r"(?<![0-9A-Za-z_\-/+=.])(?!sha\d|npm_|gh[pousr]_)[a-z][a-z0-9]{1,11}[_\-](?:[a-z0-9]{1,8}[_\-])?([0-9A-Za-z]{32,200})(?![0-9A-Za-z_\-/+=])"
)
"""A key as most issuers make them today: what it is for, and random characters of all kinds.

Of the prefixes that are left out, the form has more than this: a checksum, which would be wrong here."""
_BY_MARK: Final = tuple((mark, name, form, holds) for name, marks, form, holds in FORMS for mark in marks)
_TELLING: Final = ("pass", "pwd", "secret", "token", "key", "credential", "auth")
"""Parts of names and of headers without which no value is looked at; most lines have none."""


def secret_in(line: str) -> str | None:
    """Returns the kind of secret that a line holds, in words; None if it holds none. Never the secret itself."""
    for start in range(0, max(len(line) - OVERLAP, 1), WINDOW - OVERLAP):
        found = _in_window(line[start : start + WINDOW])
        if found is not None:
            return found
    return None


def _in_window(line: str) -> str | None:
    for mark, name, form, holds in _BY_MARK:
        if mark in line and any(
            not _is_placeholder(found[found.lastindex or 0]) and holds(found) for found in form.finditer(line)
        ):
            return name
    if any(not _is_placeholder(value) and _is_random(value) for value in _values(line)):
        return "a key or password"
    if not ("_" in line or "-" in line):
        return None
    prefixed = (found[1] for found in _PREFIXED.finditer(line))
    return "a key" if any(_is_random(value) and _has_all_kinds(value) for value in prefixed) else None


def _values(line: str) -> Iterator[str]:
    """Yields the values of names that are those of secrets, and of places that hold nothing else."""
    lower = line.lower()
    if not any(part in lower for part in _TELLING) and line.count(":") < _COLONS:
        return
    for found in _ASSIGNED.finditer(line):
        value = found[3] if found[3] is not None else found[4]
        if found[4] is not None and _ATTRIBUTE.fullmatch(value):
            continue
        if not _NAMES_ONLY.search(found[1]) and not _TELLS_OF_ONE.match(value):
            yield value
    for found in _CREDENTIALS.finditer(line):
        yield found[found.lastindex or 0]


def _is_placeholder(text: str) -> bool:
    """Returns True for what documents show in place of a key."""
    least = _LEAST_DISTINCT if len(text) >= _LEAST_LENGTH else 3
    return _PLACEHOLDER.search(text) is not None or (len(text) < 200 and len(set(text)) < least)


def _has_all_kinds(value: str) -> bool:
    return any(map(str.isupper, value)) and any(map(str.islower, value)) and any(map(str.isdigit, value))


def _is_random(value: str) -> bool:
    """Returns True if a value looks random: letters and digits, mixed as no word mixes them."""
    if len(value) < _LEAST_LENGTH or not any(map(str.isalpha, value)):
        return False
    if _UUID.fullmatch(value):
        return True
    most = _MOST_OF_WORDS if any(map(str.isdigit, value)) else _MOST_WITHOUT_DIGITS if _is_mixed(value) else 0.0
    needed = 3.0 if _HEX.fullmatch(value) else min(_MOST_ENTROPY_NEEDED, 0.85 * math.log2(len(value)))
    return _share_of_words(value) < most and _entropy(value) >= needed


def _is_mixed(value: str) -> bool:
    """Returns True for letters of both cases that change too often for words that are joined."""
    changes = sum(one.islower() and two.isupper() for one, two in pairwise(value))
    return len(value) >= _LENGTH_WITHOUT_DIGITS and changes >= len(value) // 6 and value.isascii()


def _share_of_words(value: str) -> float:
    """Returns the share of a value's letters and digits that stand in what may be words."""
    words = (found[0] for found in _WORD.finditer(value))
    in_words = sum(len(word) for word in words if len(word) > 2 and _VOWEL.search(word) and not _NO_WORD.search(word))
    return in_words / max(sum(map(str.isalnum, value)), 1)


def _entropy(text: str) -> float:
    """Returns Shannon's entropy of a text's characters, in bits for each."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())
