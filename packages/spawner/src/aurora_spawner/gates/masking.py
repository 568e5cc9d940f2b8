"""Masks keys and passwords in commands, which the journal keeps and people are shown.

A mask must hide nothing that a shell runs: no value reaches over a substitution, a separator, or an unquoted blank,
and the value of a variable that may be run later in the command is shown.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

MASK: Final = "***"
_VALUE: Final = r"(?:(?!\$[({])[^\s\"'@&|;`<>()])"
"""A character of a value, which ends before anything that a shell would run."""
_NAME: Final = r"[\w-]{0,40}(?:api[_-]?key|accountkey|token|secret|passw(?:or)?d|passphrase)[\w-]{0,40}"
_KEYS: Final = re.compile(
    r"""\b((?:sk|pk)-|[rs]k_live_|gh[pousr]_|github_pat_|gl(?:pat|ptt|dt|rt|cbt|soat|ft)-|xox[abeoprs]-|AKIA|ASIA|AIza
        |npm_|pypi-|hf_|GOCSPX-|do[opr]_v1_|shp(?:at|ca|pa|ss)_|AGE-SECRET-KEY-1|\d{8,10}:(?=AA[\w-]{30}))[\w-]{8,}""",
    re.VERBOSE,
)
"""Keys by the beginnings that their makers give them; a path that begins so goes on after its slash."""
_LONG_KEYS: Final = re.compile(
    r"\b(SG\.|hooks\.slack\.com/services/|eyJ(?=[\w-]{8,}\.eyJ)|AccountKey=(?!\$))[\w./+-]{8,}=*"
)
"""Keys that have dots and slashes of their own."""
_NAMED: Final = re.compile(
    rf"""((?:bearer|basic)\s+                                           # headers of requests
        |{_NAME}["']?(?:\s*:\s*|\s+=\s*|=)["']?                         # `NAME= word` runs the word
        |--(?:password|token|api-key|secret)\s+["']?)                   # options
        (?!\$){_VALUE}{{4,}}""",
    re.IGNORECASE | re.VERBOSE,
)
"""Values by the word before them; a variable is no value."""
_IN_OPTIONS: Final = re.compile(
    rf"""((?:\bcurl\b[^|;&\n]{{0,999}}?\s(?:-u|-U|--user|--proxy-user)[\s=]*["']?[^\s:"'`$]{{0,99}}:
        |\b(?:mysql|mariadb)[\w-]*[^|;&\n]{{0,999}}?\s-p
        |\bsshpass\s+-p\s*
        |\bredis-cli\b[^|;&\n]{{0,999}}?\s-a\s+
        |\b(?:docker|podman|helm)\s[^|;&\n]{{0,99}}?\blogin\b[^|;&\n]{{0,999}}?\s-p\s*)["']?)
        (?!\$){_VALUE}+""",
    re.VERBOSE,
)
"""Passwords by the program whose option they are."""
_IN_ADDRESSES: Final = re.compile(r"(://[^\s/:@\"'`$]*:|https?://)[^\s/:@\"'`$]+(?=@)")
_PRIVATE_KEY: Final = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?:(?:\s|\\n)*[\w+/]{16,}=*)*"
)
_QUOTED: Final = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|[^'\"\\]+|.", re.DOTALL)
"""The parts of a command as a shell sees them: in quotes, escaped, or neither."""
_OPENS: Final = re.compile(rf"(?:^|[\s;&|(]){_NAME}=|\s--(?:password|token|api-key|secret)[\s=]", re.IGNORECASE)
_RUNS: Final = re.compile(r"[;&|<>()`$\n]")
"""Nothing with these is hidden: it may be a command where a comment or a here-document has a quote of its own."""
_REST_OF_A_KEY: Final = re.compile(r"^[\w./+-]{8,}=*")
_ASSIGNS: Final = re.compile(r"(?<!\w)([A-Za-z_]\w*)=[\"']?\Z")
_LONGEST_NAME: Final = 1_000
_USED: Final = re.compile(r"(?:\$\{?!?|\bprintenv\s+)([A-Za-z_]\w*)")
_AS_CREDENTIAL: Final = re.compile(
    r"(?:\b(?:bearer|basic|token)[ \t]+|:[ \t]*|--(?:password|token|api-key|secret)[ \t=]+|://[^\s/@]{0,99})[\"']?\Z",
    re.IGNORECASE,
)
"""The text before a variable that is sent as a key or password: nothing runs it there."""
_LIKE_A_KEY: Final = re.compile(r"[\"']?(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{12,}[\"']?")
"""A value that is no name of a program."""


def masked(text: str) -> str:
    """Returns the text with what looks like a key or a password masked."""
    used = _used(text)
    text = _phrases_masked(text, used)
    named = partial(_named_masked, used)
    for each in (_PRIVATE_KEY, _KEYS, _LONG_KEYS, _NAMED, _IN_OPTIONS, _IN_ADDRESSES):
        text = each.sub(named if each is _NAMED else rf"\1{MASK}", text)
    return text


def masked_end(text: str) -> str:
    """Returns the end of a longer text, masked; it may start within a key, whose beginning is then not seen."""
    return masked(_REST_OF_A_KEY.sub(MASK, text))


def _used(text: str) -> frozenset[str]:
    """Returns the variables that a command uses other than as a key or password, so that it may run their values."""
    return frozenset(
        found[1]
        for found in _USED.finditer(text)
        if not _AS_CREDENTIAL.search(text, max(0, found.start() - 120), found.start())
    )


def _runs(used: frozenset[str], before: str, value: str) -> bool:
    """Tells whether a value is assigned to a variable whose value may be run, and may be a command."""
    assigned = _ASSIGNS.search(before)
    return assigned is not None and assigned[1] in used and not _LIKE_A_KEY.fullmatch(value)


def _named_masked(used: frozenset[str], found: re.Match[str]) -> str:
    value = found.end(1)
    before = found.string[max(0, value - _LONGEST_NAME) : value]
    return found[0] if _runs(used, before, found.string[value : found.end()]) else f"{found[1]}{MASK}"


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
