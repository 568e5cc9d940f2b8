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
from aurora_spawner.taskfiles.commands import NoCommandError, command_in
from aurora_spawner.taskfiles.lines import Kind
from aurora_spawner.tasks.task import MOST_CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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
}
_LOOSE_KEYS: Final = ("dependencies", "dependency", "deps")
"""Keys that are often about libraries: their values are ids only if the file has them."""
_SEVERAL: Final = ("depends", "files", "checks")
"""Settings that may be given more than once; their values add up."""

_MARKER: Final = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)])[ \t]+")
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z _-]{0,19}")
_NAME: Final = re.compile(r"@?[^\W_][\w.-]{0,99}")
_MODEL: Final = re.compile(r"(?=[a-z]|\S*\d)[A-Za-z0-9][\w.:/@+-]{0,99}(?:\[\w{1,9}\])?")
_TIME: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)[ \t]*([a-z]{0,7})", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_PATH: Final = re.compile(r"[\w.@*?/+-]{1,250}")
_REMARK: Final = re.compile(r"[ \t]*\([^()]*\)$")
_ID: Final = re.compile(
    r"(?:[A-Za-z][A-Za-z-]{0,15}[-_]?)?[0-9]{1,9}[a-z]?(?:[.-][0-9]{1,9}[a-z]?){0,9}"
    r"|(?:[\w-]{1,40}/){1,6}[\w.-]{1,40}"
)
"""An id as in the file, or after its heading as in `backend/1.1`."""
_SEPARATOR: Final = re.compile(r"[,;&]|\band\b")
_WORD_BEFORE_ID: Final = re.compile(r"tasks?[ \t]+", re.IGNORECASE)
_RANGE: Final = re.compile(
    r"(?P<stem>(?:[A-Za-z][A-Za-z-]{0,15}[-_]?)?(?:\d{1,9}\.){0,9})(?P<first>\d{1,9})"
    r"[ \t]?(?:[-\u2013\u2014]|\.\.|to|through)[ \t]?(?:(?P=stem))(?P<last>\d{1,9})"
)
_LONG: Final = 1000
_WIDEST_RANGE: Final = 100
_DRESS: Final = "`*_ \t"
_AS_BULLET: Final = re.compile(r"\(?(?:depends on|depends|blocked by)[ \t]+([^():]*)\)?[ \t.]*", re.IGNORECASE)
_IN_BRACKETS: Final = re.compile(r"\((?:depends on|depends|blocked by)[ \t:]+([^()]*)\)[ \t.]*$", re.IGNORECASE)

