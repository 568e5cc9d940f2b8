"""The commands that a task file names: checks of a task's work, below the task or in the file's front matter.

A command stands in `backticks`. One without them is prose unless its first word is a well-known tool or a path, so
that "Check: that users can log in" stays in the prompt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import TaskFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TOOLS: Final = frozenset(
    (
        *("bash", "bats", "bazel", "cargo", "clang-format", "cmake", "composer", "ctest", "deno", "docker", "dotnet"),
        *("eslint", "flake8", "golangci-lint", "gradle", "jest", "kubectl", "mvn", "mypy", "ninja", "node", "nox"),
        *("npm", "npx", "php", "phpunit", "pnpm", "poetry", "pre-commit", "pyright", "pytest", "python", "python3"),
        *(
            "rspec",
            "rubocop",
            "ruff",
            "rustfmt",
            "sbt",
            "shellcheck",
            "terraform",
            "tox",
            "tsc",
            "uv",
            "uvx",
            "vitest",
        ),
        *("xcodebuild", "yarn"),
    )
)
"""Programs whose names begin no sentence, as "make" or "go" would."""
_MARKED: Final = re.compile(r"^-|[/=.:*]\w|&&|\|")
"""Found in words of commands, such as options and paths, and hardly in those of a sentence."""
_FEW: Final = 3
"""So many words are a command, such as `npm run lint`."""
_LONGEST: Final = 2000
_KEYS: Final = ("check", "checks")
_KEY: Final = re.compile(r"""\s*["']?checks?["']?\s*:""", re.IGNORECASE)
_FENCE: Final = ("---", "...")


class NoCommandError(ValueError):
    """The text is prose, or no command at all; the message says how to write one."""


def command_in(value: str) -> str:
    """Returns the shell command that a setting names.

    Raises:
        NoCommandError: It is not to be taken for one.
    """
    text = value.strip()
    if text.startswith("`"):
        return _checked(_without_marks(text))
    words = _checked(text).split()
    known = words[0] in _TOOLS or words[0].startswith(("./", "../", "/"))
    # "python is installed and users can log in" is no command.
    if not known or not (len(words) <= _FEW or any(_MARKED.search(word) for word in words[1:])):
        raise NoCommandError("a command stands in backticks, such as `pytest -q tests/api`")
    return text


def _without_marks(text: str) -> str:
    """Returns the command between backticks; between two of them a command may hold single ones."""
    marks = text[: len(text) - len(text.lstrip("`"))]
    inner = text[len(marks) : -len(marks)]
    if len(text) <= 2 * len(marks) or not text.endswith(marks) or marks in inner:
        raise NoCommandError("nothing may stand beside the command in backticks")
    return inner.strip()


def _checked(command: str) -> str:
    if not command or len(command) > _LONGEST:
        raise NoCommandError(f"a command must have 1 to {_LONGEST:,} characters")
    return command


def checks_of_file(text: str, path: Path) -> tuple[str, ...]:
    """Returns the commands under `check:` in a file's front matter; they are for each of its tasks.

    Raises:
        TaskFileError: It is neither a command nor a list of commands.
    """
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != "---":
        return ()
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in _FENCE), 0)
    matter = lines[1:end]
    named = next((at for at, line in enumerate(matter, 2) if _KEY.match(line)), None)
    return () if named is None else _commands(matter, named, path)


def _commands(matter: Sequence[str], line: int, path: Path) -> tuple[str, ...]:
    from aurora_spawner.storage.plain_yaml import PlainYamlError, parse_plain_yaml

    try:
        document = parse_plain_yaml("\n".join(matter))
    except PlainYamlError as error:
        at = error.line + 1 if error.line else line
        raise TaskFileError(path, at, f"the front matter {error.reason}", field="check") from error
    if not isinstance(document.value, dict):
        return ()
    keys = [key for key in document.value if str(key).lower() in _KEYS]
    if len(keys) > 1 or any(str(each.place[0]).lower() in _KEYS for each in document.repeated):
        raise TaskFileError(path, line, "is given twice; name all commands in one list", field="check")
    if not keys:
        return ()
    found = document.value[keys[0]]
    commands = [found] if isinstance(found, str) else found
    if not isinstance(commands, list) or not all(isinstance(each, str) for each in commands):
        raise TaskFileError(path, line, "check must be a command or a list of commands", field="check")
    return tuple(_of_matter(each, line, path) for each in commands)


def _of_matter(value: str, line: int, path: Path) -> str:
    text = value.strip()
    try:
        command = _checked(_without_marks(text) if text.startswith("`") else text)
    except NoCommandError as error:
        raise TaskFileError(path, line, f"check: {error}", field="check") from error
    if len(command.splitlines()) > 1:
        raise TaskFileError(
            path, line, "check: a command is one line; put a longer script into a file", field="check"
        )
    return command
