"""Finds the commands in added lines: in scripts, recipes, pipelines of CI, package scripts, and calls of programs."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Line", "commands_in"]

Line = tuple[int, str]
"""An added line with its number."""

_SCRIPT: Final = re.compile(
    r".*\.(sh|bash|zsh|ksh|command|bats)|(.*/)?\.?(bashrc|bash_profile|bash_aliases|profile|zshrc|zshenv|zprofile|envrc"
    r"|xinitrc)|(.*/)?(\.husky|\.?githooks|hooks)/[\w-]+"
)
"""Files that are one script of a shell."""
_SHELL: Final = re.compile(r"#!\s*/(usr/)?bin/(env\s+)?(ba|z|da|k)?sh\b")
_EACH_LINE: Final = re.compile(
    r".*\.(ya?ml|mk|dockerfile|service|plist|toml)|(.*/)?(GNUmakefile|[Mm]akefile|[Jj]ustfile|Dockerfile[^/]*|Containerfile"
    r"|Jenkinsfile|Procfile|Vagrantfile|crontab[^/]*|tox\.ini|package\.json|composer\.json|tasks\.json|launch\.json"
    r"|devcontainer\.json)|(.*/)?cron(tabs|\.[a-z]+)?/[^/]+"
)
"""Files in which a line may be a command, or have one as its value."""
_CODE: Final = re.compile(
    r".*\.(py|pyi|js|jsx|ts|tsx|mjs|cjs|rb|php|pl|pm|go|rs|java|kts?|cs|lua|exs?|scala|groovy|gradle|swift|c|cc|cpp|h|hpp)"
    r"|(.*/)?(Rakefile|Gemfile|Jenkinsfile)"
)
"""Sources, in which the texts of certain calls are commands."""
_BEFORE: Final = re.compile(
    r"\s*(-\s+)?(\"?(run|script|(pre|post)?[cC]ommands?|entry|cmd|sh|bash|(before|after)_script|exec|Exec(Start|Stop)(Pre|Post)?"
    r"|RUN|CMD|ENTRYPOINT|HEALTHCHECK|ONBUILD)\"?\s*[:=]?\s+|Exec\w+=)?([|>][-+]?\s*$)?[-+@]*"
)
"""The text before a command in a line: the mark of a list, a key, and the signs of make."""
_STRING_VALUE: Final = re.compile(r"\s*(?:\"[^\"]+\"\s*:|[\w.-]+\s*=|-)?\s*(\"(?:\\.|[^\"\\])*\")\s*,?\s*")
_SCHEDULE: Final = re.compile(
    r"(@(reboot|hourly|daily|midnight|weekly|monthly|yearly|annually)|([\d*/,-]+\s+){4}[\w*/,-]+)\s+(?P<command>.+)"
)
_CALL: Final = re.compile(
    r"\b(?:system|[pP]open\w*|exec\w*|spawn\w*|run|call|check_call|check_output|getoutput|sh|shell\w*|passthru|Command"
    r"|ProcessBuilder|Start|cmd)\s*[(!]?\(?\s*(?P<words>\[?\s*[frb]?(?P<quote>[\"'`]).+)"
)
_QUOTED: Final = re.compile(r"[frb]?([\"'`])((?:\\.|(?!\1)[^\\])*)\1\s*(,?)\s*\[?\s*")
_CI_SECRET: Final = re.compile(r"\$\{\{\s*secrets\.\w+\s*\}\}")
_CI_VALUE: Final = re.compile(r"\$\{\{(?:(?!\$\{\{)[^}])*\}\}")
_SPACES: Final = re.compile(r"\s{2,}")
"""Runs of white space, each part of which the forms above would try on its own."""


def commands_in(path: str, lines: Sequence[Line]) -> Iterator[Line]:
    """Yields the commands that added lines of a file hold, each with the number of its first line.

    In a pipeline of CI, a secret of the forge stands as `.env` in its command, since that is read like one.
    """
    if _SCRIPT.fullmatch(path) or any(number == 1 and _SHELL.match(text) for number, text in lines[:1]):
        yield from _blocks(lines)
    elif _EACH_LINE.fullmatch(path):
        for number, text in _joined(lines):
            for command in _of_line(_SPACES.sub(" ", text)):
                yield number, command
    elif _CODE.fullmatch(path):
        for number, text in lines:
            for found in _CALL.finditer(_SPACES.sub(" ", text)):
                yield number, _of_call(found["words"])


def _blocks(lines: Sequence[Line]) -> Iterator[Line]:
    """Yields the lines of a script that stand together as one text."""
    start, last, texts = 0, -1, list[str]()
    for number, text in lines:
        if number != last + 1 and texts:
            yield start, "\n".join(texts)
            texts = []
        start = start if texts else number
        texts.append(text)
        last = number
    if texts:
        yield start, "\n".join(texts)


def _joined(lines: Iterable[Line]) -> Iterator[Line]:
    """Yields lines, of which one that ends in a backslash is joined with the next."""
    start, before = 0, ""
    for number, text in lines:
        start = start if before else number
        if text.endswith("\\"):
            before += text[:-1] + " "
            continue
        yield start, before + text
        before = ""
    if before:
        yield start, before


def _of_line(text: str) -> Iterator[str]:
    quoted = _STRING_VALUE.fullmatch(text)
    if quoted:
        try:
            text = json.loads(quoted[1])
        except ValueError:
            return
    text = _CI_VALUE.sub("value", _CI_SECRET.sub("$(cat .env)", text))
    scheduled = _SCHEDULE.fullmatch(text.strip())
    yield scheduled["command"] if scheduled else _BEFORE.sub("", text, count=1)


def _of_call(text: str) -> str:
    """Returns the command of a call: its first text, or all texts of a list as words."""
    words, at = [], len(text) - len(text.lstrip("[ \t"))
    is_list = at > 0
    while found := _QUOTED.match(text, at):
        words.append(found[2])
        at = found.end()
        if not found[3]:
            break
    return " ".join(map(shlex.quote, words)) if is_list or len(words) > 1 else "".join(words)
