"""Cuts code into chunks: each function, method and type, and the lines between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType, split_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from aurora_core.chunking.grammars import Grammar
    from aurora_core.chunking.limits import WorkLimit

__all__ = ["chunk_code"]

# A run between definitions with less text than this (a brace, a blank line) is no chunk of its own.
MIN_REMAINDER: Final = 12
# Definitions are looked for this deep; a syntax tree of generated code can be thousands of nodes deep.
MAX_DEPTH: Final = 40
MAX_SIGNATURE: Final = 400
MAX_NAME: Final = 200
# Of a name or a signature, so many bytes are looked at.
MAX_READ: Final = 4_000
_FUNCTION_VALUES: Final = frozenset({"arrow_function", "function_expression", "generator_function"})


@dataclass(frozen=True, slots=True)
class _Definition:
    """The rows of a definition and of the comments and decorators before it, counted from 0, both included."""

    first_row: int
    last_row: int
    name: str
    symbol_type: SymbolType
    signature: str
    members: tuple[_Definition, ...]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The definition around a definition: its qualified name, and True if it is a type."""

    name: str
    in_type: bool

    def name_of(self, member: str) -> str:
        member = member.replace("::", ".")
        return f"{self.name}.{member}" if self.name else member


def chunk_code(text: str, root: Node, stem: str, grammar: Grammar, limit: WorkLimit) -> list[Chunk]:
    """Returns chunks that together hold every line with content once, in file order.

    Args:
        root: the text's syntax tree.
        stem: the file's name without its suffix; names the code outside of definitions.

    Raises:
        TooComplexError: a work limit was exceeded.
    """
    reader = _Reader(text.encode(), grammar, limit)
    definitions = list(reader.definitions(root, _Scope("", in_type=False), 0, None))
    lines = text.split("\n")
    module = _Definition(0, len(lines) - 1, stem, SymbolType.MODULE, "", tuple(definitions))
    chunks = _with_remainders(module, lines)
    return [piece for chunk in sorted(chunks, key=lambda c: c.line_start) for piece in split_long(chunk)]


@dataclass(frozen=True, slots=True)
class _Outer:
    """The first row and the last node around a single definition: decorators, keywords, comments."""

    first_row: int
    node: Node


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the definitions of a tree from the top down, because a node's parents and siblings are slow to find."""

    source: bytes
    grammar: Grammar
    limit: WorkLimit

    def definitions(self, node: Node, inside: _Scope, depth: int, outer: _Outer | None) -> Iterator[_Definition]:
        """Yields the definitions in a node.

        Args:
            outer: the parts around the node, if they belong to a single definition.
        """
        run: tuple[int, int] | None = None
        for child in _named_children(node):
            self.limit.check()
            start, end = child.start_point.row, child.end_point.row
            leads = run is not None and start - run[1] <= 1
            if child.type in self.grammar.leading:
                run = (run[0] if run is not None and leads else start, end)
            else:
                first_row = run[0] if run is not None and leads else start
                yield from self._definitions_at(child, inside, depth, outer or _Outer(first_row, child))
                run = None

    def _definitions_at(self, node: Node, inside: _Scope, depth: int, outer: _Outer) -> Iterator[_Definition]:
        grammar = self.grammar
        if depth > MAX_DEPTH:
            return
        if node.type in grammar.functions and _defines(node):
            symbol_type = SymbolType.METHOD if inside.in_type else SymbolType.FUNCTION
            yield self._definition(node, inside, symbol_type, outer, ())
        elif node.type in grammar.classes and _has_body(node):
            within = _Scope(inside.name_of(self._name(node)), in_type=True)
            members = tuple(self.definitions(node, within, depth + 1, None))
            yield self._definition(node, inside, SymbolType.CLASS, outer, members)
        elif node.type in grammar.scopes:
            within = _Scope(inside.name_of(self._name(node)), in_type=False)
            yield from self.definitions(node, within, depth + 1, None)
        else:
            around = outer if node.type in grammar.wrappers else None
            yield from self.definitions(node, inside, depth + 1, around)

    def _definition(
        self, node: Node, inside: _Scope, symbol_type: SymbolType, outer: _Outer, members: tuple[_Definition, ...]
    ) -> _Definition:
        receiver = self._receiver(node)
        if receiver:
            symbol_type, inside = SymbolType.METHOD, _Scope(receiver, in_type=True)
        end = outer.node.end_point
        return _Definition(
            first_row=outer.first_row,
            last_row=end.row - (end.column == 0 and end.row > outer.node.start_point.row),
            name=inside.name_of(self._name(node)),
            symbol_type=symbol_type,
            signature=self._signature(node),
            members=members,
        )

    def _text(self, start: int, end: int) -> str:
        return self.source[start : min(end, start + MAX_READ)].decode("utf-8", "replace")

    def _name(self, node: Node) -> str:
        named = node.child_by_field_name("name") or self._declared(node) or node.child_by_field_name("type")
        text = self._text(named.start_byte, named.end_byte) if named is not None else ""
        return text.split("<")[0].split("\n")[0].strip()[:MAX_NAME] or "anonymous"

    def _declared(self, node: Node) -> Node | None:
        """Returns the name inside C's nested declarators, as in `int *(*name)(void)`."""
        declared = node.child_by_field_name("declarator")
        while declared is not None:
            self.limit.check()
            inner = declared.child_by_field_name("declarator") or _only_declarator(declared)
            if inner is None:
                return declared
            declared = inner
        return None

    def _receiver(self, node: Node) -> str:
        """Returns the type that a Go method belongs to."""
        receiver = node.child_by_field_name("receiver")
        if receiver is None:
            return ""
        text = self._text(receiver.start_byte, receiver.end_byte)
        return text.strip("() ").split(" ")[-1].lstrip("*").split("[")[0]

    def _signature(self, node: Node) -> str:
        """Returns a definition up to its body, without comments, on one line."""
        value = node.child_by_field_name("value")
        body = (value or node).child_by_field_name("body")
        end = min(body.start_byte if body is not None else node.end_byte, node.start_byte + MAX_READ)
        text, at = "", node.start_byte
        for comment in self._comments(node, end, 0):
            text += self._text(at, comment.start_byte)
            at = comment.end_byte
        text += self._text(at, max(end, at))
        return " ".join(text.split())[:MAX_SIGNATURE].rstrip(" {:=")

    def _comments(self, node: Node, end: int, depth: int) -> Iterator[Node]:
        """Yields the comments inside a node that start before a byte, in order."""
        for child in _children(node):
            self.limit.check()
            if child.start_byte >= end:
                return
            if child.type in self.grammar.leading:
                yield child
            elif depth < MAX_DEPTH:
                yield from self._comments(child, end, depth + 1)


