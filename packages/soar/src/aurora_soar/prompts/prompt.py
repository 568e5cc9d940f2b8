"""Reads a prompt from its file, and fills in its fields."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from string import Template
from typing import Final

__all__ = ["fill", "version_of"]

_FIRST: Final = re.compile(r"<!-- version (\d+) -->\n")


def fill(name: str, **fields: str) -> str:
    """Returns the prompt of that name with its fields filled in; every field of the file has to be given."""
    return _read(name)[1].substitute(fields)


def version_of(name: str) -> str:
    """Returns the prompt's name with its version, such as `plan 1`; the version is raised with each change of it."""
    return f"{name} {_read(name)[0]}"


@cache
def _read(name: str) -> tuple[int, Template]:
    text = files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    first = _FIRST.match(text)
    if first is None:
        raise LookupError(f"prompt {name}: its first line does not say its version")
    return int(first[1]), Template(text[first.end() :])
