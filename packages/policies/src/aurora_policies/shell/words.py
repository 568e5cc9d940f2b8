"""Words of a command after expansion: their text, with a mark where a part of it is not known.

While a word is built, characters that lost their special meaning by quoting are moved to a private range, so that
braces, blanks, tildes and wildcards can be told apart from text.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LOOSE", "SPLIT", "TAINT", "UNKNOWN", "Word", "decoded", "finish", "quoted", "spread", "unquoted_value"]

UNKNOWN: Final = "\ue000"
"""Stands in a text for a part that is not known: any characters, also none."""
LOOSE: Final = "\ue001"
"""While a word is built: an unknown part outside quotes, which may be any number of words."""
SPLIT: Final = "\ue002"
"""While a word is built: a blank of an expansion outside quotes, which separates words."""
_EMPTY: Final = "\ue003"
"""While a word is built: quotes were there, so the word exists even if it is empty."""
TAINT: Final = "\ue006"
"""Follows an unknown part that comes from a secret."""
_SPECIAL: Final = "*?[]{},~"
_HIDDEN: Final = {ord(character): chr(0xE010 + index) for index, character in enumerate(_SPECIAL)}
_SHOWN: Final = {
    **{0xE010 + index: character for index, character in enumerate(_SPECIAL)},
    ord(LOOSE): UNKNOWN,
    ord(_EMPTY): None,
}
_BRACES_ONLY: Final = {ord(character): chr(0xE010 + _SPECIAL.index(character)) for character in "{},~"}
_PLAIN: Final = re.compile(r"[^\ue000-\ue01f*?\[{~]*")
_GLOB: Final = re.compile(r"[*?]|\[.")
_TILDE: Final = re.compile(r"~([A-Za-z_][A-Za-z0-9_-]*)?(?=/|$)")
_BLANKS: Final = re.compile(r"[ \t\n]+")
_RANGE: Final = re.compile(r"(-?\d{1,6}|[A-Za-z])\.\.(-?\d{1,6}|[A-Za-z])(?:\.\.-?\d{1,6})?")
_MAX_WORDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Word:
    """One argument of a command.

    Attributes:
        text: with UNKNOWN for each part that is not known.
        glob: it has wildcards outside quotes, so it may become many words.
        splits: a part that is not known stands outside quotes, so it may become any number of words.
    """

    text: str
    glob: bool = False
    splits: bool = False

    @property
    def known(self) -> bool:
        """The text is complete."""
        return UNKNOWN not in self.text


def quoted(text: str) -> str:
    """Hides the special characters of a text that stands in quotes."""
    return text.translate(_HIDDEN) + _EMPTY


def unquoted_value(text: str) -> str:
    """Returns the value of an expansion outside quotes: blanks split it, and wildcards stay wildcards."""
    return _BLANKS.sub(SPLIT, text.translate(_BRACES_ONLY)).replace(UNKNOWN, LOOSE)


def spread(texts: Iterable[str]) -> str:
    """Returns several words in one: an array in quotes."""
    return SPLIT.join(quoted(text) for text in texts)


def decoded(encoded: str, home: str = "~") -> str:
    """Returns a built word as one text, whatever is in it: neither braces nor blanks divide it."""
    if _PLAIN.fullmatch(encoded):
        return encoded
    tilde = _TILDE.match(encoded)
    if tilde:
        encoded = _home_of(tilde[1], home) + encoded[tilde.end() :]
    return encoded.replace(SPLIT, " ").translate(_SHOWN)


def finish(encoded: str, home: str) -> list[Word]:
    """Returns the words that a built word becomes: braces, then blanks, then tildes and wildcards."""
    if _PLAIN.fullmatch(encoded):
        return [Word(encoded)] if encoded else []
    parts = (part for alternative in _braces(encoded) for part in alternative.split(SPLIT))
    return [_word(part, home) for part in parts if part]


def _word(part: str, home: str) -> Word:
    tilde = _TILDE.match(part)
    if tilde:
        part = _home_of(tilde[1], home) + part[tilde.end() :]
    return Word(part.translate(_SHOWN), glob=bool(_GLOB.search(part)), splits=LOOSE in part)


def _home_of(user: str | None, home: str) -> str:
    if user is None:
        return home
    return "/root" if user == "root" else f"/home/{user}"


def _braces(text: str) -> list[str]:
    """Expands `{a,b}` and `{1..3}`; too many words become one that is not known."""
    if "{" not in text:
        return [text]
    done: list[str] = []
    waiting = [text]
    while waiting:
        if len(done) + len(waiting) > _MAX_WORDS:
            return [LOOSE]
        each = waiting.pop()
        parts = _first_group(each)
        if parts is None:
            done.append(each)
            continue
        before, choices, after = parts
        waiting.extend(before + choice + after for choice in reversed(choices))
    return done


def _first_group(text: str) -> tuple[str, list[str], str] | None:
    """Finds the first group with a comma or a range; it returns what stands before, the choices, and the rest."""
    start = text.find("{")
    while start >= 0:
        found = _group_at(text, start)
        if found is not None:
            end, choices = found
            return text[:start], choices, text[end + 1 :]
        start = text.find("{", start + 1)
    return None


def _group_at(text: str, start: int) -> tuple[int, list[str]] | None:
    depth, cuts = 0, [start]
    for index in range(start, min(len(text), start + 4096)):
        character = text[index]
        if character == "{":
            depth += 1
        elif character == "," and depth == 1:
            cuts.append(index)
        elif character == "}":
            depth -= 1
            if depth == 0:
                cuts.append(index)
                return _choices(text, cuts)
    return None


def _choices(text: str, cuts: list[int]) -> tuple[int, list[str]] | None:
    end = cuts[-1]
    if len(cuts) > 2:
        return end, [text[a + 1 : b] for a, b in itertools.pairwise(cuts)]
    reach = _RANGE.fullmatch(text[cuts[0] + 1 : end])
    return (end, _range(reach[1], reach[2])) if reach else None


def _range(first: str, last: str) -> list[str]:
    if first.isalpha() != last.isalpha():
        return [f"{{{first}..{last}}}".translate(_HIDDEN)]
    numbers = not first.isalpha()
    low, high = (int(first), int(last)) if numbers else (ord(first), ord(last))
    low, high = min(low, high), max(low, high)
    if high - low >= _MAX_WORDS:
        return [LOOSE]
    return [str(each) if numbers else chr(each) for each in range(low, high + 1)]
