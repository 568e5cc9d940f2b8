"""The settings below a task: `- Agent: @name`, `_Depends: 1.1_`, `<!-- priority: high -->`.

A line is a setting only if its key is known and its value parses. Anything else is prose and stays in the prompt word
for word; a near miss is reported. Dependencies that cannot be understood and are no prose are refused: without them,
tasks would run in the wrong order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskFileError
from aurora_spawner.taskfiles.lines import Kind
from aurora_spawner.taskfiles.setting_values import (
    DRESS,
    FIELDS,
    LONG,
    READERS,
    Ids,
    ListError,
    NoValueError,
    ids_in,
    meant_as_ids,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.taskfiles.lines import BodyLine, Entry

_KEYS: Final = {
    "agent": "agent",
    "model": "model",
    "depends": "depends",
    "depends on": "depends",
    "dependson": "depends",
    "dependencies": "depends",
    "dependency": "depends",
    "deps": "depends",
    "blocked by": "depends",
    "priority": "priority",
    "timeout": "timeout",
    "files": "files",
    "critical": "critical",
    "check": "checks",
    "checks": "checks",
    "until": "until",
    "max turns": "max_turns",
    "maxturns": "max_turns",
    "candidates": "candidates",
    "agents": "agents",
    "pick": "pick",
    "result": "result_schema",
    "review": "review",
    "reviewer": "review",
    "pool": "pool",
    "labels": "labels",
}
_LOOSE_KEYS: Final = ("dependencies", "dependency", "deps")
"""Keys that are often about libraries: their values are ids only if the file has them."""
_SEVERAL: Final = ("depends", "files", "checks")
"""Settings that may be given more than once; their values add up."""

_MARKER: Final = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)])[ \t]+")
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z _-]{0,19}")
_AS_BULLET: Final = re.compile(r"\(?(?:depends on|depends|blocked by)[ \t]+([^():]*)\)?[ \t.]*", re.IGNORECASE)
_IN_BRACKETS: Final = re.compile(r"\((?:depends on|depends|blocked by)[ \t:]+([^()]*)\)[ \t.]*$", re.IGNORECASE)


def _shortened(key: str) -> list[str]:
    """Returns a key, and the key without each of its letters.

    Two words that share one of these forms differ by one typing error.
    """
    return [key, *(key[:at] + key[at + 1 :] for at in range(len(key)))]


_SLIPS: Final = {form: key for key in reversed(_KEYS) for form in _shortened(key)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The ids that one line names."""

    line: int
    ids: tuple[str, ...]
    loose: bool
    """True if the line is prose unless an id exists, or looks like the file's ids."""
    text: str
    """The line itself."""
    perhaps: tuple[str, ...] = ()
    """Ids within a range, used only if the file has them."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """The settings of a task, and the text that is left for its prompt."""

    values: dict[str, object] = field(default_factory=dict)
    """The given ones of agent, model, priority, timeout_s, critical, files, checks, until, max_turns, candidates,
    agents, pick, review, pool and labels; and result_schema, as the path that the file has."""
    references: list[Reference] = field(default_factory=list)
    """The task's dependencies; a reference without ids states that there are none."""
    text: str = ""
    """The task's own line, without the comments that are settings."""
    lines: set[int] = field(default_factory=set)
    """The lines below the task that are settings; the others belong to its prompt."""
    file_lines: set[int] = field(default_factory=set)
    """The setting lines that name files."""
    setting_lines: dict[str, int] = field(default_factory=dict)
    """The line of each given setting, the first of several."""
    near_misses: list[tuple[int, str]] = field(default_factory=list)
    """The line and a message for each near miss of a setting."""


def read_settings(entry: Entry, path: Path, *, done: bool = False) -> Settings:
    """Returns the settings in a task's own line and in the lines below it.

    Args:
        done: The task is done, so that nothing waits for its dependencies.

    Raises:
        TaskFileError: A setting with a single value is given twice, or a list of dependencies is too long.
    """
    reader = _Reader(path, done=done)
    settings = reader.settings
    settings.text = reader.take_comments(entry.text, entry.line)
    if match := _IN_BRACKETS.search(settings.text[-400:]):
        reader.take_bracketed(match[1], entry.line)
    for line in entry.body:
        if line.text and reader.takes(line):
            settings.lines.add(line.line)
    return settings


