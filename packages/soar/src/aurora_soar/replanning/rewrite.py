"""The task file of a revision: every line that the revision says nothing about stays as it is, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.plans.documents import role_of
from aurora_soar.plans.goal_text import clean, cut, task_words
from aurora_soar.registry import LOCAL_AGENT
from aurora_soar.replanning.revision import Change
from aurora_spawner.errors import SpawnerError, TaskFileError
from aurora_spawner.taskfiles.lines import LINE_END, Kind, read_outline
from aurora_spawner.taskfiles.model import LineState
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.taskfiles.reading import BYTE_ORDER_MARK
from aurora_spawner.taskfiles.recipes import fill, unfilled
from aurora_spawner.taskfiles.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_soar.replanning.revision import RevisedTask, Revision
    from aurora_spawner.taskfiles.lines import Entry
    from aurora_spawner.taskfiles.model import TaskFile, TaskLine
    from aurora_spawner.taskfiles.settings import Settings

__all__ = ["Rewritten", "rewritten"]

_GOAL: Final = 1_500
"""Characters of the goal in the prompt of a new task."""
_REASON: Final = 400
_REPLACED: Final = ("agent", "depends", "critical")
"""Settings that a new task has of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A task file of a revision.

    Attributes:
        lost: the settings of tasks that have gone which no task has any more, a sentence each.
    """

    text: str
    lost: tuple[str, ...]


def rewritten(text: str, path: Path, revision: Revision, *, default_agent: str) -> Rewritten:
    """Returns the text of a task file with the tasks of a revision.

    Args:
        path: of the file, for messages.
        default_agent: does the run's tasks that name none.

    Raises:
        TaskFileError: the lines cannot be changed without changing more than the revision says.
    """
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    body = text.removeprefix(BYTE_ORDER_MARK)
    pen = _Pen(body, path, default_agent=default_agent, goal=revision.goal)
    for task in revision.tasks:
        pen.write(task)
    for given_up in revision.given_up:
        pen.remove(given_up.id)
    result = mark + pen.text()
    _check(pen.before, result, path, revision)
    return Rewritten(text=result, lost=tuple(pen.lost))


class _Pen:
    """The edits of one file, by line, until `text` makes them."""

    def __init__(self, text: str, path: Path, *, default_agent: str, goal: str) -> None:
        self.before = parse_taskfile(text, path)
        self.lost: list[str] = []
        self._text = text
        self._path = path
        self._default_agent = default_agent
        self._goal = goal
        self._lines = LINE_END.split(text)
        entries = {entry.line: entry for entry in read_outline(text).entries}
        self._entries = {line.id: entries[line.line] for line in self.before.lines}
        self._task_lines: Mapping[str, TaskLine] = {line.id: line for line in self.before.lines}
        self._numbered = all(line.numbered for line in self.before.lines)
        self._removed: set[int] = set()
        self._added: dict[int, list[str]] = {}

    def write(self, task: RevisedTask) -> None:
        """Writes a task in its place, or at the end of the tasks if it has none yet."""
        entry = self._entries.get(task.id)
        if entry is None:
            last = max(self._entries.values(), key=lambda each: each.line)
            self._add(_end_of(last), self._new(task, self._box(last)))
        elif task.change is Change.NEW:
            self._lose(task.id, entry)
            self._remove(entry)
            self._add(_end_of(entry), self._new(task, self._box(entry)))
        else:
            self._change(task, entry)

    def remove(self, task_id: str) -> None:
        """Removes a task with all that it says."""
        entry = self._entries[task_id]
        self._lose(task_id, entry)
        self._remove(entry)

    def text(self) -> str:
        """Returns the text with all edits; its line ends stay as they are."""
        end = match[0] if (match := LINE_END.search(self._text)) else "\n"
        whole = self._text if self._text.endswith(("\n", "\r")) else self._text + end
        parts, at = [], 0
        for number, line_end in enumerate(LINE_END.finditer(whole), start=1):
            if number not in self._removed:
                parts.append(whole[at : line_end.end()])
            parts.extend(f"{each}{end}" for each in self._added.get(number, ()))
            at = line_end.end()
        return "".join(parts)

    def _settings(self, entry: Entry) -> Settings:
        return read_settings(entry, self._path)

    def _box(self, entry: Entry) -> str:
        """Returns the beginning of an entry's line, up to its box, which is open."""
        line = self._lines[entry.line - 1]
        before = line[: entry.column]
        if entry.ordinal is not None:  # another item of an ordered list would have another number
            before = before[: len(before) - len(before.lstrip(" \t"))] + "- ["
        return f"{before} ]"

    def _new(self, task: RevisedTask, box: str) -> Iterator[str]:
        margin = " " * (len(box) - len(box.lstrip(" ")) + 2)
        yield f"{box} {task.id} {unfilled(task.words)}" if self._numbered else f"{box} {unfilled(task.words)}"
        if task.agent != self._default_agent:
            yield f"{margin}- Agent: {'@' if task.is_persona else ''}{task.agent}"
        yield f"{margin}- Depends: {', '.join(task.needs) or 'none'}"
        if not task.is_critical:
            yield f"{margin}- Critical: no"
        if task.agent == LOCAL_AGENT:
            return  # the local agent looks its whole prompt up in the memory
        yield f"{margin}- This is a part of a larger goal: {unfilled(cut(clean(self._goal), _GOAL))}"
        if task.source_file:
            yield f"{margin}- A file to start from: {unfilled(clean(task.source_file))}"
        if task.failure:
            yield margin + _failure("What this takes the place of has failed", task.failure)
        if task.is_gap:
            yield f"{margin}- {unfilled(role_of(task.ideal_agent, task.ideal_agent_desc))}"

    def _change(self, task: RevisedTask, entry: Entry) -> None:
        """Gives a task that stays another agent, other needs, or the reason of its failure, where these differ."""
        line, settings = self._task_lines[task.id], self._settings(entry)
        margin = " " * _bullets_of(entry)
        said = []
        if task.agent != (line.task.agent or self._default_agent):
            self._removed |= {settings.setting_lines[name] for name in ("agent",) if name in settings.setting_lines}
            said.append(f"{margin}- Agent: {'@' if task.is_persona else ''}{task.agent}")
        if set(task.needs) != _needs_of(line):
            self._removed |= {each.line for each in settings.references if each.line != entry.line}
            said.append(f"{margin}- Depends: {', '.join(task.needs) or 'none'}")
        if task.failure and task.agent != LOCAL_AGENT:
            said.append(margin + _failure("An earlier attempt at this has failed; go another way", task.failure))
        self._add(_end_of(entry), said)

    def _add(self, line: int, lines: Iterator[str] | Sequence[str]) -> None:
        self._added.setdefault(line, []).extend(lines)

    def _remove(self, entry: Entry) -> None:
        self._removed |= {entry.line, *(each.line for each in entry.body if each.line)}

    def _lose(self, task_id: str, entry: Entry) -> None:
        settings = self._settings(entry)
        kept = {settings.setting_lines[name] for name in _REPLACED if name in settings.setting_lines}
        kept |= {each.line for each in settings.references}
        for number in sorted(settings.lines - kept):
            self.lost.append(f"task {task_id}: {self._lines[number - 1].strip(' -*+' + chr(9))}")


