"""Tick the boxes of finished tasks without touching anything else in the file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.errors import SpawnerError, TaskFileError
from aurora_spawner.taskfile import TASK_LINE, parse_taskfile

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_spawner.taskfile import TaskFile, TaskLine


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What happened to the boxes."""

    ticked: tuple[str, ...]
    """Ids of the tasks whose boxes were ticked now."""
    left_alone: tuple[str, ...]
    """A sentence for each line that the user has changed or removed since it was read."""


def tick(taskfile: TaskFile, finished: Collection[str]) -> TickReport:
    """Tick the boxes of tasks that are done.

    The file is read again; a box is changed only where id and text are still what they were, and the file is replaced
    in one step, keeping its mode, line ends and everything else.

    Raises:
        TaskFileError: The file cannot be read or replaced.
    """
    path = taskfile.path
    content = _read(path)
    now = _lines_now(content, path)
    text = content.splitlines(keepends=True)
    ticked, left_alone = [], []
    for line in taskfile.lines:
        if line.id not in finished or line.done:
            continue
        found = now.get(line.id)
        if found is None or found.title != line.title:
            change = "is gone" if found is None else "has another text now"
            left_alone.append(f"{path}: task {line.id} {change}; its box was left alone")
        elif not found.done:
            text[found.line - 1] = _ticked(text[found.line - 1])
            ticked.append(line.id)
    if ticked:
        _replace(path, "".join(text))
    return TickReport(ticked=tuple(ticked), left_alone=tuple(left_alone))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskFileError(path, None, f"cannot be read to tick boxes: {error}") from error


def _lines_now(content: str, path: Path) -> dict[str, TaskLine]:
    """The tasks by id as the file has them now; none when an edit under way makes it unreadable."""
    try:
        return {line.id: line for line in parse_taskfile(content.removeprefix("\ufeff"), path).lines}
    except SpawnerError:
        return {}


def _ticked(line: str) -> str:
    match = TASK_LINE.match(line.rstrip("\r\n").removeprefix("\ufeff"))
    assert match is not None
    at = line.index("[ ]")
    return f"{line[:at]}[x]{line[at + 3 :]}"


def _replace(path: Path, content: str) -> None:
    """Write beside the file, then rename over it; a symbolic link stays one."""
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
