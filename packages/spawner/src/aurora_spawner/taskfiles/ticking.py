"""Ticks the boxes of finished tasks, and changes nothing else in the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.errors import SpawnerError
from aurora_spawner.taskfiles.lines import box_offsets
from aurora_spawner.taskfiles.model import LineState
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.taskfiles.reading import BYTE_ORDER_MARK, read_text
from aurora_spawner.taskfiles.recipes import title_with
from aurora_spawner.taskfiles.writing import replace_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from aurora_spawner.taskfiles.model import TaskFile, TaskLine


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """The outcome of a tick."""

    ticked: tuple[str, ...]
    """The ids of the tasks, then of the groups, whose boxes were ticked."""
    left_alone: tuple[str, ...]
    """A message for each line that was changed or removed since the file was read."""


def tick(taskfile: TaskFile, finished: Collection[str]) -> TickReport:
    """Ticks the boxes of finished tasks, and of groups whose last task is among them.

    It reads the file again, changes a box only if its id and text are unchanged, and replaces the file in one step
    with the same mode, line ends and other content.

    Raises:
        TaskFileError: The file cannot be read or replaced.
    """
    path = taskfile.path
    content = read_text(path)
    now = _Current(_parse(content, path, taskfile.arguments), taskfile)
    ticked: dict[str, int] = {}
    left_alone = []
    for line in taskfile.lines:
        if line.id not in finished or line.done:
            continue
        found = now.find(line)
        if isinstance(found, str):
            left_alone.append(f"{path}: task {line.id} {found}; its box was left alone")
        elif not found.done:
            ticked[line.id] = found.line
            now.done.add(found.id)
    if ticked:
        ticked.update(now.finished_groups())
        replace_text(path, _with_ticks(content, ticked.values()), problem="boxes could not be ticked")
    return TickReport(ticked=tuple(ticked), left_alone=tuple(left_alone))


def _parse(content: str, path: Path, arguments: Mapping[str, str]) -> TaskFile | None:
    """Returns the file as it is now, its titles with the values of a run; None if an edit makes it unreadable."""
    try:
        file = parse_taskfile(content, path)
    except SpawnerError:
        return None
    lines = tuple(replace(line, title=title_with(line.title, arguments)) for line in file.lines)
    return replace(file, lines=lines)


class _Current:
    """The current content of the file."""

    def __init__(self, file: TaskFile | None, before: TaskFile) -> None:
        self._file = file
        self._by_id = {line.id: line for line in file.lines} if file else {}
        self._titles = Counter(line.title for line in self._by_id.values())
        self._titles_before = Counter(line.title for line in before.lines)
        self._by_title = {line.title: line for line in self._by_id.values()}
        self.done = {line.id for line in self._by_id.values() if line.done}

    def find(self, line: TaskLine) -> TaskLine | str:
        """Returns the line that is still the same task, or a phrase that says how it changed."""
        found = self._by_id.get(line.id)
        if found is not None and found.title == line.title:
            return found
        # Positions change when lines are added; a text that occurs once still identifies its task.
        if not line.numbered and self._titles[line.title] == self._titles_before[line.title] == 1:
            return self._by_title[line.title]
        return "is gone" if found is None else "has a different text now"

    def finished_groups(self) -> Iterator[tuple[str, int]]:
        """Yields id and line of each open group whose tasks are now all done, except optional ones."""
        if self._file is None:
            return
        optional = set(self._file.in_state(LineState.OPTIONAL))
        for group in self._file.groups:
            wanted = set(group.members) - optional
            if not group.done and not group.held and wanted and wanted <= self.done:
                yield group.id, group.line


def _with_ticks(content: str, lines: Collection[int]) -> str:
    """Returns the text with the boxes in these lines ticked."""
    body = content.removeprefix(BYTE_ORDER_MARK)
    shift = len(content) - len(body)
    offsets = box_offsets(body)
    characters = list(content)
    for line in lines:
        characters[shift + offsets[line]] = "x"
    return "".join(characters)