class _Reader:
    """Collects the settings of one task."""

    def __init__(self, path: Path, *, done: bool) -> None:
        self.settings = Settings()
        self._path = path
        self._done = done
        self._lines = self.settings.setting_lines

    def takes(self, line: BodyLine) -> bool:
        """Takes a line if it is a setting; returns False if it belongs to the prompt."""
        if line.kind is Kind.CODE:
            return False
        if "<!--" in line.text:
            return not self.take_comments(line.text, line.line)
        if line.kind is Kind.BULLET or (line.kind is Kind.TEXT and line.text[:1] in "_*"):
            content = _MARKER.sub("", line.text, count=1) if line.kind is Kind.BULLET else line.text
            if line.kind is Kind.TEXT and not (_is_wrapped(content) or content.startswith("**")):
                return False
            found = _key_and_value(content)
            if found is None:
                return len(content) < LONG and self._take_sentence(content.strip(DRESS), line)
            return self._set(*found, line.line, line.text)
        return False

    def _take_sentence(self, text: str, line: BodyLine) -> bool:
        """Takes `depends on T001`, with or without brackets, if only ids follow."""
        match = _AS_BULLET.fullmatch(text)
        if match is None:
            return False
        try:
            found = ids_in(match[1])
        except NoValueError as problem:
            self._refuse_list(problem, line.line, short(line.text))
            return False
        if any(len(part.split()) > 1 for part in found.odd):
            return False
        self._refer(found, line.line, short(line.text), loose=True)
        return True

    def take_comments(self, text: str, line: int) -> str:
        """Takes the comments that are settings, and returns the line without them."""
        kept, at = [], 0
        for start, end in _comments(text):
            inner = text[start + 4 : end - 3]
            found = _key_and_value(inner) if len(inner) < LONG else None
            if found is not None and self._set(*found, line, text[start:end]):
                kept.append(text[at:start])
                at = end
        kept.append(text[at:])
        return "".join(kept).strip(" \t")

    def take_bracketed(self, inner: str, line: int) -> None:
        """Takes `(depends on T001)` at the end of a task's line, which stays part of the text."""
        text = short(f"(depends on {inner})")
        try:
            self._refer(meant_as_ids(inner, loose=True), line, text, loose=True)
        except NoValueError as problem:
            self._refuse_list(problem, line, text)
            self.settings.near_misses.append((line, f"{text} is not a setting: {problem}"))

    def _refer(self, ids: Ids, line: int, text: str, *, loose: bool) -> None:
        """Keeps the ids of a line; a part that is no id is refused later, as one that does not exist."""
        named = (*ids.named, *ids.odd)
        self.settings.references.append(Reference(line=line, ids=named, perhaps=ids.inside, loose=loose, text=text))

    def _refuse_list(self, problem: NoValueError, line: int, text: str) -> None:
        """Refuses a list of ids that is too long, unless the task is done.

        Raises:
            TaskFileError: It is.
        """
        if isinstance(problem, ListError) and not self._done:
            raise TaskFileError(self._path, line, f"{text}: {problem}", field="depends") from problem

    def _set(self, key: str, value: str, line: int, text: str) -> bool:
        name = _KEYS.get(key)
        if name is None:
            self._record_slip(key, value, line, text)
            return False
        loose = key in _LOOSE_KEYS
        try:
            read = meant_as_ids(value, loose=loose) if name == "depends" else READERS[name](value)
        except NoValueError as problem:
            if not loose:
                self._refuse_list(problem, line, short(text))
            remark = f"{short(text)} is not a setting and stays in the prompt: {problem}"
            self.settings.near_misses.append((line, remark))
            return False
        if name in self._lines and name not in _SEVERAL and self.settings.values[FIELDS[name]] != read:
            problem_text = f"{name} is set twice for this task, first in line {self._lines[name]}"
            raise TaskFileError(self._path, line, problem_text, field=name)
        self._lines.setdefault(name, line)
        if isinstance(read, Ids):
            self._refer(read, line, short(text), loose=loose)
        else:
            self._keep(name, read, line)
        return True

    def _keep(self, name: str, read: object, line: int) -> None:
        if name == "files":
            self.settings.file_lines.add(line)
        if name in _SEVERAL:
            assert isinstance(read, tuple)
            before = self.settings.values.get(name, ())
            assert isinstance(before, tuple)
            self.settings.values[name] = tuple(dict.fromkeys([*before, *read]))
        else:
            self.settings.values[FIELDS[name]] = read

    def _record_slip(self, key: str, value: str, line: int, text: str) -> None:
        """Records a mistyped key, if its value is valid for the key that was meant."""
        close = next((_SLIPS[each] for each in _shortened(key) if each in _SLIPS), None)
        if close is None:
            return
        try:
            READERS[_KEYS[close]](value)
        except NoValueError:
            return
        remark = f"{short(text)} is not a setting; did you mean {close.capitalize()}?"
        self.settings.near_misses.append((line, remark))


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Yields the start and end of a line's comments, except those in `code`."""
    start, counted, ticks, last_tick = text.find("<!--"), 0, 0, text.rfind("`")
    while start >= 0:
        end = text.find("-->", start + 2) + 3
        if end < 3:
            return
        ticks += text.count("`", counted, start)
        counted = start
        if ticks % 2 == 0 or last_tick < end:
            yield start, end
        start = text.find("<!--", end)


def _is_wrapped(text: str) -> bool:
    return len(text) > 2 and text[0] == text[-1] and text[0] in "_*" and text[1] != text[0]


def _key_and_value(content: str) -> tuple[str, str] | None:
    """Splits `**Key**: value` with any emphasis; returns the key in lower case with single spaces, and the value."""
    text = content.strip(" \t")
    if _is_wrapped(text):
        text = text[1:-1]
    before, colon, value = text[:40].partition(":")
    if not colon:
        return None
    value = text[len(before) + 1 :].strip(" \t")
    marks = before[: len(before) - len(before.lstrip("*_`"))]
    if marks and not before.rstrip(" \t").endswith(marks):
        value = value.removeprefix(marks).strip(" \t")
    name = before.strip("*_` \t")
    if not _KEY.fullmatch(name):
        return None
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split()), value
