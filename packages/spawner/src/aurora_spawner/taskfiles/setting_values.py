"""The values of settings, each read strictly: what does not parse is prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.taskfiles.commands import NoCommandError, command_in
from aurora_spawner.taskfiles.recipes import ARGUMENT
from aurora_spawner.tasks.labels import label_problem
from aurora_spawner.tasks.task import MOST_CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
LONG: Final = 1000
"""More characters than a setting has."""
_WIDEST_RANGE: Final = 100
DRESS: Final = "`*_ \t"
"""Emphasis and space around a word."""

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


class NoValueError(ValueError):
    """The value of a known key does not parse; the message names valid values."""


class ListError(NoValueError):
    """A list of ids, and no prose, that is too long; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """The parts of a list of ids."""

    named: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    """The ids within ranges."""
    odd: tuple[str, ...] = ()
    """The parts that are no ids."""


def short(text: str) -> str:
    """Returns a text in quotes, cut for a message."""
    return f"“{text}”" if len(text) <= 60 else f"“{text[:59]}…”"


def _plain(value: str) -> str:
    return value.strip("`* \t")


def _name(value: str) -> str:
    name = _plain(value)
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise NoValueError("an agent must be one name, such as @reviewer")
    return name.removeprefix("@")


def _model(value: str) -> str:
    name = _plain(value)
    if not _MODEL.fullmatch(name) or not name.isprintable():
        raise NoValueError("a model must be one name, such as sonnet or gpt-5")
    return name


def meant_as_ids(value: str, *, loose: bool) -> Ids:
    """Returns the parts of a value that names tasks, even if not all of them are ids.

    Args:
        loose: The key is often about other things than tasks.

    Raises:
        NoValueError: The value is prose: no part of it is an id, and not every part is one word or a row of ids.
    """
    found = ids_in(value)
    if found.odd and not found.named and (loose or not all(map(_is_word_or_ids, found.odd))):
        raise NoValueError("tasks must be named by their ids, such as 1.1 or T001")
    return found


def _is_word_or_ids(part: str) -> bool:
    words = part.split()
    return len(words) == 1 or all(map(_ID.fullmatch, words))


def _only_ids(value: str) -> Ids:
    """Returns the ids of a value that has nothing else."""
    found = ids_in(value)
    if found.odd:
        raise NoValueError("tasks must be named by their ids, such as 1.1 or T001")
    return found


def ids_in(value: str) -> Ids:
    """Splits a value into ids, ids within ranges, and parts that are neither.

    Raises:
        ListError: It is a list that is too long.
        NoValueError: It is empty, or too long for a list.
    """
    if len(value) > LONG:
        first = _id_in(_SEPARATOR.split(value[:LONG], maxsplit=1)[0])
        kind = ListError if _ID.fullmatch(first) or _RANGE.fullmatch(first) else NoValueError
        raise kind("it is too long for a list of ids")
    text = _REMARK.sub("", value).rstrip(". \t")
    if text.lower().strip("`*_() \t") in _NOTHING or value.strip() in _NOTHING:
        return Ids()
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
        if len(inside) > LONG:
            raise ListError("it names too many tasks")
    if not found and not odd:
        raise NoValueError("it names no task; write none for no dependency")
    return Ids(named=tuple(found), inside=tuple(inside), odd=tuple(odd))


def _id_in(part: str) -> str:
    """Returns a part of a list without emphasis, the word "task" and the hash before a number."""
    return _WORD_BEFORE_ID.sub("", part.strip(DRESS), count=1).strip(DRESS).removeprefix("#")


def _range(match: re.Match[str]) -> tuple[list[str], list[str]]:
    """Returns the ends of a range such as `T003-T007`, and the ids between them."""
    stem, first, last = match["stem"], match["first"], match["last"]
    if int(last) - int(first) not in range(1, _WIDEST_RANGE):
        raise ListError(f"a range must go up and span at most {_WIDEST_RANGE} tasks")
    between = range(int(first) + 1, int(last))
    return [f"{stem}{first}", f"{stem}{last}"], [f"{stem}{number:0{len(first)}}" for number in between]


