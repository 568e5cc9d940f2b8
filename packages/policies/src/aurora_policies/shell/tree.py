"""Questions to the tree of a script: the name of a statement's command, and whether anything follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.shell.expand import source

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["leaves", "name_of"]

_LEAVING: Final = frozenset({"exit", "return", "continue", "break"})


def leaves(node: Node) -> bool:
    """Tells whether a branch certainly ends the script or the function, so that nothing follows it."""
    if node.type in {"compound_statement", "else_clause", "elif_clause", "subshell"} and node.named_children:
        return node.type != "subshell" and leaves(node.named_children[-1])
    return name_of(node) in _LEAVING


def name_of(node: Node) -> str | None:
    """Returns the name of a simple command, without its redirections; of other statements, their type."""
    name = node.child_by_field_name("name") if node.type == "command" else None
    if name is None and node.type == "redirected_statement":
        body = node.child_by_field_name("body")
        return name_of(body) if body is not None else None
    return source(name) if name is not None else (node.type if node.type != "command" else None)
