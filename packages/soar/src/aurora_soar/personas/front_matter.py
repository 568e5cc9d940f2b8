"""The head of a Markdown file: `key: value` between two lines of dashes, strict YAML or nearly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FrontMatter", "FrontMatterError", "Given", "split_front_matter"]

_FENCE: Final = re.compile(r"^---[ \t]*$")
_END: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*$")
_KEY: Final = re.compile(r"^([A-Za-z_][\w-]{0,63})[ \t]*:(?:[ \t]+|$)(.*)$")
_ITEM: Final = re.compile(r"^[ \t]*-[ \t]+(.*)$")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The value of one key.

    Attributes:
        value: words, several of them, or switches by name; None for a shape that no field has.
        line: counted from 1 in the file.
    """

    value: str | tuple[str, ...] | dict[str, str] | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """A file, taken apart.

    Attributes:
        given: by key as written; of a key that is given twice, the first.
        body: the text below, without blank lines around it.
        complaints: line and reason of what was not right and could be read all the same.
    """

    given: Mapping[str, Given]
    body: str
    complaints: tuple[tuple[int, str, str], ...]


class FrontMatterError(Exception):
    """A text without a readable head.

    Attributes:
        line: counted from 1.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(reason)


def split_front_matter(text: str) -> FrontMatter:
    """Take a text apart.

    Raises:
        FrontMatterError: it has no head, one that does not end, or one that is something else.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise FrontMatterError(1, "is empty")
    if not _FENCE.match(lines[start]):
        raise FrontMatterError(start + 1, "has no front matter; begin it with a line `---`")
    end = next((index for index in range(start + 1, len(lines)) if _END.match(lines[index])), None)
    if end is None:
        raise FrontMatterError(start + 1, "has front matter that does not end; close it with a line `---`")
    given, complaints = _read(lines[start + 1 : end], first=start + 2)
    return FrontMatter(given=given, body="\n".join(lines[end + 1 :]).strip(), complaints=tuple(complaints))


def _read(lines: list[str], *, first: int) -> tuple[dict[str, Given], list[tuple[int, str, str]]]:
    try:
        node = yaml.compose("\n".join(lines), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = first + (mark.line if mark else 0)
        reason = getattr(error, "problem", None) or "is nested too deeply or holds odd characters"
        complaint = (line, "", f"is not valid YAML ({reason}); it was read line by line")
        return _by_line(lines, first), [complaint]
    if node is None:
        return {}, []
    if not isinstance(node, yaml.MappingNode):
        raise FrontMatterError(first, "has front matter that is no lines of the form `key: value`")
    return _of_mapping(node, first)


def _of_mapping(node: yaml.MappingNode, first: int) -> tuple[dict[str, Given], list[tuple[int, str, str]]]:
    given: dict[str, Given] = {}
    complaints = []
    for key, value in node.value:
        name, line = _clean(key.value), first + key.start_mark.line
        if name in given:
            complaints.append((line, name, f"is given twice; the one in line {given[name].line} holds"))
        else:
            given[name] = Given(value=_value(value), line=line)
    return given, complaints


def _value(node: yaml.Node) -> str | tuple[str, ...] | dict[str, str] | None:
    """One level of it; what lies deeper, aliases of aliases included, is never looked at."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.style is None and node.value in _NULLS else _clean(node.value)
    if isinstance(node, yaml.SequenceNode):
        items = [_clean(item.value) for item in node.value if isinstance(item, yaml.ScalarNode)]
        return tuple(items) if len(items) == len(node.value) else None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    scalars = [(_clean(key.value), _clean(each.value)) for key, each in pairs if isinstance(each, yaml.ScalarNode)]
    return dict(scalars) if len(scalars) == len(pairs) else None


def _clean(value: object) -> str:
    """A value that can be written down again: escapes in YAML can make halves of characters."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _by_line(lines: list[str], first: int) -> dict[str, Given]:
    """What people mean who write `description: Use it: always`; values may go on below their key."""
    given: dict[str, Given] = {}
    for key, line, parts in _entries(lines, first):
        items = [match[1] for match in map(_ITEM.match, parts[1:]) if match]
        listed = not parts[0] and len(items) == len(parts) - 1 and bool(items)
        value: str | tuple[str, ...] = tuple(map(_bare, items)) if listed else _bare(" ".join(parts).lstrip("|> "))
        given.setdefault(key, Given(value=value, line=line))
    return given


def _entries(lines: list[str], first: int) -> Iterator[tuple[str, int, list[str]]]:
    found: tuple[str, int, list[str]] | None = None
    for number, line in enumerate(lines, start=first):
        if match := _KEY.match(line):
            if found:
                yield found
            found = match[1], number, [match[2].strip()]
        elif found and line.strip():
            found[2].append(line.strip() if not _ITEM.match(line) else line)
    if found:
        yield found


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
