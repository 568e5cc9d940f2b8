"""Recipes: task files with arguments. `{{name}}` in a task stands for a value that each run is given.

The file is read first and filled afterwards, so a value is a text in a prompt and can become neither a task nor a
setting, whatever is in it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskError, TaskFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.taskfiles.model import TaskFile, TaskLine
    from aurora_spawner.tasks.task import SpawnTask

NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
"""The form of an argument's name."""
VALUE_LIMIT: Final = 20_000
"""The most characters of a value."""
ARGUMENT: Final = re.compile(rf"(?P<escape>\\)?\{{\{{(?P<name>{NAME})\}}\}}")
"""An argument in a text, or with a backslash before it a text that looks like one."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+=,][A-Za-z0-9_./:@%+=,-]*")
"""The form of a value in a command: nothing that a shell reads as more than a part of a word, and no option."""
_PATH_PART: Final = re.compile(r"[^\x00-\x1f\x7f*?\[\]]+")


def fill(text: str, arguments: Mapping[str, str]) -> str:
    """Returns a text with the values of its arguments, each taken word for word; unknown ones stay as they are."""

    def value(place: re.Match[str]) -> str:
        return place[0][1:] if place["escape"] else arguments.get(place["name"], place[0])

    return ARGUMENT.sub(value, text)


def unfilled(text: str) -> str:
    """Returns a text for a task file that `fill` gives back as it was: nothing in it is an argument."""
    return ARGUMENT.sub(lambda place: f"\\{place[0]}", text)


def title_with(title: str, arguments: Mapping[str, str]) -> str:
    """Returns the title of a task with the values of its arguments, on one line."""
    return " ".join(fill(title, arguments).split()) if ARGUMENT.search(title) else title


def with_arguments(file: TaskFile, arguments: Mapping[str, str]) -> TaskFile:
    """Returns a task file whose tasks have values for their arguments.

    Raises:
        TaskFileError: A task names an argument that is not given, an argument is given that no task names, or a value
            cannot stand where the file has it; with the line.
    """
    _check_known(file, arguments)
    lines = tuple(_line_with(file, line, arguments) for line in file.lines)
    groups = tuple(replace(group, title=title_with(group.title, arguments)) for group in file.groups)
    return replace(file, lines=lines, groups=groups, arguments=dict(arguments), written_commands=file.commands)


def _check_known(file: TaskFile, arguments: Mapping[str, str]) -> None:
    named = {name: line.line for line in reversed(file.lines) for name in _names_in(line.task)}
    for name, value in arguments.items():
        if name not in named:
            near = get_close_matches(name, named, n=1)
            guess = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(sorted(named))}" if named else ""
            where = named[near[0]] if near else None
            raise TaskFileError(file.path, where, f"no task has an argument {{{{{name}}}}}{guess}", field=name)
        if "\0" in value or len(value) > VALUE_LIMIT:
            problem = f"the value of {name} must have at most {VALUE_LIMIT:,} characters, and no NUL"
            raise TaskFileError(file.path, named[name], problem, field=name)


def _line_with(file: TaskFile, line: TaskLine, arguments: Mapping[str, str]) -> TaskLine:
    missing = [name for name in _names_in(line.task) if name not in arguments]
    if missing and not line.done:
        given = " ".join(f"--arg {name}=…" for name in missing)
        problem = f"the task needs values: {given} (a text that means no argument is written \\{{{{{missing[0]}}}}})"
        raise TaskFileError(file.path, line.line, problem, field=missing[0])
    try:
        task = _task_with(line.task, arguments)
    except TaskError as error:
        raise TaskFileError(file.path, line.line, str(error), field=error.field) from error
    return replace(line, title=title_with(line.title, arguments), task=task)


def _task_with(task: SpawnTask, arguments: Mapping[str, str]) -> SpawnTask:
    if not any(ARGUMENT.search(text) for text in _texts_of(task)):
        return task
    return replace(
        task,
        prompt=fill(task.prompt, arguments),
        title=None if task.title is None else title_with(task.title, arguments),
        files=tuple(_safely(each, arguments, _PATH_PART, "a path") for each in task.files),
        checks=tuple(_safely(each, arguments, _PLAIN, "a command") for each in task.checks),
        until=None if task.until is None else _safely(task.until, arguments, _PLAIN, "a command"),
    )


def _safely(text: str, arguments: Mapping[str, str], form: re.Pattern[str], what: str) -> str:
    """Returns a path or a command with values; refuses one that would be more than a part of it.

    Raises:
        TaskError: A value has other characters.
    """
    for place in ARGUMENT.finditer(text):
        value = arguments.get(place["name"], "")
        if not place["escape"] and place["name"] in arguments and not form.fullmatch(value):
            problem = f"the value {value[:60]!r} of {place['name']} cannot stand in {what} ({text[:80]})"
            raise TaskError(problem, field=place["name"])
    return fill(text, arguments)


def _names_in(task: SpawnTask) -> tuple[str, ...]:
    places = (place for text in _texts_of(task) for place in ARGUMENT.finditer(text) if not place["escape"])
    return tuple(dict.fromkeys(place["name"] for place in places))


def _texts_of(task: SpawnTask) -> Iterator[str]:
    yield task.prompt
    yield from task.files
    yield from task.commands
