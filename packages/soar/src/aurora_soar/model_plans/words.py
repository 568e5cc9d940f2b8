"""Reads a plan out of plain words: a list or table in Markdown, elements, or sentences that count their steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["subgoals_in_words"]

_REFUSAL: Final = re.compile(
    r"\b(?:i['’]?m|i am|we are|we['’]re)\s+(?:\w+\s+)?(?:sorry|unable|not able)\b"  # noqa: RUF001
    r"|\b(?:i|we)\s+(?:can(?:['’]t|not| not)|won['’]t|will not|could not|couldn['’]t|do not|don['’]t)\b"  # noqa: RUF001
    r"|\bas an ai\b|\bunable to\b|\bplease (?:provide|give|share|clarify)\b"
    r"|\b(?:leider|ich kann (?:das |dies )?nicht|je ne peux pas|désolée?|lo siento|no puedo)\b|无法|抱歉|申し訳",
    re.IGNORECASE,
)
_YET: Final = re.compile(r"\b(?:but|however|instead|here(?:['’]s| is| are))\b", re.IGNORECASE)  # noqa: RUF001
_ASKS: Final = re.compile(r"[^\n.:!]*\?\s*\n")
_ELEMENT: Final = re.compile(r"<(li|subgoal|step|task|item)\b[^>]*>\s*([^<]+?)\s*</\1>", re.IGNORECASE)
_NUMBERED: Final = re.compile(
    r"^\s{0,8}(?:#{1,6}\s*)?(?:\*\*)?(?:(?:step|subgoal|task|part|schritt)\s*)?\(?\d{1,3}\s*[.):、：]\s*(.+)$",  # noqa: RUF001
    re.IGNORECASE,
)
_BULLET: Final = re.compile(r"^\s{0,3}[-*+•]\s+(?:\[.\]\s+)?(.+)$")
_ROW: Final = re.compile(r"^\s*\|(.+)\|\s*$")
_RULE: Final = re.compile(r"[\s:|-]+")
_SENTENCE_END: Final = re.compile(r"[.!?;\n]|,(?=\s{0,3}(?:and )?(?:then|next|finally)\b)", re.IGNORECASE)
_STEP: Final = re.compile(
    r"(?:and\s+)?(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|then|next|after that|afterwards|finally|lastly)\b[,:]?\s+"
    r"(?:(?:i|we)(?:['’]d|['’]ll|\s+(?:would|will|should))?\s+)?(.+)",  # noqa: RUF001
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"^(?:agent|assigned(?: to)?|assigned_agent|depends(?: on)?|priority|note)\s*:", re.IGNORECASE
)
_MARKUP: Final = re.compile(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|`(?=\s|$)|(?<=\s)`")


def subgoals_in_words(text: str, agents: Sequence[str]) -> tuple[dict[str, str], ...]:
    """Returns the steps that a text lists, at least two, each with the agent that it names; () if it lists none.

    A refusal and a question have none, whatever they list.
    """
    refused = _REFUSAL.search(text[:400]) and not _YET.search(text[:400])
    if refused or _ASKS.match(text[:2_000].lstrip()):
        return ()
    elements = [words for _tag, words in _ELEMENT.findall(text)]
    readings = (elements, _items(text, _NUMBERED), _rows(text, agents), _items(text, _BULLET), _counted(text))
    for reading in readings:
        steps = [step for words in reading if len(step := _plain(words)) > 5 and not _LABEL.match(step)]
        if len(steps) > 1:
            return tuple(_step(step, agents) for step in steps)
    return ()


def _items(text: str, pattern: re.Pattern[str]) -> list[str]:
    return [match.group(1) for line in text.splitlines() if (match := pattern.match(line))]


def _counted(text: str) -> list[str]:
    """Returns the sentences that begin with their place in an order, without it."""
    sentences = (sentence.strip() for sentence in _SENTENCE_END.split(text))
    return [match.group(1) for sentence in sentences if (match := _STEP.match(sentence))]


def _rows(text: str, agents: Sequence[str]) -> list[str]:
    """Returns the widest column of a table below its head, and the agent that the row names."""
    rows = list(_cells(text))
    if len(rows) < 3:
        return []
    body = rows[1:]
    widths = [sum(len(row[at]) for row in body if at < len(row)) for at in range(max(map(len, body)))]
    widest = widths.index(max(widths))
    found = []
    for row in body:
        who = next((cell for cell in row if _agent(cell, agents)), None)
        found.append((row[widest] if widest < len(row) else "") + (f" ({who})" if who else ""))
    return found


def _cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if (match := _ROW.match(line)) and not _RULE.fullmatch(match.group(1)):
            yield [cell.strip() for cell in match.group(1).split("|")]


def _step(step: str, agents: Sequence[str]) -> dict[str, str]:
    match = re.search(r"[\[(]\s*(?:agent:?\s*)?@?([\w.-]+)\s*[\])]\s*[.]?$|\s@([\w.-]+)$", step, re.IGNORECASE)
    named = _agent(match.group(1) or match.group(2), agents) if match else None
    if match is None or named is None:
        return {"description": step}
    return {"description": step[: match.start()].rstrip(" -–:"), "agent": named}  # noqa: RUF001


def _agent(word: str, agents: Sequence[str]) -> str | None:
    wanted = word.strip().strip("@`*").lower()
    return next((agent for agent in agents if agent.lower() == wanted), None)


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub("", text).split())
