"""Ids of personas, made from names in any script."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["MAX_ID", "id_of", "kebab"]

MAX_ID: Final = 64
# Signs that distinguish programming languages would vanish as punctuation.
_SIGNS: Final = (
    (re.compile(r"(?<![^\W_])c\+\+"), "cpp"),
    (re.compile(r"(?<![^\W_])([a-z])#"), r"\1-sharp"),
    (re.compile(r"(?<!\w)\.net(?![^\W_])"), "dotnet"),
)


def kebab(text: str) -> str:
    """Returns a name as a kebab-case id: `Code Reviewer` → `code-reviewer`; "" if no letter or digit is left."""
    text = unicodedata.normalize("NFKC", text[: 4 * MAX_ID]).lower()
    for sign, word in _SIGNS:
        text = sign.sub(word, text)
    return re.sub(r"[\W_]+", "-", text).strip("-")[:MAX_ID].rstrip("-")


def id_of(name: str, stem: str) -> str:
    """Returns the id of a persona from its name, else from its file's stem, else from the Unicode names of its signs.

    Args:
        name: the persona's name.
        stem: the file's name without its extension; used if the name has no letter or digit.
    """
    called = " ".join(unicodedata.name(sign, "") for sign in (name or stem)[:4])
    return kebab(name) or kebab(stem) or kebab(called) or "persona"
