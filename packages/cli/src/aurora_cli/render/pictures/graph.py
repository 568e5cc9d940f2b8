"""Picture of a run's task graph: a box for each task, a line from each task to those that depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_cli.render.pictures.layout import columns_of
from aurora_cli.render.pictures.markup import element, label, text

if TYPE_CHECKING:
    from aurora_spawner.control.timeline import RunTimeline, TaskTimeline

__all__ = ["Drawing", "graph_drawing"]

_BOX_PX: Final = (210, 42)
_GAP_PX: Final = (56, 12)
_PADDING_PX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A part of a picture.

    Attributes:
        markup: SVG elements within `width` and `height`.
    """

    width: float
    height: float
    markup: str


def graph_drawing(run: RunTimeline) -> Drawing:
    """Draws the graph of a run's tasks from left to right."""
    tasks = {task.task_id: task for task in run.tasks}
    columns = columns_of({task.task_id: task.depends_on for task in run.tasks})
    places = {task: (column, row) for column, tasks_of in enumerate(columns) for row, task in enumerate(tasks_of)}
    corners = {task: (_at(column, 0), _at(row, 1)) for task, (column, row) in places.items()}
    edges = [
        _edge(corners[need], corners[task_id])
        for task_id, task in tasks.items()
        for need in task.depends_on
        if need in corners
    ]
    boxes = [_box(tasks[task_id], corner) for task_id, corner in corners.items()]
    return Drawing(
        width=_at(len(columns), 0) - _GAP_PX[0] + _PADDING_PX,
        height=_at(max(map(len, columns), default=0), 1) - _GAP_PX[1] + _PADDING_PX,
        markup="".join([*edges, *boxes]),
    )


def _at(place: int, axis: int) -> float:
    return _PADDING_PX + place * (_BOX_PX[axis] + _GAP_PX[axis])


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0] + _BOX_PX[0], start[1] + _BOX_PX[1] / 2
    to_x, to_y = end[0], end[1] + _BOX_PX[1] / 2
    bend = (to_x - x) / 2
    path = f"M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    return element("path", d=path, class_="edge")


def _box(task: TaskTimeline, corner: tuple[float, float]) -> str:
    x, y = corner
    width, height = _BOX_PX
    room = width - 2 * _PADDING_PX
    tries = f", {task.attempts} attempts" if task.attempts > 1 else ""
    return element(
        "g",
        element("title", text(f"{task.task_id} {task.title}: {task.state}{f': {task.error}' if task.error else ''}")),
        element("rect", x=x, y=y, width=width, height=height, rx=5, class_="paper"),
        element("rect", x=x, y=y, width=width, height=height, rx=5, class_=f"box {task.state}"),
        element("text", label(f"{task.task_id} {task.title}", room), x=x + _PADDING_PX, y=y + 17),
        element(
            "text",
            label(f"@{task.agent} {task.state}{tries}", room),
            x=x + _PADDING_PX,
            y=y + 33,
            class_="small",
        ),
    )