def _children(node: Node) -> Iterator[Node]:
    """Yields a node's children; a list of them would take more memory than the tree."""
    cursor = node.walk()
    there = cursor.goto_first_child()
    while there:
        if cursor.node is not None:
            yield cursor.node
        there = cursor.goto_next_sibling()


def _named_children(node: Node) -> Iterator[Node]:
    return (child for child in _children(node) if child.is_named)


def _defines(node: Node) -> bool:
    if node.type != "variable_declarator":
        return True
    value = node.child_by_field_name("value")
    return value is not None and value.type in _FUNCTION_VALUES


def _has_body(node: Node) -> bool:
    return any(node.child_by_field_name(field) is not None for field in ("body", "type", "value"))


def _only_declarator(node: Node) -> Node | None:
    """Returns the declarator inside a reference or parentheses, for which the grammar has no field name."""
    if node.type not in ("reference_declarator", "parenthesized_declarator"):
        return None
    return next(_named_children(node), None)


def _with_remainders(definition: _Definition, lines: list[str]) -> Iterator[Chunk]:
    """Yields a definition's members, and the runs of its lines outside of members."""
    row = definition.first_row
    last = min(definition.last_row, len(lines) - 1)
    for member in sorted(definition.members, key=lambda m: m.first_row):
        yield from _remainder(definition, lines, row, min(member.first_row - 1, last))
        if member.first_row >= row:
            yield from _with_remainders(member, lines)
        row = max(row, member.last_row + 1)
    yield from _remainder(definition, lines, row, last)


def _remainder(definition: _Definition, lines: list[str], first: int, last: int) -> Iterator[Chunk]:
    while first <= last and not lines[first].strip():
        first += 1
    while last >= first and not lines[last].strip():
        last -= 1
    content = "\n".join(lines[first : last + 1])
    own = definition.symbol_type is not SymbolType.MODULE and first == definition.first_row
    if len(content.strip()) < MIN_REMAINDER and not own:
        return
    yield Chunk(
        kind=ChunkKind.CODE,
        symbol_type=definition.symbol_type,
        name=definition.name,
        line_start=first + 1,
        line_end=last + 1,
        content=content,
        signature=definition.signature,
    )
