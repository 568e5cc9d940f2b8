"""How personas are called: ids made of names in any script."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["MAX_ID", "id_of", "kebab"]

MAX_ID: Final = 64
# Signs that tell languages apart would vanish as punctuation.
_SIGNS: Final = (
    (re.compile(r"(?<![^\W_])c\+\+"), "cpp"),
    (re.compile(r"(?<![^\W_])([a-z])#"), r"\1-sharp"),
    (re.compile(r"(?<!\w)\.net(?![^\W_])"), "dotnet"),
)


def kebab(text: str) -> str:
    """Returns an id as tasks write it: `Code Reviewer` → `code-reviewer`; "" if no letter or digit is left."""
    text = unicodedata.normalize("NFKC", text[: 4 * MAX_ID]).lower()
    for sign, word in _SIGNS:
        text = sign.sub(word, text)
    return re.sub(r"[\W_]+", "-", text).strip("-")[:MAX_ID].rstrip("-")


def id_of(name: str, stem: str) -> str:
    """Returns the id of a persona: of its name, else of its file's stem, else of what its signs are called.

    Args:
        stem: the name of the file without what follows the dot; a name that is only signs leaves the choice to it.
    """
    called = " ".join(unicodedata.name(sign, "") for sign in (name or stem)[:4])
    return kebab(name) or kebab(stem) or kebab(called) or "persona"
