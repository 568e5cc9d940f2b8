"""The goal as text: its title, and the parts that it lists."""

from __future__ import annotations

import re
from typing import Final

from aurora_soar.model_plans.shapes import one_line

__all__ = ["TITLE_LENGTH", "clean", "cut", "looked_up", "parts_of", "sentence", "task_words", "title_of"]

TITLE_LENGTH: Final = 100
GOAL_READ: Final = 4_000
"""Characters of a goal that are looked up; the plan keeps all of it."""
_ITEM: Final = re.compile(r"^\s{0,8}(?:[-*+•]|\d{1,3}[.)])\s+(?:\[.\]\s+)?(\S.*)$")
_LEAD: Final = re.compile(r"^(?:[#>*+\-•\s]|\[.\]|\d{1,3}[.)]\s)+")
_SETTING: Final = re.compile(
    r"<(?=!--)|--(?=>)|\((?=(?:depends|blocked)\b|P\))|\[(?=P\])|_(?=(?:depends|requirements?|boundary)\b)",
    re.IGNORECASE,
)
_LABELS: Final = re.compile(r"^(?:\[\w+\]\s*)+")
_ORDER: Final = re.compile(r"\s*\((?:depends|blocked)\b[^()]*\)\s*$", re.IGNORECASE)
_LONG_WORD: Final = re.compile(r"\S{100}(\S+)")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def clean(text: str) -> str:
    """Returns a text on one line, without invisible characters, and with nothing that a task file takes for more."""
    shown = " ".join(_UNPRINTABLE.sub(" ", one_line(text)).split())
    return _SETTING.sub(r"\g<0> ", shown)


def sentence(text: str) -> str:
    """Returns a text as the words of a task: on one line, with a letter at its beginning."""
    words = clean(text)
    if not any(sign.isalnum() for sign in words):
        return "Look into it"
    return words if words[0].isalpha() else f"Do: {words}"


def task_words(title: str) -> str:
    """Returns the title of a task without the labels before it and the order behind it, as `sentence` does."""
    return sentence(_ORDER.sub("", _LABELS.sub("", title)) or title)


def cut(text: str, length: int) -> str:
    """Returns a text of at most `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def looked_up(goal: str) -> str:
    """Returns the part of a goal that is looked up and shown to a model: its beginning, without overlong words."""
    return _LONG_WORD.sub(lambda match: match.group()[:100], goal[:GOAL_READ])


def title_of(goal: str) -> str:
    """Returns the first line of a goal that says something, without its Markdown."""
    lines = (clean(_LEAD.sub("", line[:2_000])).rstrip(": ") for line in goal.splitlines())
    return cut(next((line for line in lines if line), "") or clean(goal[:2_000]) or "Untitled", TITLE_LENGTH)


def parts_of(goal: str) -> tuple[str, ...]:
    """Returns the items of the list in a goal, each once; () if it lists fewer than two."""
    items = (clean(match.group(1)[:2_000]) for line in goal.splitlines() if (match := _ITEM.match(line)))
    parts = tuple(dict.fromkeys(item for item in items if item))
    return parts if len(parts) > 1 else ()