def _failure(words: str, reason: str) -> str:
    return f"- {words}: {unfilled(cut(clean(reason), _REASON))}"


def _end_of(entry: Entry) -> int:
    return max(entry.line, max((each.line for each in entry.body), default=0))


def _bullets_of(entry: Entry) -> int:
    """Returns the indentation of the lines below a task."""
    bullets = [each.indent for each in entry.body if each.kind is Kind.BULLET]
    return bullets[0] if bullets else entry.indent + (2 if entry.ordinal is None else len(str(entry.ordinal)) + 2)


def _needs_of(line: TaskLine) -> set[str]:
    return set(line.task.depends_on) - set(line.task.order_only)


def _check(before: TaskFile, text: str, path: Path, revision: Revision) -> None:
    """Reads the new text, and holds each task against what it is to be.

    Raises:
        TaskFileError: something else has changed.
    """
    try:
        after = parse_taskfile(text, path)
    except SpawnerError as error:
        raise TaskFileError(path, None, f"cannot be revised line by line ({error}); {_BY_HAND}") from error
    wanted = {each.id: each for each in revision.tasks}
    gone = {each.id for each in revision.given_up}
    ids = [*(line.id for line in before.lines if line.id not in gone), *(i for i in wanted if i not in _ids(before))]
    if sorted(ids) != sorted(line.id for line in after.lines):
        raise TaskFileError(path, None, f"would get other numbers of tasks; {_BY_HAND}")
    old = {line.id: line for line in before.lines}
    for line in after.lines:
        task = wanted.get(line.id)
        if not (_is_same(old[line.id], line, gone) if task is None else _is_meant(task, line)):
            raise TaskFileError(path, line.line, f"task {line.id} would change more than planned; {_BY_HAND}")


_BY_HAND: Final = "change its tasks by hand instead, and go on with aur resume"


def _ids(file: TaskFile) -> Collection[str]:
    return {line.id for line in file.lines}


def _is_same(old: TaskLine, new: TaskLine, gone: set[str]) -> bool:
    same = (old.title, old.state, old.task.prompt) == (new.title, new.state, new.task.prompt)
    return same and _needs_of(old) - gone == _needs_of(new)


def _is_meant(task: RevisedTask, line: TaskLine) -> bool:
    agent = line.task.agent
    return (
        line.state is LineState.OPEN
        and task_words(fill(line.title, {})) == task.words
        and agent in (task.agent, None)
        and _needs_of(line) == set(task.needs)
        and line.task.critical is task.is_critical
    )
