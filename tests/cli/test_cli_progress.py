"""Progress off a terminal is a line now and then; on a terminal it is a bar, and only for long work."""

from __future__ import annotations

import io

from rich.console import Console

from aurora_cli.render.bar import QUIET_S, Bar
from aurora_cli.render.progress import LINE_EVERY_S, PlainProgress


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_work_that_ends_quickly_shows_nothing() -> None:
    lines: list[str] = []
    report = PlainProgress(clock=Clock(), write=lines.append)
    for done in range(100):
        report("index", done, 100)
    assert lines == []


def test_long_work_shows_one_line_an_interval() -> None:
    lines: list[str] = []
    clock = Clock()
    report = PlainProgress(clock=clock, write=lines.append)
    for done in range(1, 11):
        clock.now += LINE_EVERY_S / 2
        report("index", done, 10)
    assert lines == [f"index: {done} of 10" for done in (2, 4, 6, 8, 10)]


def test_an_unknown_total_is_left_out() -> None:
    lines: list[str] = []
    clock = Clock()
    report = PlainProgress(clock=clock, write=lines.append)
    clock.now += LINE_EVERY_S
    report("walk", 7, 0)
    assert lines == ["walk: 7"]


def drawn_bar(clock: Clock, *steps: tuple[float, int, int]) -> str:
    """Let a bar follow steps of (seconds passed, done, total), and return what it drew."""
    screen = io.StringIO()
    bar = Bar(Console(file=screen, force_terminal=True, width=100), clock=clock)
    for seconds, done, total in steps:
        clock.now += seconds
        bar("index", done, total)
    bar.stop()
    return screen.getvalue()


def test_a_bar_appears_only_for_work_that_takes_a_while() -> None:
    assert "index" not in drawn_bar(Clock(), *((QUIET_S / 10, done, 9) for done in range(9)))


def test_a_bar_shows_how_far_and_how_fast() -> None:
    drawn = drawn_bar(Clock(), (1.0, 10, 100), (1.0, 30, 100), (1.0, 50, 100))
    assert "50/100" in drawn
    assert "20/s" in drawn


def test_a_bar_of_unknown_length_needs_no_total() -> None:
    assert "7/?" in drawn_bar(Clock(), (1.0, 7, 0))
