"""Reads YAML as plain data: texts, numbers, true and false, null, lists and mappings.

Tags that build anything else are refused, dates stay text, and the work is bounded by the size of the text and by the
number of values that its aliases stand for. aurora-policies and aurora-spawner have a copy of this file, because each
of the three packages is useful without the others; a test keeps the copies equal.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["MAX_BYTES", "PlainYaml", "PlainYamlError", "Repeated", "parse_plain_yaml", "read_plain_yaml"]

MAX_BYTES: Final = 128_000
"""A hand-written file has some thousands. PyYAML reads 100 kB of the densest text in a second."""
MAX_VALUES: Final = 20_000
"""A hand-written file has some hundreds; aliases of aliases make millions of a few lines."""
MAX_DEPTH: Final = 100
"""Mappings and lists in each other; a hand-written file has some five."""

Place = tuple[int | str, ...]

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = _TAG + "merge"
_READERS: Final[Mapping[str, Callable[[SafeConstructor, Any], object]]] = {
    _TAG + "str": SafeConstructor.construct_yaml_str,
    _TAG + "value": SafeConstructor.construct_scalar,
    _TAG + "null": SafeConstructor.construct_yaml_null,
    _TAG + "bool": SafeConstructor.construct_yaml_bool,
    _TAG + "int": SafeConstructor.construct_yaml_int,
    _TAG + "float": SafeConstructor.construct_yaml_float,
}
_CONSTRUCTOR: Final = SafeConstructor()
_TOO_DEEP: Final = "is nested too deeply; does an alias (*name) hold itself?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A key that a mapping has twice.

    Attributes:
        place: keys and indexes from the top.
        line: of the second one, counted from 1.
        column: of the second one, in characters from 1.
        first_line: of the first one, whose value is dropped.
    """

    place: Place
    line: int
    column: int
    first_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainYaml:
    """A document.

    Attributes:
        value: dicts with texts as keys, lists, texts, numbers, booleans and None.
        lines: by place (keys and indexes from the top), the line counted from 1.
        columns: by place, the column where its key, or its item of a list, begins; in characters from 1.
        repeated: keys that are given twice, in the order of the lines.
    """

    value: object
    lines: Mapping[Place, int]
    columns: Mapping[Place, int]
    repeated: tuple[Repeated, ...]

    def place_of(self, place: Place) -> tuple[int, int]:
        """Returns the line and column of a value, or of the nearest one around it that is written down."""
        found = next((place[:end] for end in range(len(place), -1, -1) if place[:end] in self.lines), ())
        return self.lines.get(found, 1), self.columns.get(found, 1)


class PlainYamlError(ValueError):
    """A file or a text that is not plain YAML.

    Attributes:
        line: counted from 1; None for the file as a whole.
        column: in characters from 1; None without a line.
        place: keys and indexes from the top; () if the text is no YAML, or where no value is meant.
    """

    def __init__(self, line: int | None, reason: str, *, column: int | None = None, place: Place = ()) -> None:
        self.line = line
        self.column = column
        self.place = place
        self.reason = reason
        super().__init__(f"line {line}: {reason}" if line else reason)


