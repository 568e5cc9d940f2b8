"""The names of other code in a file: imported modules and called functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.link_nodes import ANY, LINK_NODES, LinkNodes, Naming
from aurora_core.chunking.nodes import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node

    from aurora_core.chunking.grammars import Grammar
    from aurora_core.chunking.limits import WorkLimit

__all__ = ["NO_LINKS", "Links", "joined_links", "links_in"]

# More calls than this of one file say little about each.
MAX_CALLS: Final = 300
MAX_IMPORTS: Final = 200
MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The names of other code in a file, each once, in order of first use.

    Attributes:
        imports: as written: `a.b`, `..pkg`, `./part`, `"net/http"`, without quotes.
        calls: last components of called names.
    """

    imports: tuple[str, ...]
    calls: tuple[str, ...]


NO_LINKS: Final = Links(imports=(), calls=())


def links_in(root: Node, grammar: Grammar, source: bytes, limit: WorkLimit) -> Links:
    """Returns the links of a parsed file.

    The tree is walked here, because a tree-sitter query takes quadratic time for a broken file.

    Raises:
        TooComplexError: a work limit was exceeded.
    """
    language = LINK_NODES.get(grammar.name)
    if language is None:
        return NO_LINKS
    imports: list[Node] = []
    calls: list[Node] = []
    for node in _nodes(root):
        limit.check()
        if (naming := language.calls.get(node.type)) is not None:
            called = [name for name in _named(node, naming) if _text(name, source) not in grammar.keywords]
            calls += called
            if called and _text(called[0], source) in language.requires:
                imports += _required(node, language)
        if (naming := language.imports.get(node.type)) is not None:
            imports += _named(node, naming)
    return Links(imports=_names(imports, source)[:MAX_IMPORTS], calls=_called(calls, source)[:MAX_CALLS])


def joined_links(parts: Sequence[Links]) -> Links:
    """Returns the links of several parts of a file together."""
    return Links(
        imports=tuple(dict.fromkeys(name for part in parts for name in part.imports))[:MAX_IMPORTS],
        calls=tuple(dict.fromkeys(name for part in parts for name in part.calls))[:MAX_CALLS],
    )


def _nodes(root: Node) -> Iterator[Node]:
    """Yields every named node from the top down; a tree may be deeper than Python's stack."""
    cursor = root.walk()
    while True:
        node = cursor.node
        if node is not None and node.is_named:
            yield node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _named(node: Node, naming: Naming) -> Iterator[Node]:
    for child in node.children_by_field_name(naming.field) if naming.field else node.named_children:
        if child.type in naming.plain or naming.plain is ANY:
            yield child
        elif naming.last and child.type in naming.last:
            name, wanted = naming.last[child.type]
            last = child.child_by_field_name(name) if name else child.named_children[-1]
            if last is not None and wanted in (last.type, "*"):
                yield last
        if naming.first:
            return


def _required(call: Node, language: LinkNodes) -> Iterator[Node]:
    """Yields the arguments of a call that imports."""
    arguments = follow(call, language.arguments)
    for child in () if arguments is None else (arguments, *arguments.named_children):
        if child.type in language.required:
            yield child


def _text(node: Node, source: bytes) -> str:
    return source[node.start_byte : min(node.end_byte, node.start_byte + MAX_NAME)].decode("utf-8", "replace")


def _names(nodes: list[Node], source: bytes) -> tuple[str, ...]:
    texts = dict.fromkeys(_text(node, source) for node in sorted(nodes, key=lambda node: node.start_byte))
    names = (text.strip("\"'<>`") for text in texts)
    # A name is a line of a list in the store.
    return tuple(name for name in names if name and "\n" not in name)


def _called(nodes: list[Node], source: bytes) -> tuple[str, ...]:
    return tuple(filter(None, dict.fromkeys(name.lstrip(".") for name in _names(nodes, source))))
