"""Read `tasks.md`: a Markdown check list whose items are tasks.

    - [ ] 1.2 Write the parser
      - Agent: @backend-developer
      - Depends: 1.0, 1.1

The same can be said in comments after the task's line: `<!-- agent: x -->`, `<!-- depends: 1, 2 -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskFileError
from aurora_spawner.graph import build_graph
from aurora_spawner.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SIZE_LIMIT_BYTES: Final = 8 << 20

TASK_LINE = re.compile(r"^(?P<indent>[ \t]*)[-*+] \[(?P<box>[ xX])\][ \t]+(?P<text>\S.*?)[ \t]*$")
_NUMBER = re.compile(r"^(?:(?P<number>\d+(?:\.\d+)*)\.?[ \t]+)?(?P<title>\S.*)$")
_SETTING = re.compile(r"^[-*+][ \t]+\**(?P<key>[A-Za-z][A-Za-z ]{1,20}?)\**:\**[ \t]*(?P<value>.*?)[ \t]*$")
_COMMENT = re.compile(r"<!--[ \t]*(?P<key>[A-Za-z]+)[ \t]*:[ \t]*(?P<value>.*?)[ \t]*-->")
_FENCE = re.compile(r"^[ \t]*(```|~~~)")

_CANONICAL: Final = {
    "agent": "agent",
    "model": "model",
    "depends": "depends",
    "depends on": "depends",
    "dependencies": "depends",
    "priority": "priority",
    "timeout": "timeout",
    "files": "files",
    "critical": "critical",
}
_PRIORITY_WORDS: Final = {"low": -10, "normal": 0, "medium": 0, "high": 10, "critical": 20}
_UNITS_S: Final = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A task as it stands in the file."""

    id: str
    title: str
    """The text after the number, without comments."""
    line: int
    """Counted from 1."""
    done: bool
    """Its box is ticked."""
    task: SpawnTask


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """A task file that was read and whose graph is sound."""

    path: Path
    lines: tuple[TaskLine, ...]

    @property
    def tasks(self) -> tuple[SpawnTask, ...]:
        """The tasks that are not ticked yet; dependencies on ticked ones are left out, being met."""
        done = {line.id for line in self.lines if line.done}
        return tuple(_without(line.task, done) for line in self.lines if not line.done)

    @property
    def done(self) -> tuple[str, ...]:
        """Ids of the tasks that are ticked."""
        return tuple(line.id for line in self.lines if line.done)

    def line_of(self, task_id: str) -> int | None:
        """Where a task stands, counted from 1."""
        return next((line.line for line in self.lines if line.id == task_id), None)


def _without(task: SpawnTask, done: set[str]) -> SpawnTask:
    return replace(task, depends_on=tuple(each for each in task.depends_on if each not in done))


def read_taskfile(path: Path) -> TaskFile:
    """Read and check a task file.

    Raises:
        TaskFileError: It cannot be read, holds no task, or a setting is wrong; with the line.
        GraphError: Ids or dependencies do not fit together; with the line.
    """
    return parse_taskfile(_read_text(path), path)


def parse_taskfile(text: str, path: Path) -> TaskFile:
    """The same for text that was read already; `path` is for messages."""
    drafts = list(_collect(text, path))
    if not drafts:
        raise TaskFileError(path, None, "holds no task; tasks are lines like `- [ ] 1. Write the parser`")
    numbered = any(draft.number for draft in drafts)
    lines = tuple(_finish(draft, position, path, numbered=numbered) for position, draft in enumerate(drafts, start=1))
    build_graph([line.task for line in lines], lines={line.id: line.line for line in lines}, path=path)
    return TaskFile(path=path, lines=lines)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > SIZE_LIMIT_BYTES:
            raise TaskFileError(path, None, f"is larger than {SIZE_LIMIT_BYTES >> 20} MiB; is it a task file?")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TaskFileError(path, line, "is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise TaskFileError(path, None, f"cannot be read: {error.strerror or error}") from error


@dataclass(slots=True)
class _Draft:
    number: str | None
    title: str
    line: int
    indent: int
    done: bool
    settings: dict[str, tuple[int, str]] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)


def _collect(text: str, path: Path) -> Iterator[_Draft]:
    """Every task with the settings and details below it."""
    draft: _Draft | None = None
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        match = None if fenced else TASK_LINE.match(line)
        if _FENCE.match(line):
            fenced = not fenced
        if match:
            if draft:
                yield draft
            draft = _begin(match, number, path)
        elif draft and not _belongs(line, draft):
            yield draft
            draft = None
        elif draft:
            _add(draft, line, number, path, fenced=fenced)
    if draft:
        yield draft


