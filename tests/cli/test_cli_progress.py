"""Progress off a terminal is a line now and then; on a terminal it is a bar, and only for long work."""

from __future__ import annotations

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
