"""Reads JSON as models write it, with the slips that do not change its meaning, and with its end cut off.

Accepted beside JSON: single, typographic and missing quotes, quotes and line breaks inside a text, commas too many or
too few or of full width, comments, an ellipsis, the words of Python and JavaScript for true, false and null, and
escapes that are none. A text that ends early gives what was complete before its end.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_DEPTH", "LenientJson", "NestingError", "parse_lenient"]

MAX_DEPTH: Final = 64

_BLANKS: Final = re.compile(r"(?:[\s\ufeff\x00]|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z))+", re.DOTALL)
_FILLERS: Final = re.compile(r"(?:[\s\ufeff\x00,\uff0c]|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)|\.{3}|…)+", re.DOTALL)
_BARE_KEY: Final = re.compile(r"[\w$-]+(?=\s*[:\uff1a=])")
_BARE_WORD: Final = re.compile(r"[^,\]}\n\"]+")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?=[\s,\]}]|\Z)")
_AFTER_TEXT: Final = re.compile(r"\s*(?:[,:\uff0c\uff1a\]}]|//|/\*|\Z)")
_NEXT_LINE: Final = re.compile(r"[ \t\r]*\n\s*[\"'“{\[]")
_QUOTES: Final = {'"': '"', "'": "'", "“": '”"', "”": '”"', "‘": "’'", "`": "`"}  # noqa: RUF001 - they are meant
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\"}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")
_WORDS: Final = {
    **dict.fromkeys(("true", "yes"), True),
    **dict.fromkeys(("false", "no"), False),
    **dict.fromkeys(("null", "none", "undefined", "nan", ""), None),
}
_MOST_DIGITS: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class LenientJson:
    """A value that was read.

    Attributes:
        end: where the text goes on after it.
        complete: False if the text ended before the value did; what was incomplete is not in it.
    """

    value: object
    end: int
    complete: bool


class NestingError(ValueError):
    """A value nested deeper than `MAX_DEPTH`."""

    def __init__(self) -> None:
        super().__init__(f"it is nested more than {MAX_DEPTH} deep")


class _CutOffError(Exception):
    """The text ended inside a value that cannot be used in part."""


def parse_lenient(text: str, start: int = 0) -> LenientJson:
    """Returns the object or list that begins at `start`, the place of its opening bracket.

    Raises:
        NestingError: it is nested too deep.
    """
    reader = _Reader(text, start)
    value = reader.container(1)
    return LenientJson(value=value, end=reader.at, complete=reader.complete)


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text, self.at, self.complete = text, at, True

    def container(self, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise NestingError
        opening = self.text[self.at]
        self.at += 1
        return self._object(depth) if opening == "{" else self._list(depth)

    def _object(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while self._goes_on("}"):
            before = self.at
            try:
                key = self._key()
                if key is not None:
                    found[key] = self._value(depth)
            except _CutOffError:
                self.complete = False
                break
            if self.at == before:
                self.at += 1
        return found

    def _list(self, depth: int) -> list[object]:
        found: list[object] = []
        while self._goes_on("]"):
            before = self.at
            try:
                found.append(self._value(depth))
            except _CutOffError:
                self.complete = False
                break
            if self.at == before:
                found.pop()
                self.at += 1
        return found

    def _goes_on(self, closing: str) -> bool:
        """Tells if another member follows; the closing bracket is passed, one of an outer value is left to it."""
        self._skip(_FILLERS)
        if self.at >= len(self.text):
            self.complete = False
            return False
        if self.text[self.at] in "}]":
            if self.text[self.at] == closing:
                self.at += 1
            return False
        return True

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self.text, self.at):
            self.at = match.end()

    def _key(self) -> str | None:
        """Returns the key and passes its colon; None if what stands here is no key."""
        if self.text[self.at] in _QUOTES:
            key = self._quoted()
        elif match := _BARE_KEY.match(self.text, self.at):
            key, self.at = match.group(), match.end()
        else:
            self._skip(_BARE_WORD)
            return None
        self._skip(_BLANKS)
        if self.at >= len(self.text):
            raise _CutOffError
        if self.text[self.at] not in ":\uff1a=":
            return None
        self.at += 1
        return key

    def _value(self, depth: int) -> object:
        self._skip(_BLANKS)
        if self.at >= len(self.text):
            raise _CutOffError
        char = self.text[self.at]
        if char in "{[":
            return self.container(depth + 1)
        if char in _QUOTES:
            return self._quoted()
        if match := _NUMBER.match(self.text, self.at):
            self.at = match.end()
            if self.at >= len(self.text):
                raise _CutOffError
            return _number(match.group())
        return self._bare()

    def _bare(self) -> object:
        match = _BARE_WORD.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        if self.at >= len(self.text):
            raise _CutOffError
        word = match.group().strip()
        return _WORDS.get(word.lower(), word)

    def _quoted(self) -> str:
        closing = _QUOTES[self.text[self.at]]
        ordinary = re.compile(f"[^\\\\{closing}]+")
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            if match := ordinary.match(self.text, self.at):
                parts.append(match.group())
                self.at = match.end()
                continue
            char = self.text[self.at]
            self.at += 1
            if char == "\\":
                parts.append(self._escape())
            elif self._ends_here():
                return "".join(parts)
            else:
                parts.append(char)
        raise _CutOffError

    def _ends_here(self) -> bool:
        """Tells if a quote closes its text: a comma, a colon, a bracket, or another text in the next line follows."""
        after = _AFTER_TEXT.match(self.text, self.at) or _NEXT_LINE.match(self.text, self.at)
        return after is not None

    def _escape(self) -> str:
        if self.at >= len(self.text):
            raise _CutOffError
        char = self.text[self.at]
        self.at += 1
        if char == "u" and (match := _HEX.match(self.text, self.at)):
            self.at = match.end()
            return self._code_point(int(match.group(), 16))
        if char in _ESCAPES:
            return _ESCAPES[char]
        return char if char in _QUOTES else f"\\{char}"

    def _code_point(self, code: int) -> str:
        """Returns the character, with the second half of a pair if there is one; half a pair is no character."""
        if 0xD800 <= code < 0xDC00 and self.text.startswith("\\u", self.at):
            second = _HEX.match(self.text, self.at + 2)
            if second and 0xDC00 <= (low := int(second.group(), 16)) < 0xE000:
                self.at = second.end()
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _number(text: str) -> int | float | None:
    digits = text.lstrip("+-")
    if digits.isdecimal():
        return int(text) if len(digits) <= _MOST_DIGITS else None
    number = float(text)
    return number if math.isfinite(number) else None