_PRIORITY_WORDS: Final = {
    "low": -10,
    "normal": 0,
    "medium": 0,
    "high": 10,
    "critical": 20,
    "p0": 20,
    "p1": 10,
    "p2": 0,
    "p3": -10,
}
_UNITS_S: Final = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}
_NOTHING: Final = ("none", "nothing", "n/a", "-", "\u2013", "\u2014")


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
    agents, pick and review; and result_schema, as the path that the file has."""
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


class _NoValueError(ValueError):
    """The value of a known key does not parse; the message names valid values."""


class _ListError(_NoValueError):
    """A list of ids, and no prose, that is too long; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ids:
    """The parts of a list of ids."""

    named: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    """The ids within ranges."""
    odd: tuple[str, ...] = ()
    """The parts that are no ids."""


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
                return len(content) < _LONG and self._take_sentence(content.strip(_DRESS), line)
            return self._set(*found, line.line, line.text)
        return False

    def _take_sentence(self, text: str, line: BodyLine) -> bool:
        """Takes `depends on T001`, with or without brackets, if only ids follow."""
        match = _AS_BULLET.fullmatch(text)
        if match is None:
            return False
        try:
            found = _ids(match[1])
        except _NoValueError as problem:
            self._refuse_list(problem, line.line, _short(line.text))
            return False
        if any(len(part.split()) > 1 for part in found.odd):
            return False
        self._refer(found, line.line, _short(line.text), loose=True)
        return True

    def take_comments(self, text: str, line: int) -> str:
        """Takes the comments that are settings, and returns the line without them."""
        kept, at = [], 0
        for start, end in _comments(text):
            inner = text[start + 4 : end - 3]
            found = _key_and_value(inner) if len(inner) < _LONG else None
            if found is not None and self._set(*found, line, text[start:end]):
                kept.append(text[at:start])
                at = end
        kept.append(text[at:])
        return "".join(kept).strip(" \t")

    def take_bracketed(self, inner: str, line: int) -> None:
        """Takes `(depends on T001)` at the end of a task's line, which stays part of the text."""
        text = _short(f"(depends on {inner})")
        try:
            self._refer(_meant_as_ids(inner, loose=True), line, text, loose=True)
        except _NoValueError as problem:
            self._refuse_list(problem, line, text)
            self.settings.near_misses.append((line, f"{text} is not a setting: {problem}"))

    def _refer(self, ids: _Ids, line: int, text: str, *, loose: bool) -> None:
        """Keeps the ids of a line; a part that is no id is refused later, as one that does not exist."""
        named = (*ids.named, *ids.odd)
        self.settings.references.append(Reference(line=line, ids=named, perhaps=ids.inside, loose=loose, text=text))

    def _refuse_list(self, problem: _NoValueError, line: int, text: str) -> None:
        """Refuses a list of ids that is too long, unless the task is done.

        Raises:
            TaskFileError: It is.
        """
        if isinstance(problem, _ListError) and not self._done:
            raise TaskFileError(self._path, line, f"{text}: {problem}", field="depends") from problem

    def _set(self, key: str, value: str, line: int, text: str) -> bool:
        name = _KEYS.get(key)
        if name is None:
            self._record_slip(key, value, line, text)
            return False
        loose = key in _LOOSE_KEYS
        try:
            read = _meant_as_ids(value, loose=loose) if name == "depends" else _READERS[name](value)
        except _NoValueError as problem:
            if not loose:
                self._refuse_list(problem, line, _short(text))
            remark = f"{_short(text)} is not a setting and stays in the prompt: {problem}"
            self.settings.near_misses.append((line, remark))
            return False
        if name in self._lines and name not in _SEVERAL and self.settings.values[_FIELDS[name]] != read:
            problem_text = f"{name} is set twice for this task, first in line {self._lines[name]}"
            raise TaskFileError(self._path, line, problem_text, field=name)
        self._lines.setdefault(name, line)
        if isinstance(read, _Ids):
            self._refer(read, line, _short(text), loose=loose)
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
            self.settings.values[_FIELDS[name]] = read

    def _record_slip(self, key: str, value: str, line: int, text: str) -> None:
        """Records a mistyped key, if its value is valid for the key that was meant."""
        close = next((_SLIPS[each] for each in _shortened(key) if each in _SLIPS), None)
        if close is None:
            return
        try:
            _READERS[_KEYS[close]](value)
        except _NoValueError:
            return
        remark = f"{_short(text)} is not a setting; did you mean {close.capitalize()}?"
        self.settings.near_misses.append((line, remark))


def _short(text: str) -> str:
    return f"“{text}”" if len(text) <= 60 else f"“{text[:59]}…”"


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


def _plain(value: str) -> str:
    return value.strip("`* \t")


def _name(value: str) -> str:
    name = _plain(value)
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise _NoValueError("an agent must be one name, such as @reviewer")
    return name.removeprefix("@")


def _model(value: str) -> str:
    name = _plain(value)
    if not _MODEL.fullmatch(name) or not name.isprintable():
        raise _NoValueError("a model must be one name, such as sonnet or gpt-5")
    return name


def _meant_as_ids(value: str, *, loose: bool) -> _Ids:
    """Returns the parts of a value that names tasks, even if not all of them are ids.

    Args:
        loose: The key is often about other things than tasks.

    Raises:
        _NoValueError: The value is prose: no part of it is an id, and not every part is one word or a row of ids.
    """
    found = _ids(value)
    if found.odd and not found.named and (loose or not all(map(_is_word_or_ids, found.odd))):
        raise _NoValueError("tasks must be named by their ids, such as 1.1 or T001")
    return found


def _is_word_or_ids(part: str) -> bool:
    words = part.split()
    return len(words) == 1 or all(map(_ID.fullmatch, words))


def _only_ids(value: str) -> _Ids:
    """Returns the ids of a value that has nothing else."""
    found = _ids(value)
    if found.odd:
        raise _NoValueError("tasks must be named by their ids, such as 1.1 or T001")
    return found


def _ids(value: str) -> _Ids:
    """Splits a value into ids, ids within ranges, and parts that are neither.

    Raises:
        _ListError: It is a list that is too long.
        _NoValueError: It is empty, or too long for a list.
    """
    if len(value) > _LONG:
        first = _id_in(_SEPARATOR.split(value[:_LONG], maxsplit=1)[0])
        kind = _ListError if _ID.fullmatch(first) or _RANGE.fullmatch(first) else _NoValueError
        raise kind("it is too long for a list of ids")
    text = _REMARK.sub("", value).rstrip(". \t")
    if text.lower().strip("`*_() \t") in _NOTHING or value.strip() in _NOTHING:
        return _Ids()
    found: dict[str, None] = {}
    inside: dict[str, None] = {}
    odd: dict[str, None] = {}
    for part in _SEPARATOR.split(text):
        word = _id_in(part)
        if match := _RANGE.fullmatch(word):
            ends, between = _range(match)
            found.update(dict.fromkeys(ends))
            inside.update(dict.fromkeys(between))
        elif word:
            (found if _ID.fullmatch(word) else odd)[word] = None
        if len(inside) > _LONG:
            raise _ListError("it names too many tasks")
    if not found and not odd:
        raise _NoValueError("it names no task; write none for no dependency")
    return _Ids(named=tuple(found), inside=tuple(inside), odd=tuple(odd))


