"""A YAML file as plain data, with the line of everything in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

from aurora_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["YamlSource", "read_yaml"]

MAX_BYTES: Final = 1_000_000
# A hand-written file has a few hundred nodes; aliases of aliases make millions of a few lines.
MAX_NODES: Final = 20_000

_Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSource:
    """A file that was read.

    Attributes:
        value: a mapping; empty for an empty file.
        lines: by place (keys and indexes from the top), the line counted from 1.
    """

    path: Path
    value: Mapping[str, object]
    lines: Mapping[_Place, int]

    def line_of(self, place: Sequence[int | str]) -> int | None:
        """The line of a place, or of the nearest thing around it."""
        for end in range(len(place), -1, -1):
            if line := self.lines.get(tuple(place[:end])):
                return line
        return None


def read_yaml(path: Path) -> YamlSource | None:
    """Read a file; None where there is none.

    Raises:
        ConfigError: it cannot be read, is no YAML, or holds no mapping.
    """
    text = _text(path)
    if text is None:
        return None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return YamlSource(path=path, value={}, lines={})
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(path, node.start_mark.line + 1, "", "must be a mapping of settings")
        lines: dict[_Place, int] = {}
        _note_lines(path, node, (), lines)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "cannot be read as YAML"
        raise ConfigError(path, mark.line + 1 if mark else None, "", f"is not valid YAML: {reason}") from error
    except RecursionError as error:
        raise ConfigError(path, None, "", "is nested too deeply") from error
    return YamlSource(path=path, value=value, lines=lines)


def _text(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(path, None, "", f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(path, None, "", f"is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(path, line, "", "is not UTF-8 text") from error


def _note_lines(path: Path, node: yaml.Node, place: _Place, lines: dict[_Place, int]) -> None:
    if len(lines) > MAX_NODES:
        raise ConfigError(path, node.start_mark.line + 1, "", "has too many values (do aliases repeat?)")
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(path, item, (*place, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            if inner in lines:
                raise ConfigError(path, key.start_mark.line + 1, ".".join(map(str, inner)), "is given twice")
            _note_lines(path, value, inner, lines)
            lines[inner] = key.start_mark.line + 1
