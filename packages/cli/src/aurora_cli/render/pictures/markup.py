"""Elements of SVG and HTML, with every text from outside escaped."""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import Final

from aurora_cli.render.words import one_line

__all__ = ["element", "label", "text", "width_of"]

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML 1.0 does not allow, however they are written."""
_CHARACTER_PX: Final = 7.0
"""Width of a character at 12 px, a little more than that of most letters."""


def text(value: str, limit: int = 400) -> str:
    """Returns a text from outside on one line, escaped for the content of an element."""
    return escape(_NOT_XML.sub("\ufffd", one_line(value, limit)), quote=False)


def element(name: str, *content: str, **attributes: str | float) -> str:
    """Returns an element.

    Args:
        content: Markup.
        attributes: Numbers are rounded to a tenth; underscores in names become hyphens, one at the end is dropped.
    """
    given = "".join(f' {_name(key)}="{escape(_value(value))}"' for key, value in attributes.items())
    inner = "".join(content)
    return f"<{name}{given}>{inner}</{name}>" if inner else f"<{name}{given}/>"


def label(value: str, width_px: float) -> str:
    """Returns a text from outside as content, cut so that it is drawn within a width."""
    shown = one_line(value, 400)
    if width_of(shown) > width_px:
        while shown and width_of(shown) + _CHARACTER_PX > width_px:
            shown = shown[:-1]
        shown += "…"
    return escape(_NOT_XML.sub("\ufffd", shown), quote=False)


def width_of(shown: str) -> float:
    """Returns the estimated width of a text at 12 px."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in shown)
    return (len(shown) + wide) * _CHARACTER_PX


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", value)
    return f"{value:.1f}".rstrip("0").rstrip(".")
