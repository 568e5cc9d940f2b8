"""Ways through a syntax tree, and the names that its nodes give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from aurora_core.chunking.grammars import Path

__all__ = ["bound_name", "children", "clean_name", "follow", "named_children"]

MAX_NAME: Final = 200
_ARGUMENTS: Final = re.compile(r"(?<=[\w:>])\s*<[^<>]*>")
_UNCLOSED: Final = re.compile(r"(?<=[\w:])\s*<.*", re.DOTALL)
# JavaScript's `[Symbol.iterator]`; Ruby's `[]=` is a name as it is.
_COMPUTED: Final = re.compile(r"\A\[\s*[\"'`]?([\w.$]+)[\"'`]?\s*\]\Z")
_OPERATOR: Final = re.compile(r"\boperator\b(\s*\(\s*\)|[^(]*)")
_MEMBER: Final = re.compile(r"[\w$]+(?:\.[\w$]+)*")
# What a script's definitions are put into is no part of their names.
_HOLDERS: Final = re.compile(r"^(?:module\.exports|exports|this|self|window|globalThis)\.")


def children(node: Node) -> Iterator[Node]:
    """Yields a node's children; a list of them would take more memory than the tree."""
    cursor = node.walk()
    there = cursor.goto_first_child()
    while there:
        if cursor.node is not None:
            yield cursor.node
        there = cursor.goto_next_sibling()


def named_children(node: Node) -> Iterator[Node]:
    """Yields the children that are more than punctuation."""
    return (child for child in children(node) if child.is_named)


def follow(node: Node, path: Path) -> Node | None:
    """Returns the node at the end of a path; None if a step leads nowhere."""
    at: Node | None = node
    for step in path:
        if at is None:
            return None
        if step == "@0":
            at = next(named_children(at), None)
        elif step.startswith(":"):
            at = next((child for child in named_children(at) if child.type == step[1:]), None)
        else:
            at = at.child_by_field_name(step)
    return at


def clean_name(text: str) -> str:
    """Returns a name without type arguments, quotes and sigils, on one line: `Vec<T>::push` → `Vec::push`."""
    operator = _OPERATOR.search(text)
    if operator is not None:
        head, tail = text[: operator.start()], "".join(operator[1].split())
        return (_without_arguments(head) + "operator" + (" " if tail[:1].isalpha() else "") + tail)[:MAX_NAME]
    bare = _without_arguments(text).split("\n")[0].split("{")[0].strip().strip("\"'`$")
    bare = _COMPUTED.sub(r"\1", bare)
    return (bare or text.split("\n", maxsplit=1)[0].strip())[:MAX_NAME]


def _without_arguments(text: str) -> str:
    while "<" in text and (shorter := _ARGUMENTS.sub("", text)) != text:
        text = shorter
    return _UNCLOSED.sub("", text)


def bound_name(text: str) -> str:
    """Returns the name that an assignment gives to a function, "" if none: `Foo.prototype.bar` → `Foo.bar`."""
    text = text.strip("$'\"` \n").replace(".prototype.", ".")
    if text == "module.exports" or not _MEMBER.fullmatch(text):
        return ""
    return _HOLDERS.sub("", text)[:MAX_NAME]