def read_plain_yaml(path: Path, *, max_bytes: int = MAX_BYTES) -> PlainYaml:
    """Reads a regular file; devices, pipes and folders are refused.

    Raises:
        FileNotFoundError: The file does not exist.
        PlainYamlError: The file cannot be read, is too large or is not plain YAML.
    """
    content = _bytes(path, max_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        line, column = _end_of(before)
        raise PlainYamlError(line, "is not UTF-8 text; save it as UTF-8", column=column) from error
    return parse_plain_yaml(text)


def _bytes(path: Path, max_bytes: int) -> bytes:
    """Reads no more than is allowed, and only from a regular file: a pipe would block, a device never ends."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PlainYamlError(None, "is not a regular file; put a text file in its place")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PlainYamlError(None, f"cannot be read: {error.strerror}; repair the file or its link") from error
    if len(content) > max_bytes:
        raise PlainYamlError(None, f"is larger than {max_bytes // 1000} kB; split it or remove what it does not need")
    return content


def parse_plain_yaml(text: str) -> PlainYaml:
    """Parses one document; an empty one has the value None.

    Raises:
        PlainYamlError: The text is not plain YAML.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        reader = _Reader()
        value = None if node is None else reader.value_of(node, ())
    except yaml.YAMLError as error:
        raise _explained(error, text) from error
    except RecursionError as error:
        raise PlainYamlError(None, _TOO_DEEP) from error
    return PlainYaml(value=value, lines=reader.lines, columns=reader.columns, repeated=tuple(reader.repeated))


class _Loader(yaml.SafeLoader):
    """Refuses deep nesting where it is, before Python's own stack ends at a place that nobody can foresee."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise PlainYamlError(mark.line + 1, _TOO_DEEP, column=mark.column + 1)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _end_of(text: str) -> tuple[int, int]:
    """Returns the line and the column after the last character of a text."""
    lines = text.split("\n")
    return len(lines), len(lines[-1]) + 1


def _explained(error: yaml.YAMLError, text: str) -> PlainYamlError:
    if isinstance(error, yaml.reader.ReaderError):
        line, column = _end_of(text[: error.position])
        reason = f"holds a character that YAML does not allow (U+{ord(text[error.position]):04X})"
        return PlainYamlError(line, reason, column=column)
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error)
    if mark is None:
        return PlainYamlError(None, f"is not valid YAML: {reason}")
    began, context = getattr(error, "context_mark", None), getattr(error, "context", None)
    if began is not None and context and (began.line, began.column) != (mark.line, mark.column):
        reason = f"{reason} ({context} that begins in line {began.line + 1}, column {began.column + 1})"
    return PlainYamlError(mark.line + 1, f"is not valid YAML: {reason}", column=mark.column + 1)


class _Reader:
    """Turns the nodes of one document into values and remembers their places."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.columns: dict[Place, int] = {}
        self.repeated: list[Repeated] = []
        self._count = 0

    def value_of(self, node: yaml.Node, place: Place) -> object:
        """Returns the value of a node; an alias is read anew each time, so that what it stands for is counted."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise _error(node, place, "has too many values; do aliases (*name) repeat?")
        if len(place) > MAX_DEPTH:
            raise _error(node, (), _TOO_DEEP)
        self._note(place, node)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value_of(item, (*place, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, place)
        raise _foreign_tag(node, place)

    def _note(self, place: Place, node: yaml.Node) -> None:
        self.lines[place], self.columns[place] = _line(node), int(node.start_mark.column) + 1

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, object]:
        found: dict[str, object] = {}
        # What is brought in comes first, so that the mapping's own values and places replace it.
        for brought in [value_node for key_node, value_node in node.value if key_node.tag == _MERGE][::-1]:
            found |= self._merged(brought, place)
            self._note(place, node)
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key, line, column = _key(key_node, place), _line(key_node), int(key_node.start_mark.column) + 1
            if key in first:
                again = Repeated(place=(*place, key), line=line, column=column, first_line=first[key])
                self.repeated.append(again)
            first[key] = line
            found[key] = self.value_of(value_node, (*place, key))
            self._note((*place, key), key_node)
        return found

    def _merged(self, node: yaml.Node, place: Place) -> dict[str, object]:
        """Returns what `<<` brings in; of a key that several mappings have, the first one's value holds."""
        found: dict[str, object] = {}
        for part in node.value[::-1] if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.value_of(part, place)
            if not isinstance(value, dict):
                raise _error(part, place, "`<<` must bring in a mapping")
            found |= value
        return found


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _error(node: yaml.Node, place: Place, reason: str) -> PlainYamlError:
    return PlainYamlError(_line(node), reason, column=int(node.start_mark.column) + 1, place=place)


def _key(node: yaml.Node, place: Place) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _error(node, place, "a key must be a text, not a list or a mapping")
    return _text(node, place)


def _scalar(node: yaml.ScalarNode, place: Place) -> object:
    if node.tag == _TAG + "timestamp":
        return _text(
            node, place
        )  # no setting is a date, and PyYAML raises whatever an impossible date makes it raise
    read = _READERS.get(node.tag)
    if read is None:
        raise _foreign_tag(node, place)
    text = _text(node, place)
    try:
        return read(_CONSTRUCTOR, node)
    except (ValueError, KeyError, IndexError, OverflowError, ConstructorError) as error:
        kind = node.tag.removeprefix(_TAG)
        raise _error(node, place, f"{text!r:.60} cannot be read as {kind}; put a text in quotes") from error


def _text(node: yaml.ScalarNode, place: Place) -> str:
    """Returns a scalar as it was written; escapes can make characters that no file or program takes."""
    text = str(node.value)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _error(node, place, "holds a character that is not text (U+0000 or half a surrogate pair)")
    return text


def _foreign_tag(node: yaml.Node, place: Place) -> PlainYamlError:
    tag = node.tag.replace(_TAG, "!!")
    return _error(node, place, f"has the tag {tag!r:.60}; remove the tag, or put the value in quotes")
