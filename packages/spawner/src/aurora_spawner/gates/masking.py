"""Masks keys and passwords in commands, which the journal keeps and people are shown."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_KEYS: Final = re.compile(
    r"\b(sk-|pk-|rk_live_|sk_live_|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abprs]-|AKIA|AIza|npm_|pypi-|hf_)[\w-]{8,}"
)
"""Keys by the beginnings that their makers give them."""
_NAMED: Final = re.compile(
    r"""((?:bearer|basic)\s+                                            # headers of requests
        |[\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|passphrase)[\w-]*["']?\s*[=:]\s*["']?
        |--(?:password|token|api-key|secret)\s+["']?)                   # options
        (?!\$)[^\s"'@&|;]{4,}""",
    re.IGNORECASE | re.VERBOSE,
)
"""Values by the word before them; a variable is no value."""
_IN_ADDRESSES: Final = re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"'$]+(?=@)")


def masked(text: str) -> str:
    """Returns the text with what looks like a key or a password masked."""
    for each in (_KEYS, _NAMED, _IN_ADDRESSES):
        text = each.sub(rf"\1{MASK}", text)
    return text
