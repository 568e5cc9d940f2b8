"""`aur mem graph`: what a file is tied to, in lines, as JSON and as a picture."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.core.test_core_ties import FILES

from aurora_cli.exits import ExitCode
from aurora_cli.render.pictures.ties import ties_file
from aurora_cli.render.ties import as_lines
from aurora_core import Tie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text></svg><script>alert(1)</script>\x1b[31m" + "x" * 300 + "/end.py"


@pytest.fixture
def indexed(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (shop / name).parent.mkdir(exist_ok=True)
        (shop / name).write_text(text)
    assert aur("mem", "index").returncode == ExitCode.DONE
    monkeypatch.chdir(shop / "shop")
    return shop


def test_the_ties_of_a_file_are_told_and_drawn(aur: Aur, indexed: Path) -> None:
    del indexed
    shown = aur("mem", "graph", "till.py")
    assert shown.returncode == ExitCode.DONE, shown.stderr
    assert shown.stdout.splitlines() == [
        "shop/till.py",
        "  uses          shop/prices.py  imports it, calls 2 names of it",
        "  used by       shop/report.py  1 name called by it",
    ]
    assert "1 more with --limit" in aur("mem", "graph", "shop/till.py", "--limit", "1").stdout
    document = json.loads(aur("mem", "graph", "till.py", "--json").stdout)
    assert (document["file"], [tie["file"] for tie in document["ties"]], document["more"]) == (
        "shop/till.py",
        ["shop/prices.py", "shop/report.py"],
        0,
    )
    picture = ET.fromstring(aur("mem", "graph", "till.py", "--svg").stdout.encode())
    titles = [each.text for each in picture.iter(f"{SVG}title")]
    assert titles == [
        "shop/report.py: 1 name called by it",
        "shop/prices.py: imports it, calls 2 names of it",
        "shop/till.py",
    ]
    edges = [each.attrib["style"] for each in picture.iter(f"{SVG}path") if each.attrib["class"] == "edge"]
    assert edges == ["stroke-width: 1.8", "stroke-width: 2.5"], "the stronger tie is the wider line"


def test_a_file_without_ties_and_one_that_is_not_there(aur: Aur, indexed: Path) -> None:
    alone = aur("mem", "graph", "../alone.py")
    assert (alone.returncode, alone.stdout) == (ExitCode.NOT_REACHED, "alone.py\n")
    assert "nothing ties it" in alone.stderr
    for name in ("nosuch.py", "shop", str(indexed.parent / "outside.py")):
        refused = aur("mem", "graph", name)
        assert refused.returncode == ExitCode.USAGE, name
    assert aur("mem", "graph", "till.py", "--svg", "--json").returncode == ExitCode.USAGE


def test_hostile_names_stay_text_in_the_picture_and_no_box_lies_on_another() -> None:
    ties = [
        Tie(
            file=f"{at}{HOSTILE}",
            imports=at < 3,
            imported_by=at == 3,
            calls=0,
            called_by=0,
            together=at,
            strength=0.5,
        )
        for at in range(8)
    ]
    picture = ET.fromstring(ties_file(HOSTILE, ties, more=4).encode())
    assert {each.tag.removeprefix(SVG) for each in picture.iter()} <= {
        *("svg", "style", "g", "rect", "text", "title", "path")
    }
    boxes = [each.attrib for each in picture.iter(f"{SVG}rect") if each.attrib["class"] == "paper"]
    assert len(boxes) == 9
    places = sorted((float(each["x"]), float(each["y"])) for each in boxes)
    for (x, y), (next_x, next_y) in pairwise(places):
        assert next_x - x > 320 or next_y - y >= 42
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    assert all(0 <= x <= width - 320 and 0 <= y <= height - 42 for x, y in places)
    words = [each.text or "" for each in picture.iter(f"{SVG}text")]
    assert sum(each.startswith("…") and each.endswith("/end.py") for each in words) == 9
    assert "4 more ties" in words


def test_a_file_of_any_name_stays_on_its_line() -> None:
    name = "a\n  uses          forged.py\x1b[31m.py"
    tie = Tie(file=name, imports=True, imported_by=False, calls=0, called_by=0, together=0, strength=0.8)
    lines = list(as_lines(name, [tie], more=0))
    assert not any(character in "\r\n" for line in lines for character in line)
    assert not any("\x1b[31m" in line for line in lines)
    assert len(lines) == 2
