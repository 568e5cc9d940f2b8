"""`aur runs show --svg` and `--html`: one file by itself, whatever the names of tasks are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.test_cli_spawn import CONFIG, write_tasks

from aurora_cli.exits import ExitCode
from aurora_cli.render.pictures.chart import duration
from aurora_cli.render.pictures.documents import html_page, svg_file
from aurora_cli.render.pictures.layout import columns_of
from aurora_cli.render.pictures.markup import label, width_of
from aurora_spawner.control.timeline import Mark, RunTimeline, Span, SpanKind, TaskTimeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "</text></svg><script>alert(1)</script>",
    "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>&x;",
    '" onload="alert(1)',
    "\x00\x1b[31m\ufffe\ud800\u202egnp.exe",
    "日本語のとても長い名前" * 20,
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def timeline(*names: str) -> RunTimeline:
    spans = tuple(
        Span(kind=kind, start=10.0 * number, end=10.0 * number + 9, label=name, failed=bool(number % 2))
        for number, (kind, name) in enumerate(zip(SpanKind, names * len(SpanKind), strict=False))
    )
    tasks = tuple(
        TaskTimeline(
            task_id=f"{number} {name}",
            title=name,
            agent=name,
            state="failed",
            depends_on=(f"{number - 1} {names[number - 1]}",) if number else (),
            error=name,
            spans=spans,
            marks=(Mark(at=50, label=name, failed=True),),
        )
        for number, name in enumerate(names)
    )
    return RunTimeline(
        run_id="spawn-1",
        state="crashed",
        start=0,
        end=100,
        tasks=tasks,
        spans=spans,
        marks=(Mark(at=99, label="end"),),
    )


class Page(HTMLParser):
    """Reads a page as a browser does, and keeps what is in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.addresses += [value for name, value in attrs if value and re.match(r"\w+:", value) and name != "xmlns"]


def test_hostile_names_stay_text_in_the_svg() -> None:
    root = ET.fromstring(svg_file(timeline(*HOSTILE)).encode())
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "style", "g", "rect", "text", "title", "path", "line", "circle", "polygon")
    }
    assert not any(name.lower().startswith("on") or "href" in name for each in root.iter() for name in each.attrib)
    shown = " ".join(each.text or "" for each in root.iter(f"{SVG}title"))
    assert "<script>alert(1)</script>" in shown
    assert r"\u202e" in shown


def test_hostile_names_stay_text_in_the_page_which_may_load_nothing() -> None:
    markup = html_page(timeline(*HOSTILE))
    page = Page(markup)
    assert not {"script", "img", "link", "iframe", "foreignobject"} & set(page.tags)
    assert not any(name.startswith("on") or name in ("href", "src") for name in page.attributes)
    assert not page.addresses
    assert "url(" not in markup
    assert "default-src 'none'" in markup
    markup.encode()


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_text_makes_a_well_formed_picture(names: list[str]) -> None:
    ET.fromstring(svg_file(timeline(*names)).encode())
    html_page(timeline(*names)).encode()


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3)))
def test_every_task_has_one_place_right_of_what_it_depends_on_unless_they_are_in_a_circle(
    needs: dict[str, list[str]],
) -> None:
    columns = columns_of(needs)
    place = {task: number for number, column in enumerate(columns) for task in column}
    assert sorted(task for column in columns for task in column) == sorted(needs)
    circle = len(columns) - 1
    for task, column in place.items():
        if column < circle:
            assert all(place[need] < column for need in needs[task] if need in needs)


def test_a_label_is_cut_to_its_room_also_in_wide_letters() -> None:
    for name in ("short", "a" * 99, "日本語" * 30):
        assert width_of(label(name, 100)) <= 100
    assert label("short", 100) == "short"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.25, "0.25 s"), (9.999, "10 s"), (59.7, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_lengths_of_time_read_plainly(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_run_without_tasks_or_time_has_a_picture() -> None:
    empty = RunTimeline(run_id="spawn-1", state="running", start=5, end=5)
    ET.fromstring(svg_file(empty))
    assert "no tasks" in html_page(empty)


@pytest.fixture
def finished(aur: Aur, shop: Path) -> str:
    """A run with a success, a failure with retries, and a skipped task; returns its name."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    write_tasks(
        shop / "tasks.md", "1 <b>Go</b>\n  - Agent: echo", "2 Break\n  - Agent: broken", "3 Wait\n  - Depends: 2"
    )
    found = json.loads(aur("spawn", "tasks.md", "--json").stdout)["run_id"]
    assert isinstance(found, str)
    return found


def test_the_picture_of_a_run_has_its_tasks_attempts_and_waits(aur: Aur, finished: str) -> None:
    outcome = aur("runs", "show", finished, "--svg")
    assert outcome.returncode == ExitCode.DONE
    root = ET.fromstring(outcome.stdout)
    bars = [each.attrib["class"] for each in root.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None]
    assert bars.count("span attempt bad") == 3
    assert bars.count("span attempt") == 1
    assert bars.count("span retry") == 2
    assert "span dependency" in bars
    assert len([each for each in root.iter(f"{SVG}path") if each.attrib.get("class") == "edge"]) == 1
    page = aur("runs", "show", finished, "--html").stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;Go&lt;/b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize("words", [["--svg", "--html"], ["--svg", "--json"], ["--html", "--recovery"]], ids=" ".join)
def test_one_form_at_a_time(aur: Aur, finished: str, words: list[str]) -> None:
    assert aur("runs", "show", finished, *words).returncode == ExitCode.USAGE


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_page_with_its_colours(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    file = tmp_path / "run.html"
    file.write_text(html_page(timeline("plain", *HOSTILE)), encoding="utf-8")
    seen = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", file.as_uri()],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()
    assert seen.count("<svg") == 3
    assert "<script" not in seen


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_reads_the_picture_without_an_error(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    file = tmp_path / "run.svg"
    file.write_text(svg_file(timeline("plain", *HOSTILE)), encoding="utf-8")
    seen = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", file.as_uri()],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()
    assert "waits for a person" in seen
    assert "parsererror" not in seen
    assert "<script" not in seen
