"""The front matter of a Markdown file: `key: value` between two lines of dashes, in YAML or nearly YAML.

One level is read: texts, lists of texts, and switches by name. Its length and the number of its values are bounded;
front matter that is longer, has more values or is not YAML is read line by line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

from aurora_soar.personas.line_by_line import read_line_by_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FrontMatter", "FrontMatterError", "Given", "Value", "split_front_matter"]

MAX_HEAD: Final = 32_000
"""Characters of front matter that are read; hand-written front matter has some hundreds."""
MAX_VALUES: Final = 2_000

_FENCE: Final = re.compile(r"^---[ \t]*$")
_END: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*$")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
# libyaml's parser keeps its own stack and is some ten times as fast as the one in Python.
_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

Value = str | tuple[str, ...] | dict[str, str] | None
"""A text, a list of texts, or switches by name; None for a shape that no field has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The value of one key.

    Attributes:
        line: counted from 1 in the file.
    """

    value: Value
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """A file's front matter and body.

    Attributes:
        given: values by key as written; of a key that occurs twice, the first.
        body: the text below, without blank lines around it.
        problems: line, key and reason of each problem that did not stop the reading.
    """

    given: Mapping[str, Given]
    body: str
    problems: tuple[tuple[int, str, str], ...]


class FrontMatterError(Exception):
    """A text without readable front matter.

    Attributes:
        line: counted from 1.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(reason)


def split_front_matter(text: str) -> FrontMatter:
    """Returns a text's front matter and body.

    Raises:
        FrontMatterError: the front matter is missing, does not end, or is not a mapping.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise FrontMatterError(1, "is empty")
    if not _FENCE.match(lines[start]):
        raise FrontMatterError(start + 1, "has no front matter; start the file with a line `---`")
    end = next((index for index in range(start + 1, len(lines)) if _END.match(lines[index])), None)
    if end is None:
        raise FrontMatterError(start + 1, "has front matter that does not end; close it with a line `---`")
    given, problems = _read(lines[start + 1 : end], first=start + 2)
    return FrontMatter(given=given, body="\n".join(lines[end + 1 :]).strip(), problems=tuple(problems))


def _read(lines: list[str], *, first: int) -> tuple[dict[str, Given], list[tuple[int, str, str]]]:
    text = "\n".join(lines)
    if len(text) > MAX_HEAD:
        beginning = text[:MAX_HEAD].split("\n")
        return _without_yaml(beginning, first, first, f"is longer than {MAX_HEAD // 1000} kB and was cut")
    try:
        return _of_yaml(text, first)
    except _NotShallowError as error:
        return _without_yaml(lines, first, first, error.reason)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "it holds odd characters"
        return _without_yaml(lines, first, first + (mark.line if mark else 0), f"is not valid YAML ({reason})")


def _without_yaml(
    lines: list[str], first: int, line: int, why: str
) -> tuple[dict[str, Given], list[tuple[int, str, str]]]:
    found = read_line_by_line(lines, first)
    given = {key: Given(value=value, line=number) for key, (value, number) in found.items()}
    return given, [(line, "", f"{why}; it was read line by line")]


class _NotShallowError(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def _of_yaml(text: str, first: int) -> tuple[dict[str, Given], list[tuple[int, str, str]]]:
    """Reads the pairs of the outermost mapping.

    Raises:
        FrontMatterError: The front matter is a list or a single text.
        _NotShallowError: The front matter has too many values.
        yaml.YAMLError: The front matter is not YAML.
    """
    events = _counted(text)
    top = next((each for each in events if isinstance(each, (yaml.NodeEvent, yaml.StreamEndEvent))), None)
    if top is None or isinstance(top, yaml.StreamEndEvent):
        return {}, []
    if not isinstance(top, yaml.MappingStartEvent):
        if isinstance(top, yaml.ScalarEvent) and not top.value:
            return {}, []
        raise FrontMatterError(first, "has front matter that is not `key: value` lines")
    given: dict[str, Given] = {}
    problems = []
    anchors: dict[str, str] = {}
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            break
        name = _value(key, events, anchors)
        line = first + (key.start_mark.line if key.start_mark else 0)
        value = _value(next(events), events, anchors)
        if not isinstance(name, str):
            problems.append((line, "", "has a key that is not a word; it was left out"))
        elif name in given:
            problems.append((line, name, f"is given twice; line {given[name].line} is used"))
        else:
            given[name] = Given(value=value, line=line)
    for _ in events:
        pass  # the rest may still show that the front matter is not YAML
    return given, problems


def _counted(text: str) -> Iterator[yaml.Event]:
    for number, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if number > MAX_VALUES:
            raise _NotShallowError(f"has more than {MAX_VALUES:,} values")
        yield event


def _value(event: yaml.Event, events: Iterator[yaml.Event], anchors: dict[str, str]) -> Value:
    """Returns one value; None if it is nested deeper than one level."""
    if not isinstance(event, yaml.CollectionStartEvent):
        return _scalar(event, anchors)
    depth, items, shallow = 1, [], True
    for each in events:
        if isinstance(each, yaml.CollectionStartEvent):
            depth += 1
            shallow = False
        elif isinstance(each, yaml.CollectionEndEvent):
            depth -= 1
            if not depth:
                break
        else:
            items.append(_scalar(each, anchors))
    texts = tuple(each for each in items if each is not None)
    if not shallow or len(texts) < len(items):
        return None
    if isinstance(event, yaml.SequenceStartEvent):
        return texts
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _scalar(event: yaml.Event, anchors: dict[str, str]) -> str | None:
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(event.anchor or "")
    if not isinstance(event, yaml.ScalarEvent):
        return None
    # Escapes in YAML can make halves of characters, which cannot be written down again.
    text = event.value.encode("utf-8", "replace").decode("utf-8")
    text = "" if not event.style and text in _NULLS else text
    if event.anchor:
        anchors[event.anchor] = text
    return text
