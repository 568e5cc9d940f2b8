"""The picture of a run as one file: an SVG, or an HTML page with a table of the tasks; neither loads anything."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from aurora_cli.render.moments import to_the_second
from aurora_cli.render.pictures.chart import MEANINGS, duration, legend_drawing, timeline_drawing
from aurora_cli.render.pictures.graph import Drawing, graph_drawing
from aurora_cli.render.pictures.markup import element, text

if TYPE_CHECKING:
    from aurora_spawner.control.timeline import RunTimeline, TaskTimeline

__all__ = ["html_page", "stand_alone", "svg_file"]

_STYLE: Final = """
svg, body { --ink: #1f2430; --pale: #6b7280; --paper: #ffffff; --stripe: #f4f5f7; --line: #d5d9e0; }
@media (prefers-color-scheme: dark) {
  svg, body { --ink: #e6e8ee; --pale: #9aa3b2; --paper: #14171e; --stripe: #1c2029; --line: #3a4150; }
}
svg { background: var(--paper); }
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: var(--ink); }
.small { font-size: 11px; fill: var(--pale); }
.head { font-size: 15px; font-weight: 600; }
.paper { fill: var(--paper); }
.edge { fill: none; stroke: var(--pale); stroke-width: 1.2; opacity: .6; }
.edge.apart { stroke-dasharray: 4 3; }
.box { fill: var(--stripe); stroke: var(--pale); stroke-width: 1.5; }
.succeeded { fill: #2f9e5b33; stroke: #2f9e5b; }
.failed { fill: #d6404533; stroke: #d64045; }
.running { fill: #2b7fc433; stroke: #2b7fc4; }
.skipped, .cancelled, .interrupted { fill: #c98a1b33; stroke: #c98a1b; }
.crashed { fill: #d6404533; stroke: #d64045; stroke-dasharray: 3 2; }
.row { fill: none; }
.row.even { fill: var(--stripe); }
.ruler { stroke: var(--line); stroke-width: 1; }
.attempt { fill: #2f9e5b; }
.review { fill: #7a5cc7; }
.check { fill: #1b98a8; }
.preparation { fill: #8b98ab; }
.dependency { fill: var(--line); }
.start { fill: #b7c1d0; }
.retry { fill: #e0a437; }
.approval { fill: #c75c9e; }
.pause { fill: #6b7280; }
.provider { fill: #b0662c; }
.span.bad { fill: #d64045; }
.mark { fill: var(--ink); stroke: var(--paper); }
.mark.bad { fill: #d64045; }
"""
_PAGE_STYLE: Final = """
body { background: var(--paper); color: var(--ink); font: 14px ui-sans-serif, system-ui, sans-serif; margin: 24px; }
h1 { font-size: 20px; } h2 { font-size: 16px; margin-top: 28px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); }
td.number { text-align: right; white-space: nowrap; }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Forbids the page to load or run anything, whatever stands in it."""
_GAP_PX: Final = 30


def svg_file(run: RunTimeline) -> str:
    """Returns the graph and the timeline of a run as an SVG file."""
    parts = [(text(_headline(run)), graph_drawing(run)), ("Timeline", timeline_drawing(run)), ("", legend_drawing())]
    y, markup = 0.0, []
    for heading, drawing in parts:
        if heading:
            y += _GAP_PX
            markup.append(element("text", heading, x=8, y=y - 8, class_="head"))
        markup.append(element("g", drawing.markup, transform=f"translate(0 {y:.0f})"))
        y += drawing.height
    whole = Drawing(width=max(each.width for _, each in parts), height=y, markup="".join(markup))
    return stand_alone(whole, run.run_id)


def stand_alone(drawing: Drawing, name: str) -> str:
    """Returns a drawing as an SVG file that needs nothing else."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _svg(drawing, name, style=_STYLE) + "\n"


def html_page(run: RunTimeline) -> str:
    """Returns the graph, the timeline and a table of a run's tasks as an HTML page."""
    drawings = {"Tasks": graph_drawing(run), "Timeline": timeline_drawing(run)}
    sections = [
        element("h2", heading) + element("div", _svg(drawing, f"{heading} of {run.run_id}"), class_="wide")
        for heading, drawing in drawings.items()
    ]
    legend = element("div", _svg(legend_drawing(), "the meaning of the colours"), class_="wide")
    head = element(
        "head",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        element("title", text(run.run_id)),
        element("style", _STYLE + _PAGE_STYLE),
    )
    body = element("body", element("h1", text(_headline(run))), *sections, legend, _table(run))
    return f'<!DOCTYPE html>\n<html lang="en">{head}{body}</html>\n'


def _svg(drawing: Drawing, name: str, *, style: str = "") -> str:
    return element(
        "svg",
        element("style", style) if style else "",
        drawing.markup or element("g"),
        xmlns="http://www.w3.org/2000/svg",
        width=drawing.width,
        height=drawing.height,
        viewBox=f"0 0 {drawing.width:.0f} {drawing.height:.0f}",
        role="img",
        aria_label=name,
    )


def _headline(run: RunTimeline) -> str:
    counts = Counter(task.state for task in run.tasks)
    states = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no tasks"
    began = to_the_second(run.start)
    return f"{run.run_id}: {run.state}; {states}; from {began}, {duration(run.end - run.start)}"


def _table(run: RunTimeline) -> str:
    names = ("Task", "Agent", "State", "Attempts", "Worked", "Waited", "Error")
    head = element("tr", *(element("th", name) for name in names))
    return element("h2", "Results") + element(
        "div", element("table", head, *(_table_row(task) for task in run.tasks)), class_="wide"
    )


def _table_row(task: TaskTimeline) -> str:
    worked = sum(task.seconds_of(kind) for kind in MEANINGS if not kind.waits)
    waits = [
        f"{MEANINGS[kind].removeprefix('waits ')} {duration(seconds)}"
        for kind in MEANINGS
        if kind.waits and (seconds := task.seconds_of(kind))
    ]
    return element(
        "tr",
        element("td", text(f"{task.task_id} {task.title}")),
        element("td", text(task.agent)),
        element("td", text(task.state)),
        element("td", str(task.attempts), class_="number"),
        element("td", duration(worked), class_="number"),
        element("td", text("; ".join(waits)) or " "),
        element("td", text(task.error or "") or " "),
    )
