"""Code → chunks: each function, method and type by itself, and the runs of lines between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.chunk import Chunk, ChunkKind, SymbolType, split_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from aurora_core.chunking.grammars import Grammar

__all__ = ["chunk_code"]

# A run between definitions with less text than this (a brace, a blank line) is no chunk of its own.
MIN_REMAINDER: Final = 12
# Definitions are looked for this deep; a syntax tree of generated code can be thousands of nodes deep.
MAX_DEPTH: Final = 40
MAX_SIGNATURE: Final = 400
_FUNCTION_VALUES: Final = frozenset({"arrow_function", "function_expression", "generator_function"})


@dataclass(frozen=True, slots=True)
class _Definition:
    """Rows of a definition with what leads to it, counted from 0, both included."""

    first_row: int
    last_row: int
    name: str
    symbol_type: SymbolType
    signature: str
    members: tuple[_Definition, ...]


@dataclass(frozen=True, slots=True)
class _Scope:
    """What encloses a definition: its qualified name, and whether it is a type."""

    name: str
    in_type: bool

    def name_of(self, member: str) -> str:
        member = member.replace("::", ".")
        return f"{self.name}.{member}" if self.name else member


def chunk_code(text: str, root: Node, stem: str, grammar: Grammar) -> list[Chunk]:
    """Chunks that together hold every line that says something, in file order, none twice.

    Args:
        root: the text's syntax tree.
        stem: the file's name without its ending; names what stands outside of definitions.
    """
    definitions = list(_definitions(root, grammar, _Scope("", in_type=False), 0))
    lines = text.split("\n")
    module = _Definition(0, len(lines) - 1, stem, SymbolType.MODULE, "", tuple(definitions))
    chunks = _with_remainders(module, lines)
    return [piece for chunk in sorted(chunks, key=lambda c: c.line_start) for piece in split_long(chunk)]


def _definitions(node: Node, grammar: Grammar, inside: _Scope, depth: int) -> Iterator[_Definition]:
    for child in node.named_children:
        yield from _definitions_at(child, grammar, inside, depth)


def _definitions_at(node: Node, grammar: Grammar, inside: _Scope, depth: int) -> Iterator[_Definition]:
    if depth > MAX_DEPTH:
        return
    if node.type in grammar.functions and _defines(node):
        yield _definition(node, grammar, inside, SymbolType.METHOD if inside.in_type else SymbolType.FUNCTION, ())
    elif node.type in grammar.classes and _has_body(node):
        within = _Scope(inside.name_of(_name(node)), in_type=True)
        members = tuple(_definitions(node, grammar, within, depth + 1))
        yield _definition(node, grammar, inside, SymbolType.CLASS, members)
    elif node.type in grammar.scopes:
        within = _Scope(inside.name_of(_name(node)), in_type=False)
        yield from _definitions(node, grammar, within, depth + 1)
    else:
        yield from _definitions(node, grammar, inside, depth + 1)


def _defines(node: Node) -> bool:
    if node.type != "variable_declarator":
        return True
    value = node.child_by_field_name("value")
    return value is not None and value.type in _FUNCTION_VALUES


def _has_body(node: Node) -> bool:
    return any(node.child_by_field_name(field) is not None for field in ("body", "type", "value"))


def _definition(
    node: Node, grammar: Grammar, inside: _Scope, symbol_type: SymbolType, members: tuple[_Definition, ...]
) -> _Definition:
    outer = _outermost(node, grammar)
    receiver = _receiver(node)
    if receiver:
        symbol_type, inside = SymbolType.METHOD, _Scope(receiver, in_type=True)
    return _Definition(
        first_row=_first_row(outer, grammar),
        last_row=outer.end_point.row - (outer.end_point.column == 0 and outer.end_point.row > outer.start_point.row),
        name=inside.name_of(_name(node)),
        symbol_type=symbol_type,
        signature=_signature(node, grammar),
        members=members,
    )


def _outermost(node: Node, grammar: Grammar) -> Node:
    """The definition with the decorators or keywords that stand around it alone."""
    while node.parent is not None and node.parent.type in grammar.wrappers:
        node = node.parent
    return node


def _first_row(node: Node, grammar: Grammar) -> int:
    """The first row of the comments and attributes that end right above a node."""
    row = node.start_point.row
    before = node.prev_named_sibling
    while before is not None and before.type in grammar.leading and row - before.end_point.row <= 1:
        if before.end_point.row == row and before.start_point.row == row:
            break
        row = min(row, before.start_point.row)
        before = before.prev_named_sibling
    return row


def _name(node: Node) -> str:
    named = node.child_by_field_name("name") or _declared(node) or node.child_by_field_name("type")
    text = (named.text or b"").decode("utf-8", "replace") if named is not None else ""
    return text.split("<")[0].split("\n")[0].strip() or "anonymous"


def _declared(node: Node) -> Node | None:
    """The name inside C's nested declarators, as in `int *(*name)(void)`."""
    declared = node.child_by_field_name("declarator")
    while declared is not None:
        inner = declared.child_by_field_name("declarator") or _only_declarator(declared)
        if inner is None:
            return declared
        declared = inner
    return None


def _only_declarator(node: Node) -> Node | None:
    """What a reference or parenthesised declarator holds; its grammar gives it no field name."""
    if node.type not in ("reference_declarator", "parenthesized_declarator"):
        return None
    return node.named_children[0] if node.named_children else None


def _receiver(node: Node) -> str:
    """The type that a Go method belongs to."""
    receiver = node.child_by_field_name("receiver")
    if receiver is None or receiver.text is None:
        return ""
    return receiver.text.decode("utf-8", "replace").strip("() ").split(" ")[-1].lstrip("*").split("[")[0]


def _signature(node: Node, grammar: Grammar) -> str:
    """A definition up to its body, comments left out, in one line."""
    value = node.child_by_field_name("value")
    body = (value or node).child_by_field_name("body")
    end = body.start_byte if body is not None else node.end_byte
    text, at = b"", node.start_byte
    for comment in _comments(node, grammar, end):
        text += (node.text or b"")[at - node.start_byte : comment.start_byte - node.start_byte]
        at = comment.end_byte
    text += (node.text or b"")[at - node.start_byte : end - node.start_byte]
    return " ".join(text.decode("utf-8", "replace").split())[:MAX_SIGNATURE].rstrip(" {:=")


def _comments(node: Node, grammar: Grammar, end: int) -> Iterator[Node]:
    """Comments inside a node that start before a byte, in order."""
    for child in node.children:
        if child.start_byte >= end:
            return
        if child.type in grammar.leading:
            yield child
        else:
            yield from _comments(child, grammar, end)


def _with_remainders(definition: _Definition, lines: list[str]) -> Iterator[Chunk]:
    """A definition's members, and the runs of its lines that no member has."""
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
