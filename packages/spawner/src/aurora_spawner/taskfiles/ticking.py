"""Tick the boxes of finished tasks without touching anything else in the file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.errors import SpawnerError, TaskFileError
from aurora_spawner.taskfiles.lines import box_offsets
from aurora_spawner.taskfiles.model import LineState
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.taskfiles.reading import BYTE_ORDER_MARK, read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aurora_spawner.taskfiles.model import TaskFile, TaskLine


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What happened to the boxes."""

    ticked: tuple[str, ...]
    """Ids of the tasks, and then of the groups, whose boxes were ticked now."""
    left_alone: tuple[str, ...]
    """A sentence for each line that the user has changed or removed since it was read."""


def tick(taskfile: TaskFile, finished: Collection[str]) -> TickReport:
    """Ticks the boxes of tasks that are done, and of groups whose last task is among them.

    The file is read again; a box is changed only if id and text are still what they were, and the file is replaced in
    one step, keeping its mode, line ends and everything else.

    Raises:
        TaskFileError: The file cannot be read or replaced.
    """
    path = taskfile.path
    content = read_text(path)
    now = _Now(_parse(content, path), taskfile)
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
        _replace(path, _with_ticks(content, ticked.values()))
    return TickReport(ticked=tuple(ticked), left_alone=tuple(left_alone))


def _parse(content: str, path: Path) -> TaskFile | None:
    """The tasks as the file has them now; None when an edit under way makes it unreadable."""
    try:
        return parse_taskfile(content, path)
    except SpawnerError:
        return None


class _Now:
    """The file as it is now."""

    def __init__(self, file: TaskFile | None, before: TaskFile) -> None:
        self._file = file
        self._by_id = {line.id: line for line in file.lines} if file else {}
        self._titles = Counter(line.title for line in self._by_id.values())
        self._titles_before = Counter(line.title for line in before.lines)
        self._by_title = {line.title: line for line in self._by_id.values()}
        self.done = {line.id for line in self._by_id.values() if line.done}

    def find(self, line: TaskLine) -> TaskLine | str:
        """Returns the line that is still the same task, or what has become of it."""
        found = self._by_id.get(line.id)
        if found is not None and found.title == line.title:
            return found
        # Positions move as lines are added; a text that stands there once still says which task it is.
        if not line.numbered and self._titles[line.title] == self._titles_before[line.title] == 1:
            return self._by_title[line.title]
        return "is gone" if found is None else "has another text now"

    def finished_groups(self) -> Iterator[tuple[str, int]]:
        """Yields id and line of each open group whose tasks are all done now, optional ones left aside."""
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


def _replace(path: Path, content: str) -> None:
    """Writes beside the file, then rename over it; a symbolic link stays one."""
    target = Path(os.path.realpath(path))
    try:
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(target.stat().st_mode & 0o7777)
            Path(draft).replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(draft).unlink()
            raise
    except OSError as error:
        raise TaskFileError(path, None, f"boxes could not be ticked: {error.strerror or error}") from error
