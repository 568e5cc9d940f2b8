"""Cuts code into chunks: each function, method, type and constant, and the lines between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.chunk import MAX_LINES, Chunk, ChunkKind, SymbolType, split_long
from aurora_core.chunking.grammars import Form
from aurora_core.chunking.nodes import bound_name, children, clean_name, follow, named_children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tree_sitter import Node

    from aurora_core.chunking.grammars import Binding, Grammar
    from aurora_core.chunking.limits import WorkLimit

__all__ = ["chunk_code"]

# A run between definitions with less text than this (a brace, a blank line) is no chunk of its own, unless it gives a
# name its value: `LIMIT = 5` may be what somebody looks for.
MIN_REMAINDER: Final = 12
_ASSIGNS: Final = re.compile(r"\w\s*:?=(?![=>])")
# Definitions are looked for this deep; a syntax tree of generated code can be thousands of nodes deep.
MAX_DEPTH: Final = 40
MAX_SIGNATURE: Final = 400
# Of a name or a signature, so many bytes are looked at.
MAX_READ: Final = 4_000
# A line with several definitions is part of each of them, unless it is longer than people write.
MAX_SHARED_LINE: Final = 400
_BLOCKS: Final = frozenset({"statement_block", "block"})
_NAMED_CALLEES: Final = frozenset({"identifier", "member_expression", "call_expression"})


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
        member = member.replace("::", ".").replace(":", ".") or "anonymous"
        return f"{self.name}.{member}" if self.name else member


def chunk_code(text: str, root: Node, stem: str, grammar: Grammar, limit: WorkLimit) -> list[Chunk]:
    """Returns chunks that together hold every line with content, in file order.

    A line is in one chunk only, except for a short line that several definitions share.

    Args:
        root: the text's syntax tree.
        stem: the file's name without its suffix; names the code outside of definitions.

    Raises:
        TooComplexError: a work limit was exceeded.
    """
    reader = _Reader(text.encode(), grammar, grammar.forms(), limit)
    definitions = reader.definitions(root, _Scope("", in_type=False), 0, None)
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
    forms: Mapping[str, Form]
    limit: WorkLimit

    def definitions(
        self, node: Node, inside: _Scope, depth: int, outer: _Outer | None, lead: int | None = None
    ) -> list[_Definition]:
        """Returns the definitions in a node.

        Args:
            outer: the parts around the node, if they belong to a single definition.
            lead: the first row of the comments directly above the node; they belong to what it begins with.
        """
        grammar = self.grammar
        found: list[_Definition] = []
        run: tuple[int, int] | None = None
        before = ""  # the type of the node that the last definition came from, if nothing has come since
        for child in named_children(node):
            self.limit.check()
            kind = child.type
            start, end = child.start_point.row, child.end_point.row
            if lead is not None and child.start_byte == node.start_byte:
                run = (lead, start)
            leads = run is not None and start - run[1] <= 1
            if kind in grammar.leading:
                run = (run[0] if run is not None and leads else start, end)
                continue
            if kind in grammar.trailing and before:
                found[-1] = replace(found[-1], last_row=max(found[-1].last_row, _last_row(child)))
                before, run = "", None
                continue
            first_row = run[0] if run is not None and leads else start
            inner = self._definitions_at(child, inside, depth, outer or _Outer(first_row, child))
            if inner and before == kind in grammar.clauses and _continues(found[-1], inner):
                found[-1] = replace(found[-1], last_row=inner[0].last_row)
            else:
                found += inner
            before, run = (kind if len(inner) == 1 else ""), None
        return found

    def _definitions_at(self, node: Node, inside: _Scope, depth: int, outer: _Outer) -> list[_Definition]:
        if depth > MAX_DEPTH:
            return []
        form = self.forms.get(node.type)
        if form is Form.KEYWORD:
            form = self._keyword(node)
        if form is Form.BINDING:
            return self._bound(node, inside, depth, outer)
        if form is None or (node.type in self.grammar.bodied and not _has_body(node)):
            around = outer if node.type in self.grammar.wrappers and self._wraps_one(node) else None
            return self.definitions(node, inside, depth + 1, around, outer.first_row)
        if form is Form.SCOPE:
            within = _Scope(inside.name_of(self._name(node)), in_type=False)
            return self.definitions(node, within, depth + 1, None)
        return [self._definition(node, form, inside, outer, name=self._named(node, outer), depth=depth)]

    def _keyword(self, node: Node) -> Form | None:
        target = node.child_by_field_name("target")
        return self.grammar.keywords.get(self._read(target)) if target is not None else None

    def _wraps_one(self, node: Node) -> bool:
        """Returns False for a wrapper of several definitions, as Go's `type ( … )`: none of them is all of it."""
        return sum(child.type in self.forms for child in named_children(node)) <= 1

    def _bound(self, node: Node, inside: _Scope, depth: int, outer: _Outer) -> list[_Definition]:
        """Returns what a value that is bound to a name defines."""
        binding = self.grammar.bindings[node.type]
        value = next(filter(None, (follow(node, path) for path in binding.value)), None)
        named = follow(node, binding.name)
        name = bound_name(self._read(named)) if named is not None else ""
        if not name and value is not None and value.type in self.grammar.class_values:
            name = self._name(value)  # `module.exports = class Name`
        form = self._form_of_value(binding, value) if value is not None and name else None
        if value is not None and form is not None:
            return [self._definition(node, form, inside, outer, name=name, depth=depth, value=value)]
        if value is not None and name and value.type in self.grammar.objects and not binding.block:
            return self.definitions(value, _Scope(inside.name_of(name), in_type=False), depth + 1, None)
        return self.definitions(node, inside, depth + 1, None)

    def _form_of_value(self, binding: Binding, value: Node) -> Form | None:
        grammar = self.grammar
        if value.type in grammar.class_values:
            return Form.CLASS
        if value.type in grammar.function_values:
            body = value.child_by_field_name("body")
            return Form.FUNCTION if not binding.block or (body is not None and body.type in _BLOCKS) else None
        if not binding.block and value.type in grammar.calls and self._makes_function(value, 0):
            return Form.FUNCTION
        return None

    def _makes_function(self, call: Node, depth: int) -> bool:
        """Returns True for a call by name with a function among its arguments: `React.memo(() => …)`.

        A call of a value's method (`items.map(…)`) gives no function.
        """
        callee = call.child_by_field_name("function")
        arguments = call.child_by_field_name("arguments")
        if callee is None or arguments is None or callee.type not in _NAMED_CALLEES or depth > MAX_DEPTH:
            return False
        if callee.type == "member_expression" and not self._read(callee)[:1].isupper():
            return False
        return any(
            argument.type in self.grammar.function_values
            or (argument.type in self.grammar.calls and self._makes_function(argument, depth + 1))
            for argument in named_children(arguments)
        )

    def _definition(
        self,
        node: Node,
        form: Form,
        inside: _Scope,
        outer: _Outer,
        *,
        name: str,
        depth: int,
        value: Node | None = None,
    ) -> _Definition:
        """Returns a definition with its members.

        Args:
            value: the value that the node binds to the name, if it does.
        """
        receiver = self._receiver(node)
        if receiver:
            inside = _Scope(receiver, in_type=True)
        full = inside.name_of(name)
        last_row = _last_row(outer.node)
        return _Definition(
            first_row=outer.first_row,
            last_row=last_row,
            name=full,
            symbol_type=_symbol_type(form, inside),
            signature=self._signature(node, value),
            members=self._members(value or node, full, form, depth, last_row - outer.first_row + 1),
        )

    def _members(self, node: Node, name: str, form: Form, depth: int, rows: int) -> tuple[_Definition, ...]:
        """Returns what is defined inside a type, or inside a function that is longer than a chunk."""
        if form is Form.CLASS:
            return tuple(self.definitions(node, _Scope(name, in_type=True), depth + 1, None))
        if form is Form.FUNCTION and rows > MAX_LINES:
            return tuple(self.definitions(node, _Scope(name, in_type=False), depth + 1, None))
        return ()

    def _text(self, start: int, end: int) -> str:
        return self.source[start : min(end, start + MAX_READ)].decode("utf-8", "replace")

    def _read(self, node: Node) -> str:
        return self._text(node.start_byte, node.end_byte)

    def _named(self, node: Node, outer: _Outer) -> str:
        """Returns the name of a definition; one that its wrapper gives comes first."""
        path = self.grammar.renaming.get(outer.node.type)
        given = follow(outer.node, path) if path else None
        return clean_name(self._read(self._declared(given))) if given is not None else self._name(node)

    def _name(self, node: Node) -> str:
        grammar = self.grammar
        if parts := grammar.joined.get(node.type):
            texts = (self._read(child).strip('"') for child in named_children(node) if child.type in parts)
            return clean_name(".".join(texts))
        if fixed := grammar.fixed_names.get(node.type):
            return fixed
        paths = grammar.names.get(node.type, (("name",),))
        named = next(filter(None, (follow(node, path) for path in paths)), None)
        declarator = node.child_by_field_name("declarator")
        if named is None and declarator is not None:
            named = self._declared(declarator)
        return clean_name(self._read(named)) if named is not None else ""

    def _declared(self, declared: Node) -> Node:
        """Returns the name inside C's nested declarators, as in `int *(*name)(void)`."""
        while declared.type != "operator_cast":
            self.limit.check()
            inner = declared.child_by_field_name("declarator") or _only_declarator(declared)
            if inner is None:
                break
            declared = inner
        return declared

    def _receiver(self, node: Node) -> str:
        """Returns the type that a Go method belongs to."""
        receiver = node.child_by_field_name("receiver")
        if receiver is None:
            return ""
        return self._read(receiver).strip("() ").split(" ")[-1].lstrip("*").split("[")[0]

    def _signature(self, node: Node, value: Node | None) -> str:
        """Returns a definition up to its body, without comments, on one line."""
        holder = value or node.child_by_field_name("value") or node
        body = holder.child_by_field_name("body") or self._body(holder)
        end = min(body.start_byte if body is not None else node.end_byte, node.start_byte + MAX_READ)
        if body is None and self.grammar.one_line:
            line_end = self.source.find(b"\n", node.start_byte, end)
            end = line_end if line_end >= 0 else end
        text, at = "", node.start_byte
        for comment in self._comments(node, end, 0):
            text += self._text(at, comment.start_byte)
            at = comment.end_byte
        text += self._text(at, max(end, at))
        return " ".join(text.split())[:MAX_SIGNATURE].rstrip(" {:=")

    def _body(self, node: Node) -> Node | None:
        bodies = self.grammar.bodies
        return next((child for child in named_children(node) if child.type in bodies), None) if bodies else None

    def _comments(self, node: Node, end: int, depth: int) -> Iterator[Node]:
        """Yields the comments inside a node that start before a byte, in order."""
        for child in children(node):
            self.limit.check()
            if child.start_byte >= end:
                return
            if child.type in self.grammar.leading:
                yield child
            elif depth < MAX_DEPTH:
                yield from self._comments(child, end, depth + 1)