def _begin(match: re.Match[str], line: int, path: Path) -> _Draft:
    text, comments = _split_comments(match["text"])
    parts = _NUMBER.match(text)
    if parts is None:
        raise TaskFileError(path, line, "the task has no text")
    indent = len(match["indent"].expandtabs(4))
    draft = _Draft(parts["number"], parts["title"].strip(), line, indent, match["box"] != " ")
    for key, value in comments:
        _set(draft, key, value, line, path)
    return draft


def _split_comments(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text without its setting comments, and those."""
    comments = [(match["key"], match["value"]) for match in _COMMENT.finditer(text)]
    return _COMMENT.sub("", text).strip(), comments


def _belongs(line: str, draft: _Draft) -> bool:
    """Whether a line is part of the task above it: indented deeper, blank, or a comment of its own."""
    stripped = line.strip()
    indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
    return not stripped or indent > draft.indent or bool(_COMMENT.fullmatch(stripped))


def _add(draft: _Draft, line: str, number: int, path: Path, *, fenced: bool) -> None:
    stripped = line.strip()
    comments = [] if fenced else _split_comments(stripped)[1]
    setting = None if fenced else _SETTING.match(stripped)
    if comments:
        for key, value in comments:
            _set(draft, key, value, number, path)
    elif setting and _is_setting(setting["key"], number, path):
        _set(draft, setting["key"], setting["value"], number, path)
    elif stripped:
        draft.details.append(stripped)


def _is_setting(key: str, line: int, path: Path) -> bool:
    lowered = key.strip().lower()
    if lowered in _CANONICAL:
        return True
    close = get_close_matches(lowered, _CANONICAL, n=1, cutoff=0.75)
    if close:
        raise TaskFileError(path, line, f"unknown setting {key}; did you mean {close[0].capitalize()}?", field=key)
    return False


def _set(draft: _Draft, key: str, value: str, line: int, path: Path) -> None:
    name = _CANONICAL.get(key.strip().lower())
    if name is None:  # some other comment, unless it looks like a slip
        _is_setting(key, line, path)
        return
    if name in draft.settings:
        problem = f"{name} is set twice for this task, first in line {draft.settings[name][0]}"
        raise TaskFileError(path, line, problem, field=name)
    draft.settings[name] = (line, value)


def _finish(draft: _Draft, position: int, path: Path, *, numbered: bool) -> TaskLine:
    task_id = draft.number or (f"task-{position}" if numbered else str(position))
    values = {
        _FIELD_OF.get(name, name): _READERS[name](value, _Place(path, line, name))
        for name, (line, value) in draft.settings.items()
    }
    task = SpawnTask(
        prompt="\n".join([draft.title, *draft.details]),
        id=task_id,
        title=draft.title,
        **values,  # type: ignore[arg-type]
    )
    return TaskLine(id=task_id, title=draft.title, line=draft.line, done=draft.done, task=task)


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    line: int
    field: str

    def error(self, problem: str) -> TaskFileError:
        return TaskFileError(self.path, self.line, problem, field=self.field)


def _name(value: str, place: _Place) -> str:
    name = value.strip("`").removeprefix("@")
    if not name:
        raise place.error(f"{place.field} is empty; name one or leave the line out")
    return name


def _names(value: str, _place: _Place) -> tuple[str, ...]:
    names = (part.strip().strip("`").removeprefix("#") for part in value.split(","))
    found = tuple(dict.fromkeys(name for name in names if name))
    return () if [name.lower() for name in found] == ["none"] else found


def _priority(value: str, place: _Place) -> int:
    if value.lower() in _PRIORITY_WORDS:
        return _PRIORITY_WORDS[value.lower()]
    if not re.fullmatch(r"[+-]?\d{1,9}", value, re.ASCII):
        raise place.error(f"priority must be a whole number or low, normal, high, critical; not {value!r}")
    return int(value)


def _timeout(value: str, place: _Place) -> float:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)[ \t]*([a-z]*)", value.lower(), re.ASCII)
    if not match or match[2] not in _UNITS_S or not float(match[1]):
        raise place.error(f"timeout must be a time above 0 like 90, 90s, 5m or 1h; not {value!r}")
    return float(match[1]) * _UNITS_S[match[2]]


def _critical(value: str, place: _Place) -> bool:
    if value.lower() not in _YES_NO:
        raise place.error(f"critical must be yes or no, not {value!r}")
    return _YES_NO[value.lower()]


_READERS: Mapping[str, Callable[[str, _Place], object]] = {
    "agent": _name,
    "model": _name,
    "depends": _names,
    "priority": _priority,
    "timeout": _timeout,
    "files": _names,
    "critical": _critical,
}
_FIELD_OF: Final = {"depends": "depends_on", "timeout": "timeout_s"}
