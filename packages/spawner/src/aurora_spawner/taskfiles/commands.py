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
_PATH: Final = re.compile(r"\.{0,2}/?(?:[\w@.+-]{1,100}/){1,20}[\w@.+-]{1,100}")
_LONGEST: Final = 2000
_KEY: Final = re.compile(r"check\s*:")
_FENCE: Final = ("---", "...")


class NoCommandError(ValueError):
    """The text is prose, or no command at all; the message says how to write one."""


def command_in(value: str) -> str:
    """Returns the shell command that a setting names.

    Raises:
        NoCommandError: It is not to be taken for one.
    """
    text = value.strip()
    inner = text.strip("`").strip()
    if not inner or len(inner) > _LONGEST:
        raise NoCommandError("a command must not be empty or very long")
    if text.startswith("`"):
        if not text.endswith("`") or "`" in inner:
            raise NoCommandError("nothing may stand beside the command in backticks")
        return inner
    first = text.split()[0]
    if first not in _TOOLS and not _PATH.fullmatch(first):
        raise NoCommandError("a command stands in backticks, such as `pytest -q tests/api`")
    return text


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
        document = parse_plain_yaml("\n".join(matter)).value
    except PlainYamlError as error:
        at = error.line + 1 if error.line else line
        raise TaskFileError(path, at, f"the front matter {error.reason}", field="check") from error
    found = document.get("check") if isinstance(document, dict) else None
    commands = [found] if isinstance(found, str) else found
    if not isinstance(commands, list) or not all(isinstance(each, str) and each.strip() for each in commands):
        raise TaskFileError(path, line, "check must be a command or a list of commands", field="check")
    return tuple(each.strip() for each in commands)
