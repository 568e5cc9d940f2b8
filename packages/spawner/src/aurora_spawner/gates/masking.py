"""Masks keys and passwords in commands, which the journal keeps and people are shown.

A mask must hide nothing that a shell runs: no value reaches over a substitution, a separator, or an unquoted blank,
and the value of a variable that may be run later in the command is shown.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from typing import Final

from aurora_spawner.gates.key_forms import IN_HEADERS, KEYS, NAMES, OPTION, PLACES, PREFIXED, VALUE, WEAKLY_NAMED

MASK: Final = "***"
_NAME: Final = rf"(?:{NAMES})[\w-]{{0,40}}"
_NAMED: Final = re.compile(
    rf"""((?:bearer|basic)[ \t]+(?=[^\s"']{{1,99}}(?:[\d=]|(?-i:[A-Z])))  # headers of requests; no word of a text
        |{_NAME}["']?(?:[ \t]*:[ \t]*|[ \t]+=[ \t]*|=)["']?             # `NAME= word` runs the word
        |{OPTION}[ \t]+["']?)                                           # options
        (?!\$){VALUE}{{4,}}""",
    re.IGNORECASE | re.VERBOSE,
)
"""Values by the word before them; a variable is no value."""
_IN_OPTIONS: Final = re.compile(
    rf"""((?:\bcurl\b[^|;&\n]{{0,999}}?\s(?:-u|-U|--user|--proxy-user)[ \t=]*["']?[^\s:"'`$]{{0,99}}:
        |\b(?:mysql|mariadb)[\w-]*[^|;&\n]{{0,999}}?\s-p
        |\bsshpass\s+-p[ \t]*
        |\bredis-cli\b[^|;&\n]{{0,999}}?\s-a[ \t]+
        |\b(?:docker|podman|helm)\s[^|;&\n]{{0,99}}?\blogin\b[^|;&\n]{{0,999}}?\s-p[ \t]*)["']?)
        (?!\$){VALUE}+""",
    re.VERBOSE,
)
"""Passwords by the program whose option they are."""
_IN_ADDRESSES: Final = re.compile(
    rf"""(://[^\s/:@\"'`$]*:|https?://)(?:(?![$/:]){VALUE})+(?=[^\s/:@\"'`$]{{0,99}}@)""", re.VERBOSE
)
"""A password in quotes may have separators; they stay, and what follows them."""
_PRIVATE_KEY: Final = re.compile(
    r"""(-----BEGIN\ (?:[A-Z0-9 ]{0,40}PRIVATE\ KEY(?:\ BLOCK)?|OpenVPN\ Static\ key\ V1)-----
         |\bPrivate-Lines:\ \d{1,4})
        (?:(?:\s|\\n)*(?=[\w+/]*?[A-Z]|[0-9a-f]{32})(?!/[a-z]+/)[\w+/]{16,}=*)*""",
    re.VERBOSE,
)
"""A line of small letters, or one that begins as a path does, is no line of a key."""
_QUOTED: Final = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|[^'\"\\]+|.", re.DOTALL)
"""The parts of a command as a shell sees them: in quotes, escaped, or neither."""
_OPENS: Final = re.compile(rf"(?:^|[\s;&|(])[\w-]{{0,40}}{_NAME}=|\s{OPTION}[\s=]", re.IGNORECASE)
_RUNS: Final = re.compile(r"[;&|<>()`$\n]")
"""Nothing with these is hidden: it may be a command where a comment or a here-document has a quote of its own."""
_REST_OF_A_KEY: Final = re.compile(r"^[\w./+-]{8,}=*")
_ASSIGNS: Final = re.compile(r"(?:(?<!\w)([A-Za-z_]\w*)=|\$\{!?([A-Za-z_]\w*):)[\"']?\Z")
"""The text before what a variable is set to, or stands for where it has no value, as in `${NAME:-value}`."""
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_SEPARATOR: Final = re.compile(r"[\s;&|(`]")
_LONGEST_NAME: Final = 1_000
_USED: Final = re.compile(r"(?:\$\{?!?|\bprintenv\s+)([A-Za-z_]\w*)")
_AS_CREDENTIAL: Final = re.compile(
    rf"(?:\b(?:bearer|basic|token)[ \t]+|:[ \t]*|{OPTION}[ \t=]+|://[^\s/@]{{0,99}})[\"']?\Z",
    re.IGNORECASE,
)
"""The text before a variable that is sent as a key or password: nothing runs it there."""
_LIKE_A_KEY: Final = re.compile(r"[\"']?(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{12,}[\"']?")
"""A value that is no name of a program."""
_CAPITAL, _SMALL, _DIGIT = (True, False), (False, False), (False, True)
_PART: Final = re.compile(r"[^/$]+")
_WORD: Final = re.compile(r"[a-z]{1,12}|\.+")
_PATH: Final = re.compile(r"(?:~|\.{1,2})?/")


def masked(text: str) -> str:
    """Returns the text with what looks like a key or a password masked."""
    used = _used(text)
    text = _PRIVATE_KEY.sub(_masked, _phrases_masked(text, used))
    for form in KEYS:
        text = form.sub(_key_masked, text)
    text = PREFIXED.sub(_prefixed_masked, text)
    for form in (*PLACES, _IN_OPTIONS):
        text = form.sub(_masked, text)
    named = partial(_named_masked, used)
    text = _IN_ADDRESSES.sub(_masked, _NAMED.sub(named, IN_HEADERS.sub(named, text)))
    return WEAKLY_NAMED.sub(partial(_weakly_named_masked, used), text)


def masked_end(text: str) -> str:
    """Returns the end of a longer text, masked; it may start within a key, whose beginning is then not seen."""
    return masked(_REST_OF_A_KEY.sub(MASK, text))


def _masked(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}"


def _key_masked(found: re.Match[str]) -> str:
    """Masks the parts of a key; words between slashes are shown, for they may be a path."""
    value = found[0][len(found[1]) :]
    if "/" not in value and "$" not in value:
        return _masked(found)
    return found[1] + _PART.sub(lambda part: part[0] if _WORD.fullmatch(part[0]) else MASK, value)


def _prefixed_masked(found: re.Match[str]) -> str:
    return _masked(found) if _is_random(found[2]) else found[0]


def _is_random(value: str) -> bool:
    """Tells whether letters and digits are mixed as no joined words mix them."""
    kinds = [(each.isupper(), each.isdigit()) for each in value]
    changes = sum(one != two and (one, two) != (_CAPITAL, _SMALL) for one, two in pairwise(kinds))
    return {_CAPITAL, _SMALL, _DIGIT} <= set(kinds) and changes * 4 >= len(value)


def _used(text: str) -> frozenset[str]:
    """Returns the variables that a command uses other than as a key or password, so that it may run their values."""
    return frozenset(
        found[1]
        for found in _USED.finditer(text)
        if not _AS_CREDENTIAL.search(text, max(0, found.start() - 120), found.start())
    )


def _runs(used: frozenset[str], before: str, value: str) -> bool:
    """Tells whether a value may be a command: of a variable that may be run, of an alias, or behind an assignment."""
    assigned = _ASSIGNS.search(before)
    run = (assigned[1] or assigned[2]) in used if assigned is not None else _follows_assignment(before)
    return (run or _is_alias(before)) and not _LIKE_A_KEY.fullmatch(value.rstrip("}"))


def _is_alias(before: str) -> bool:
    """Tells whether a value is what an alias of a shell, or of git's settings, stands for."""
    _, found, names = before.rpartition("alias")
    return bool(found) and names[:1] in {".", " ", "\t"} and not _RUNS.search(names)


def _follows_assignment(before: str) -> bool:
    """Tells whether a value is a word behind `NAME=…`, where a shell runs it, as in `X=--token unlink src`."""
    words = before.rstrip("\"'")
    return words[-1:] in {" ", "\t"} and _ASSIGNMENT.match(_SEPARATOR.split(words.rstrip(" \t"))[-1]) is not None


def _named_masked(used: frozenset[str], found: re.Match[str]) -> str:
    end = found.end(1)
    before, value = found.string[max(0, end - _LONGEST_NAME) : end], found.string[end : found.end()]
    return found[0] if _is_path(value) or _runs(used, before, value) else _masked(found)


def _weakly_named_masked(used: frozenset[str], found: re.Match[str]) -> str:
    return _named_masked(used, found) if any(map(str.isdigit, found[2])) else found[0]


def _is_path(value: str) -> bool:
    return bool(_PATH.match(value)) and not any(map(_LIKE_A_KEY.fullmatch, value.split("/")))


def _phrases_masked(text: str, used: frozenset[str]) -> str:
    """Returns the text with values in quotes masked that have blanks, such as PASSWORD='some long phrase'."""
    shown: list[str] = []
    for part in _QUOTED.findall(text):
        opens = part[0] in "'\"" and len(part) > 2 and shown and _ends_with_name(shown[-1])
        hidden = opens and not _RUNS.search(part) and not _runs(used, shown[-1][-_LONGEST_NAME:], part)
        shown.append(f"{part[0]}{MASK}{part[0]}" if hidden and not part[1:].startswith("$") else part)
    return "".join(shown)


def _ends_with_name(part: str) -> bool:
    """Tells whether an unquoted part ends with the name of a secret, so that what follows is its value."""
    end = part[-100:]
    return part[0] not in "'\"\\" and any(found.end() == len(end) for found in _OPENS.finditer(end))