def _files(value: str) -> tuple[str, ...]:
    names = [part.strip("` \t") for part in value.split(",")]
    found = tuple(dict.fromkeys(name for name in names if name))
    if not found:
        raise NoValueError("it names no file")
    for name in found:
        written = ARGUMENT.sub("x", name)
        if not _PATH.fullmatch(written) or not any(mark in written.strip(".") for mark in "./*"):
            raise NoValueError(f"{short(name)} is not a path such as src/parser.py")
    return found


def _priority(value: str) -> int:
    word = _plain(value).lower()
    if word in _PRIORITY_WORDS:
        return _PRIORITY_WORDS[word]
    if not _WHOLE.fullmatch(word):
        raise NoValueError("a priority must be a whole number, low, normal, high or critical")
    return int(word)


def _timeout(value: str) -> float:
    match = _TIME.fullmatch(_plain(value).lower())
    if not match or match[2] not in _UNITS_S or not float(match[1]):
        raise NoValueError("a timeout must be a time above 0, such as 90, 90s, 5m or 1h")
    return float(match[1]) * _UNITS_S[match[2]]


def _critical(value: str) -> bool:
    word = _plain(value).lower()
    if word not in _YES_NO:
        raise NoValueError("critical must be yes or no")
    return _YES_NO[word]


def _command(value: str) -> str:
    try:
        return command_in(value)
    except NoCommandError as error:
        raise NoValueError(str(error)) from error


def _max_turns(value: str) -> int:
    word = _plain(value)
    if not _WHOLE.fullmatch(word) or int(word) < 1:
        raise NoValueError("the most turns must be a whole number from 1")
    return int(word)


def _candidates(value: str) -> int:
    word = _plain(value)
    if not _WHOLE.fullmatch(word) or not 1 <= int(word) <= MOST_CANDIDATES:
        raise NoValueError(f"candidates must be a whole number from 1 to {MOST_CANDIDATES}")
    return int(word)


def _agents(value: str) -> tuple[str, ...]:
    parts = value.split(",")
    if len(parts) > MOST_CANDIDATES:
        raise NoValueError(f"a task may have at most {MOST_CANDIDATES} agents")
    return tuple(map(_name, parts))


def _pick(value: str) -> str:
    word = _plain(value).lower()
    if word not in ("best", "ask"):
        raise NoValueError("pick must be best or ask")
    return word


def _reviewer(value: str) -> str:
    name = value.strip("`* \t")
    if not name.startswith("@"):  # "Review: carefully" is prose
        raise NoValueError("a reviewer must be one name after an @, such as @reviewer")
    return _name(name)


def _pool(value: str) -> str:
    name = _plain(value)
    if not _NAME.fullmatch(name) or not name.isprintable() or name.startswith("@"):
        raise NoValueError("a pool must be one name, such as big")
    return name


def _labels(value: str) -> tuple[str, ...]:
    labels = tuple(_plain(part) for part in value.split(","))
    if problem := label_problem(labels):
        raise NoValueError(problem)
    return tuple(dict.fromkeys(labels))


def _schema_path(value: str) -> str:
    name = value.strip("` \t")
    if not _PATH.fullmatch(name) or not name.lower().endswith(".json") or "*" in name or "?" in name:
        raise NoValueError("a result must be the path of a JSON Schema, such as schemas/report.json")
    return name


READERS: Mapping[str, Callable[[str], object]] = {
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
    "pool": _pool,
    "labels": _labels,
}
"""By the name of a setting; each raises `NoValueError`."""
FIELDS: Final = {name: "timeout_s" if name == "timeout" else name for name in READERS}
"""The names of the settings of a task, by those of their lines."""
