"""The picture in docs/watch.md is of the view as it is, and loads nothing from the network."""

import html
import re
from pathlib import Path

from aurora_cli.watch.app import KEYS

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "watch.svg"


def test_the_picture_shows_the_view_as_it_is() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    shown = html.unescape(picture).replace("\xa0", " ")
    again = "record it again: python tools/watch_picture.py"
    for words in (KEYS, "Needs a look", "asks since", "waits for", "The output of", "at work"):
        assert words in shown, again


def test_the_picture_loads_nothing() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"url\((?!#)|<image|<script|href=", picture) == []
    assert len(picture) < 40_000