def _id_in(part: str) -> str:
    """Returns a part of a list without emphasis, the word "task" and the hash before a number."""
    return _WORD_BEFORE_ID.sub("", part.strip(_DRESS), count=1).strip(_DRESS).removeprefix("#")


def _range(match: re.Match[str]) -> tuple[list[str], list[str]]:
    """Returns the ends of a range such as `T003-T007`, and the ids between them."""
    stem, first, last = match["stem"], match["first"], match["last"]
    if int(last) - int(first) not in range(1, _WIDEST_RANGE):
        raise _ListError(f"a range must go up and span at most {_WIDEST_RANGE} tasks")
    between = range(int(first) + 1, int(last))
    return [f"{stem}{first}", f"{stem}{last}"], [f"{stem}{number:0{len(first)}}" for number in between]


def _files(value: str) -> tuple[str, ...]:
    names = [part.strip("` \t") for part in value.split(",")]
    found = tuple(dict.fromkeys(name for name in names if name))
    if not found:
        raise _NoValueError("it names no file")
    for name in found:
        if not _PATH.fullmatch(name) or not any(mark in name.strip(".") for mark in "./*"):
            raise _NoValueError(f"{_short(name)} is not a path such as src/parser.py")
    return found


def _priority(value: str) -> int:
    word = _plain(value).lower()
    if word in _PRIORITY_WORDS:
        return _PRIORITY_WORDS[word]
    if not _WHOLE.fullmatch(word):
        raise _NoValueError("a priority must be a whole number, low, normal, high or critical")
    return int(word)


def _timeout(value: str) -> float:
    match = _TIME.fullmatch(_plain(value).lower())
    if not match or match[2] not in _UNITS_S or not float(match[1]):
        raise _NoValueError("a timeout must be a time above 0, such as 90, 90s, 5m or 1h")
    return float(match[1]) * _UNITS_S[match[2]]


def _critical(value: str) -> bool:
    word = _plain(value).lower()
    if word not in _YES_NO:
        raise _NoValueError("critical must be yes or no")
    return _YES_NO[word]


def _command(value: str) -> str:
    try:
        return command_in(value)
    except NoCommandError as error:
        raise _NoValueError(str(error)) from error


def _max_turns(value: str) -> int:
    word = _plain(value)
    if not _WHOLE.fullmatch(word) or int(word) < 1:
        raise _NoValueError("the most turns must be a whole number from 1")
    return int(word)


def _candidates(value: str) -> int:
    word = _plain(value)
    if not _WHOLE.fullmatch(word) or not 1 <= int(word) <= MOST_CANDIDATES:
        raise _NoValueError(f"candidates must be a whole number from 1 to {MOST_CANDIDATES}")
    return int(word)


def _agents(value: str) -> tuple[str, ...]:
    parts = value.split(",")
    if len(parts) > MOST_CANDIDATES:
        raise _NoValueError(f"a task may have at most {MOST_CANDIDATES} agents")
    return tuple(map(_name, parts))


def _pick(value: str) -> str:
    word = _plain(value).lower()
    if word not in ("best", "ask"):
        raise _NoValueError("pick must be best or ask")
    return word


def _reviewer(value: str) -> str:
    name = value.strip("`* \t")
    if not name.startswith("@"):  # "Review: carefully" is prose
        raise _NoValueError("a reviewer must be one name after an @, such as @reviewer")
    return _name(name)


def _schema_path(value: str) -> str:
    name = value.strip("` \t")
    if not _PATH.fullmatch(name) or not name.lower().endswith(".json") or "*" in name or "?" in name:
        raise _NoValueError("a result must be the path of a JSON Schema, such as schemas/report.json")
    return name


_READERS: Mapping[str, Callable[[str], object]] = {
    "agent": _name,
    "model": _model,
    "depends": _only_ids,
    "priority": _priority,
    "timeout": _timeout,
    "files": _files,
    "critical": _critical,
    "checks": lambda value: (_command(value),),
    "until": _command,
    "max_turns": _max_turns,
    "candidates": _candidates,
    "agents": _agents,
    "pick": _pick,
    "result_schema": _schema_path,
    "review": _reviewer,
}
_FIELDS: Final = {name: "timeout_s" if name == "timeout" else name for name in _READERS}
