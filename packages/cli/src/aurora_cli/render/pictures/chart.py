"""Picture of a run's timeline: a row for each task, with its attempts, checks, waits and merges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_cli.render.pictures.graph import Drawing
from aurora_cli.render.pictures.markup import element, label, text
from aurora_spawner.control.timeline import SpanKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.control.timeline import Mark, RunTimeline, Span

__all__ = ["MEANINGS", "duration", "legend_drawing", "timeline_drawing"]

MEANINGS: Final = {
    SpanKind.ATTEMPT: "attempt of an agent",
    SpanKind.REVIEW: "review",
    SpanKind.CHECK: "checks",
    SpanKind.PREPARATION: "worktree is made",
    SpanKind.DEPENDENCY: "waits for other tasks",
    SpanKind.START: "waits for a slot, its provider or the budget",
    SpanKind.RETRY: "waits for a retry or a fallback",
    SpanKind.APPROVAL: "waits for a person",
    SpanKind.PAUSE: "run paused, or no process works on it",
    SpanKind.PROVIDER: "provider paused or stopped",
}
_NAMES_PX: Final = 230
_TIME_PX: Final = 760
_ROW_PX: Final = 24
_HEAD_PX: Final = 26
_LEAST_PX: Final = 1.5
"""Width of a bar that would be too narrow to see."""
_LINES: Final = 8
"""Vertical lines of time, at most."""
_STEPS_S: Final = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60, 120, 300, 600, 1200, 1800, 3600, 7200, 18_000, 36_000, 86_400),
)


def timeline_drawing(run: RunTimeline) -> Drawing:
    """Draws a row for the run as a whole, and one for each task, over the time since the run was created."""
    whole = max(run.end - run.start, 0.001)
    scale = _TIME_PX / whole
    lines = [("the run", run.state, run.spans, run.marks)]
    lines += [(f"{each.task_id} {each.title}", each.state, each.spans, each.marks) for each in run.tasks]
    rows = [
        _name(name, state, number) + _times(spans, marks, number=number, start=run.start, scale=scale)
        for number, (name, state, spans, marks) in enumerate(lines)
    ]
    height = _HEAD_PX + len(rows) * _ROW_PX
    return Drawing(
        width=_NAMES_PX + _TIME_PX + 50,
        height=height + 4,
        markup="".join([*_ruler(whole, scale, height), *rows]),
    )


def legend_drawing() -> Drawing:
    """Draws what the colours mean."""
    parts = []
    for number, (kind, meaning) in enumerate(MEANINGS.items()):
        x, y = 8 + (number % 3) * 335, 8 + (number // 3) * 20
        parts.append(element("rect", x=x, y=y, width=22, height=12, class_=f"span {kind}"))
        parts.append(element("text", text(meaning), x=x + 30, y=y + 10, class_="small"))
    return Drawing(width=_NAMES_PX + _TIME_PX + 50, height=20 * -(-len(MEANINGS) // 3) + 12, markup="".join(parts))


def duration(seconds: float) -> str:
    """Returns a length of time: `0.25 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    larger, smaller = (f"{hours} h", f"{minutes} min") if hours else (f"{minutes} min", f"{rest} s")
    return larger if smaller.startswith("0 ") else f"{larger} {smaller}"


def _ruler(whole: float, scale: float, height: float) -> list[str]:
    step = next((each for each in _STEPS_S if whole / each <= _LINES), None) or 86_400 * -(
        -whole // (86_400 * _LINES)
    )
    lines = []
    for number in range(int(whole / step) + 1):
        x = _NAMES_PX + number * step * scale
        lines.append(element("line", x1=x, y1=_HEAD_PX - 6, x2=x, y2=height, class_="ruler"))
        lines.append(element("text", duration(number * step), x=x + 3, y=_HEAD_PX - 12, class_="small"))
    return lines


def _name(name: str, state: str, number: int) -> str:
    """Returns the name of a row before its stripe."""
    y = _HEAD_PX + number * _ROW_PX
    return element(
        "g",
        element("title", text(f"{name}: {state}")),
        element(
            "rect", x=0, y=y, width=_NAMES_PX + _TIME_PX, height=_ROW_PX, class_="row even" if number % 2 else "row"
        ),
        element("circle", cx=12, cy=y + _ROW_PX / 2, r=4, class_=f"box {state}"),
        element("text", label(name, _NAMES_PX - 34), x=24, y=y + 16),
    )


def _times(spans: Sequence[Span], marks: Sequence[Mark], *, number: int, start: float, scale: float) -> str:
    y = _HEAD_PX + number * _ROW_PX
    bars = (_bar(span, y, start, scale) for span in spans)
    return element("g", *bars, *(_diamond(mark, y, start, scale) for mark in marks))


def _bar(span: Span, y: float, start: float, scale: float) -> str:
    thin = span.kind.waits
    return element(
        "rect",
        element("title", text(f"{span.label} ({_clock(span.start)}, {duration(span.seconds)})")),
        x=_NAMES_PX + (span.start - start) * scale,
        y=y + (8 if thin else 4),
        width=max(span.seconds * scale, _LEAST_PX),
        height=8 if thin else 16,
        class_=f"span {span.kind}{' bad' if span.failed else ''}",
    )


def _diamond(mark: Mark, y: float, start: float, scale: float) -> str:
    x, middle = _NAMES_PX + (mark.at - start) * scale, y + _ROW_PX / 2
    points = f"{x:.1f},{middle - 6:.1f} {x + 5:.1f},{middle:.1f} {x:.1f},{middle + 6:.1f} {x - 5:.1f},{middle:.1f}"
    return element(
        "polygon",
        element("title", text(f"{mark.label} ({_clock(mark.at)})")),
        points=points,
        class_="mark bad" if mark.failed else "mark",
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
