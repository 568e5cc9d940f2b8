"""Loops without an end that start programs in the background, until the machine can start no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.shell.expand import source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["piles_up"]

_ALWAYS: Final = re.compile(
    r"(/usr)?(/bin/)?true|:|\[\[?\s+[\"']?(1|true)[\"']?\s+\]\]?|test\s+(1|true)|\(\(\s*[1-9]\d*\s*\)\)"
)
_NEVER: Final = re.compile(r"(/usr)?(/bin/)?false|\[\[?\s+\]\]?|\(\(\s*0\s*\)\)")
_SLOWS: Final = frozenset({"wait", "sleep", "read"})
"""Commands that hold a loop up, if they stand in it as they are."""
_ENDS: Final = frozenset({"break", "exit", "return", "exec"})


def piles_up(loop: Node) -> bool:
    """Tells whether a loop has no end and starts a program in the background in each turn, and waits for none."""
    body = loop.child_by_field_name("body")
    if body is None or not _endless(loop):
        return False
    inside = {_name(node) for node in _below(body)}
    if inside & _ENDS or not any(map(_starts_in_background, (body, *_below(body)))):
        return False
    waits = any(_holds_up(child) for child in body.named_children if not _in_background(child))
    reaped = "disown" not in inside and not any(map(_escapes, body.named_children))
    return not (waits and reaped)


def _endless(loop: Node) -> bool:
    if loop.type == "c_style_for_statement":
        condition = loop.child_by_field_name("condition")
        return condition is None or _always(source(condition))
    conditions = [node for node in loop.children_by_field_name("condition") if node.is_named]
    if len(conditions) != 1 or not loop.children:
        return False
    text = source(conditions[0]).strip()
    return _always(text) if loop.children[0].type == "while" else _NEVER.fullmatch(text) is not None


def _always(text: str) -> bool:
    return not text.strip() or text.strip().isdigit() or _ALWAYS.fullmatch(text.strip()) is not None


def _below(node: Node) -> Iterator[Node]:
    for child in node.named_children:
        if child.type != "function_definition":
            yield child
            yield from _below(child)


def _starts_in_background(node: Node) -> bool:
    return any(child.type == "&" for child in node.children)


def _in_background(node: Node) -> bool:
    following = node.next_sibling
    return following is not None and following.type == "&"


def _holds_up(node: Node) -> bool:
    """Tells whether a statement waits; a subshell waits for what it has started itself."""
    starts = any(map(_starts_in_background, (node, *_below(node))))
    return starts and _reaps(node) if node.type == "subshell" else _name(node) in _SLOWS


def _reaps(subshell: Node) -> bool:
    return any(_name(child) == "wait" and not _in_background(child) for child in subshell.named_children)


def _escapes(node: Node) -> bool:
    """Tells whether a subshell leaves a program behind, which the loop cannot wait for."""
    started = any(map(_starts_in_background, (node, *_below(node))))
    return node.type == "subshell" and started and not _reaps(node)


def _name(node: Node) -> str:
    name = node.child_by_field_name("name") if node.type == "command" else None
    return source(name) if name is not None else ""
