"""Escapes for text from outside that could control the terminal or imitate other text."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["printable", "printable_json", "printable_with_colours"]

_KEPT: Final = "\t\n"
_PLAIN: Final = re.compile(r"[\t\n\x20-\x7e]*")
# Joined emoji, and the joiners of scripts that need them, are text; between ASCII letters joiners are invisible.
_JOINER: Final = re.compile("(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]{0,16}m)")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
# Drawn as nothing or as a blank, although Unicode counts these as letters or marks.
_BLANK: Final = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"


class _Spelling(dict[int, str]):
    """A table of shown characters that is filled on demand: a table of all characters would take 80 ms."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = _spelt(code) if _is_unseen(character) else character
        return self[code]


_SPELLING: Final = _Spelling()


def _is_unseen(character: str) -> bool:
    return character not in _KEPT and (unicodedata.category(character) in _UNSEEN or character in _BLANK)


def _spelt(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str) -> str:
    """Escapes control characters, changes of direction and invisible characters; keeps tabs and line breaks."""
    if _PLAIN.fullmatch(text):
        return text
    parts = _JOINER.split(text)
    joiners = _JOINER.findall(text)
    spelt = [part.translate(_SPELLING) for part in parts]
    return "".join(part + joiner for part, joiner in zip(spelt, [*joiners, ""], strict=True))


def printable_with_colours(text: str) -> str:
    """Escapes text for the terminal, as `printable` does, but keeps the colours that Aurora has added."""
    if _PLAIN.fullmatch(text):
        return text
    parts = _COLOUR.split(text)
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))


def printable_json(document: str) -> str:
    """Escapes the same characters in a JSON document by JSON escapes, which leave its values unchanged."""
    if _PLAIN.fullmatch(document):
        return document
    return "".join(_json_escape(character) if _is_unseen(character) else character for character in document)


def _json_escape(character: str) -> str:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{encoded[at : at + 2].hex()}" for at in range(0, len(encoded), 2))
