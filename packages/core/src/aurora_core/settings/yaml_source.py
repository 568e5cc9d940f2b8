"""Reads a YAML file as plain data, with the line of every value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_core.errors import ConfigError
from aurora_core.plain_yaml import PlainYamlError, read_plain_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["YamlSource", "read_yaml"]

_Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSource:
    """A YAML file that was read.

    Attributes:
        value: a mapping; empty for an empty file.
        lines: by place (keys and indexes from the top), the line counted from 1.
    """

    path: Path
    value: Mapping[str, object]
    lines: Mapping[_Place, int]

    def line_of(self, place: Sequence[int | str]) -> int | None:
        """Returns the line of a place, or of the nearest place around it."""
        for end in range(len(place), -1, -1):
            if line := self.lines.get(tuple(place[:end])):
                return line
        return None


def read_yaml(path: Path) -> YamlSource | None:
    """Reads a file; returns None if it does not exist.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or holds no mapping.
    """
    try:
        document = read_plain_yaml(path)
    except FileNotFoundError:
        return None
    except PlainYamlError as error:
        raise ConfigError(path, error.line, "", error.reason) from error
    if document.repeated:
        again = document.repeated[0]
        field = ".".join(map(str, again.place))
        raise ConfigError(path, again.line, field, f"is given twice, first in line {again.first_line}; keep one")
    if document.value is None:
        return YamlSource(path=path, value={}, lines={})
    if not isinstance(document.value, dict):
        raise ConfigError(path, document.lines[()], "", "must be a mapping of settings")
    return YamlSource(path=path, value=document.value, lines=document.lines)