def _symbol_type(form: Form, inside: _Scope) -> SymbolType:
    if form is Form.FUNCTION:
        return SymbolType.METHOD if inside.in_type else SymbolType.FUNCTION
    return SymbolType.CONSTANT if form is Form.CONSTANT else SymbolType.CLASS


def _last_row(node: Node) -> int:
    """Returns the last row with text of a node; some nodes end at the start of the next row."""
    end = node.end_point
    return end.row - (end.column == 0 and end.row > node.start_point.row)


def _continues(before: _Definition, found: list[_Definition]) -> bool:
    """Returns True if a definition is one more clause of the one before it."""
    same = len(found) == 1 and (found[0].name, found[0].symbol_type) == (before.name, before.symbol_type)
    return same and not before.members and not found[0].members


def _has_body(node: Node) -> bool:
    return node.child_by_field_name("body") is not None


def _only_declarator(node: Node) -> Node | None:
    """Returns the declarator inside a reference or parentheses, for which the grammar has no field name."""
    if node.type not in ("reference_declarator", "parenthesized_declarator"):
        return None
    return next(named_children(node), None)


def _with_remainders(definition: _Definition, lines: list[str]) -> Iterator[Chunk]:
    """Yields a definition's members, and the runs of its lines outside of members."""
    row = definition.first_row
    last = min(definition.last_row, len(lines) - 1)
    for member in sorted(definition.members, key=lambda m: m.first_row):
        yield from _remainder(definition, lines, row, min(member.first_row - 1, last))
        if member.first_row >= row or _shared(member.first_row, row - 1, lines):
            yield from _with_remainders(member, lines)
        row = max(row, member.last_row + 1)
    yield from _remainder(definition, lines, row, last)


def _shared(row: int, last_taken: int, lines: list[str]) -> bool:
    """Returns True if a definition begins in a line of the one before it that is short enough to be in both."""
    return row == last_taken and len(lines[row]) <= MAX_SHARED_LINE


def _remainder(definition: _Definition, lines: list[str], first: int, last: int) -> Iterator[Chunk]:
    own = definition.symbol_type is not SymbolType.MODULE and first == definition.first_row
    if own and last < first:
        # The first member shares the line that names the type.
        last = first
        if len(lines[first]) > MAX_SHARED_LINE:
            return
    while first <= last and not lines[first].strip():
        first += 1
    while last >= first and not lines[last].strip():
        last -= 1
    content = "\n".join(lines[first : last + 1])
    is_short = len(content.strip()) < MIN_REMAINDER and not _ASSIGNS.search(content)
    if last < first or (is_short and not own):
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
