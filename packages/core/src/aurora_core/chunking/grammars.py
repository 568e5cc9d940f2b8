"""Grammars as data: which nodes of a syntax tree define something, and how a text is parsed."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from tree_sitter import Language, Parser

from aurora_core.chunking.limits import TooComplexError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tree_sitter import Tree

    from aurora_core.chunking.limits import WorkLimit

__all__ = ["Binding", "Form", "Grammar", "Path", "language_of", "node_types", "parsed"]

# A parser asks for the text in slices; only so can it be stopped.
_SLICE_BYTES: Final = 65_536

Path: TypeAlias = tuple[str, ...]
"""The way from a node to one inside it. A step is a field, `:type` for the first child of a type, or `@0` for the
first named child."""


class Form(Enum):
    """The part of nodes of one type in the definitions of a file."""

    FUNCTION = "function"
    CLASS = "class"
    TYPE = "type"
    CONSTANT = "constant"
    SCOPE = "scope"
    BINDING = "binding"
    KEYWORD = "keyword"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Nodes that give a name to a value, which may be a function or a type: `f = function () {}`.

    Attributes:
        name: the way to the name.
        value: the ways to the value; the first that leads anywhere counts.
        block: True if only a function with a block for its body counts; `{ onClick: () => go() }` defines nothing.
    """

    name: Path
    value: tuple[Path, ...]
    block: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The grammar of a language.

    Attributes:
        name: name of the language, in lower case.
        module: the grammar wheel's module.
        entry: the function of that module that returns the language.
        functions: node types that define something callable.
        classes: node types that define a type, and may contain methods.
        types: node types that define a type without members of their own.
        constants: node types that define a value.
        scopes: node types that only qualify the names inside.
        bodied: of these types, those that define something only if they have a body.
        wrappers: node types around a definition that belong to it.
        renaming: by wrapper, the way to the name of what it wraps: C's `typedef struct {} name`.
        leading: node types that belong to the definition directly below them.
        trailing: node types that belong to the definition directly above them.
        clauses: node types of which several in a row with one name are one definition.
        names: by node type, the ways to its name, where it is not the field `name`.
        fixed_names: by node type, the name of what never has one of its own.
        joined: by node type, types of children whose texts make up its name.
        bindings: by node type; the values that count are in `function_values` and `class_values`.
        calls: types of values that are calls: one with a function among its arguments defines a function, as in
            `memo(function () {})`.
        objects: types of values whose members are qualified by the name that the value is bound to.
        keywords: what a node of type `keyword_node` defines, by the text of its field `target`.
        bodies: types of children that end a signature, where there is no field `body`.
        one_line: True if a signature is one line, because no node tells where it ends.
    """

    name: str
    module: str
    functions: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    entry: str = "language"
    types: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    bodied: frozenset[str] = frozenset()
    wrappers: frozenset[str] = frozenset()
    renaming: Mapping[str, Path] = field(default_factory=dict)
    leading: frozenset[str] = frozenset({"comment"})
    trailing: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    names: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    fixed_names: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, frozenset[str]] = field(default_factory=dict)
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    function_values: frozenset[str] = frozenset()
    class_values: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    keyword_node: str = ""
    keywords: Mapping[str, Form] = field(default_factory=dict)
    bodies: frozenset[str] = frozenset()
    one_line: bool = False

    def forms(self) -> Mapping[str, Form]:
        """Returns what nodes of each type are; types that are missing are looked into."""
        parts = (
            (self.scopes, Form.SCOPE),
            (self.constants, Form.CONSTANT),
            (self.types, Form.TYPE),
            (self.classes, Form.CLASS),
            (self.functions, Form.FUNCTION),
            (self.bindings, Form.BINDING),
            (frozenset({self.keyword_node} - {""}), Form.KEYWORD),
        )
        return {node_type: form for types, form in parts for node_type in types}


def node_types(text: str) -> frozenset[str]:
    """Returns the node types in a text, separated by white space."""
    return frozenset(text.split())


@cache
def _language(module: str, entry: str) -> Language:
    return Language(getattr(importlib.import_module(module), entry)())


def language_of(grammar: Grammar) -> Language:
    """Returns a language; loading takes milliseconds, so each is loaded on first use."""
    return _language(grammar.module, grammar.entry)


class _Parsers(threading.local):
    """The parsers of a thread, by language: two threads in one parser crash the process."""

    def __init__(self) -> None:
        self.by_language: dict[Language, Parser] = {}


_PARSERS: Final = _Parsers()


def _parser(language: Language) -> Parser:
    parser = _PARSERS.by_language.get(language)
    if parser is None:
        parser = _PARSERS.by_language[language] = Parser(language)
    return parser


def parsed(source: bytes, grammar: Grammar, limit: WorkLimit) -> Tree:
    """Returns the syntax tree of a text.

    Raises:
        TooComplexError: a work limit was exceeded.
    """
    parser = _parser(language_of(grammar))
    # Each slice is kept by the binding for good, and a scanner that asks for its column reads a line again and again:
    # a view is as small for a long slice as for a short one.
    view = memoryview(source)
    stopped = False

    def slice_at(at: int, _: object) -> bytes | memoryview:
        # While a parser recovers from errors it seldom reports progress.
        nonlocal stopped
        stopped = stopped or limit.passed()
        return b"" if stopped else view[at : at + _SLICE_BYTES]

    try:
        tree = parser.parse(slice_at, progress_callback=lambda _, __: limit.passed())
    except ValueError as error:
        stopped = True
        raise TooComplexError from error
    finally:
        if stopped:
            _PARSERS.by_language.clear()  # it would go on with this text otherwise, and keeps its memory
    if stopped:
        raise TooComplexError
    return tree
