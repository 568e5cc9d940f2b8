"""Sets one value in the text of a YAML file; all else, comments included, stays as it was written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import yaml

from aurora_core.plain_yaml import PlainYamlError, parse_plain_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["YamlEditError", "set_in_yaml"]

_PLAIN: Final = re.compile(r"[A-Za-z_][\w./@+-]*")
"""Texts that need no quotes in any place, unless YAML reads a word such as `yes` in them."""


class YamlEditError(ValueError):
    """A value cannot be set without a change of something else."""


def set_in_yaml(text: str, place: Sequence[str], value: object) -> str:
    """Returns the text with a value set at a place.

    Comments inside of a value that is replaced move above it. The result is read again: if it would differ from the
    original in anything but that value, it is refused.

    Args:
        text: One YAML document, a mapping or empty.
        place: Keys from the top; missing mappings on the way are added.
        value: Texts, numbers, booleans, None, and lists and dicts of them.

    Raises:
        YamlEditError: It cannot be done in this text.
        PlainYamlError: The text is not plain YAML.
    """
    before = parse_plain_yaml(text).value
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    changed = _appended(text, place, value) if root is None else _edited(text, root, place, value)
    try:
        after = parse_plain_yaml(changed)
    except PlainYamlError as error:
        raise YamlEditError("it stands in a form that cannot be changed here; edit the file by hand") from error
    if after.repeated or after.value != _with(before, place, value):
        raise YamlEditError("other settings would change with it; edit the file by hand")
    return changed


def _with(before: object, place: Sequence[str], value: object) -> object:
    """Returns a document with the value set."""
    if not place:
        return value
    inside = before if isinstance(before, dict) else {}
    return {**inside, place[0]: _with(inside.get(place[0]), place[1:], value)}


def _edited(text: str, root: yaml.Node, place: Sequence[str], value: object) -> str:
    at = root
    for depth, name in enumerate(place):
        if isinstance(at, yaml.ScalarNode) and depth and not at.value.strip("~"):  # `memory:` with nothing in it
            key = _key_of(root, place[:depth])
            return _replaced(text, key, at, _nested(place[depth:], value))
        if not isinstance(at, yaml.MappingNode):
            raise YamlEditError(f"{'.'.join(place[:depth]) or 'the file'} holds a value and no settings")
        pair = _pair(at, name)
        if pair is None:
            return _added(text, at, place[depth:], value)
        at = pair[1]
    return _replaced(text, _key_of(root, place), at, value)


def _pair(mapping: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next((pair for pair in mapping.value if pair[0].value == name), None)


def _key_of(root: yaml.Node, place: Sequence[str]) -> yaml.Node:
    at, key = root, root
    for name in place:
        assert isinstance(at, yaml.MappingNode)
        pair = _pair(at, name)
        assert pair is not None
        key, at = pair
    return key


def _nested(place: Sequence[str], value: object) -> object:
    for name in reversed(place):
        value = {name: value}
    return value


def _replaced(text: str, key: yaml.Node, node: yaml.Node, value: object) -> str:
    """Returns the text with another value behind a key."""
    colon = text.find(":", key.end_mark.index)
    if colon < 0 or node.start_mark.index < colon:  # an alias has the marks of its anchor
        raise YamlEditError("it is an alias of another value; edit the file by hand")
    end = max(_end(text, node), colon + 1)
    shown = f"{text[: colon + 1]} {_flow(value)}{text[end:]}"
    comments = list(_comments(text, colon + 1, end))
    if not comments:
        return shown
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    indent = text[start : key.start_mark.index]
    if indent.strip():
        raise YamlEditError("comments stand inside of it; edit the file by hand")
    above = "".join(f"{indent}{comment}{_line_end(text)}" for comment in comments)
    return shown[:start] + above + shown[start:]


def _comments(text: str, start: int, end: int) -> Iterator[str]:
    """Yields the comments between two places: what begins with `#` outside of all scalars."""
    scalars = [
        (token.start_mark.index, token.end_mark.index)
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, yaml.ScalarToken)
    ]
    at = start
    while (at := text.find("#", at, end)) >= 0:
        inside = next((over for begin, over in scalars if begin <= at < over), None)
        if inside is not None:
            at = inside
            continue
        over = min((each for each in (text.find("\n", at, end), end) if each >= 0), default=end)
        yield text[at:over].rstrip()
        at = over


def _added(text: str, mapping: yaml.MappingNode, place: Sequence[str], value: object) -> str:
    """Returns the text with a key added to a mapping, behind its last one."""
    if mapping.flow_style:
        pair = f"{_key(place[0])}: {_flow(_nested(place[1:], value))}"
        if not mapping.value:
            at = mapping.end_mark.index - 1
            return text[:at] + pair + text[at:]
        at = _end(text, mapping.value[-1][1])
        return f"{text[:at]}, {pair}{text[at:]}"
    indent = mapping.value[0][0].start_mark.column
    at = text.find("\n", _end(text, mapping))
    at = len(text) if at < 0 else at - text[:at].endswith("\r")
    line_end = _line_end(text)
    return text[:at] + "".join(f"{line_end}{line}" for line in _block(place, value, indent)) + text[at:]


def _appended(text: str, place: Sequence[str], value: object) -> str:
    line_end = _line_end(text)
    gap = line_end if text and not text.endswith("\n") else ""
    return text + gap + "".join(f"{line}{line_end}" for line in _block(place, value, 0))


def _block(place: Sequence[str], value: object, indent: int) -> Iterator[str]:
    for depth, name in enumerate(place[:-1]):
        yield f"{' ' * (indent + 2 * depth)}{_key(name)}:"
    yield f"{' ' * (indent + 2 * (len(place) - 1))}{_key(place[-1])}: {_flow(value)}"


def _end(text: str, node: yaml.Node) -> int:
    """Returns where a node ends: that of a block at its last value, before comments that follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end = int(node.end_mark.index)
    return int(node.start_mark.index) + len(text[node.start_mark.index : end].rstrip())


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _key(name: str) -> str:
    return name if _is_plain(name) else json.dumps(name, ensure_ascii=False)


def _flow(value: object) -> str:
    """Returns a value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(str(key))}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and parse_plain_yaml(text).value == text
