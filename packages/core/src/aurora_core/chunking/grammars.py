"""The languages that are parsed: their files, grammars, and the node types of definitions."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from tree_sitter import Language, Parser

from aurora_core.chunking.limits import TooComplexError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tree_sitter import Tree

    from aurora_core.chunking.limits import WorkLimit

__all__ = ["Grammar", "grammar_for", "language_of", "parsed"]


# A parser asks for the text in slices; only so can it be stopped.
_SLICE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The grammar of a language.

    Attributes:
        name: name of the language, in lower case.
        module: the grammar wheel's module.
        entry: the function of that module that returns the language.
        functions: node types that define something callable.
        classes: node types that define a type, and may contain methods.
        scopes: node types that only qualify the names inside.
        wrappers: node types around a definition that belong to it.
        leading: node types that belong to the definition directly below them.
    """

    name: str
    module: str
    functions: frozenset[str]
    classes: frozenset[str]
    entry: str = "language"
    scopes: frozenset[str] = frozenset()
    wrappers: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset({"comment"})


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


_SCRIPT_FUNCTIONS: Final = _of(
    "function_declaration", "generator_function_declaration", "method_definition", "variable_declarator"
)
_TYPED_CLASSES: Final = _of(
    "class_declaration",
    "abstract_class_declaration",
    "interface_declaration",
    "enum_declaration",
    "type_alias_declaration",
)

PYTHON: Final = Grammar(
    name="python",
    module="tree_sitter_python",
    functions=_of("function_definition"),
    classes=_of("class_definition"),
    wrappers=_of("decorated_definition"),
)
JAVASCRIPT: Final = Grammar(
    name="javascript",
    module="tree_sitter_javascript",
    functions=_SCRIPT_FUNCTIONS,
    classes=_of("class_declaration"),
    wrappers=_of("export_statement", "lexical_declaration", "variable_declaration"),
)
TYPESCRIPT: Final = Grammar(
    name="typescript",
    module="tree_sitter_typescript",
    entry="language_typescript",
    functions=_SCRIPT_FUNCTIONS,
    classes=_TYPED_CLASSES,
    scopes=_of("internal_module"),
    wrappers=_of("export_statement", "lexical_declaration", "variable_declaration"),
)
TSX: Final = Grammar(
    name="tsx",
    module="tree_sitter_typescript",
    entry="language_tsx",
    functions=_SCRIPT_FUNCTIONS,
    classes=_TYPED_CLASSES,
    scopes=_of("internal_module"),
    wrappers=_of("export_statement", "lexical_declaration", "variable_declaration"),
)
GO: Final = Grammar(
    name="go",
    module="tree_sitter_go",
    functions=_of("function_declaration", "method_declaration"),
    classes=_of("type_spec"),
    wrappers=_of("type_declaration"),
)
JAVA: Final = Grammar(
    name="java",
    module="tree_sitter_java",
    functions=_of("method_declaration", "constructor_declaration"),
    classes=_of("class_declaration", "interface_declaration", "enum_declaration", "record_declaration"),
    leading=_of("line_comment", "block_comment"),
)
RUST: Final = Grammar(
    name="rust",
    module="tree_sitter_rust",
    functions=_of("function_item", "macro_definition"),
    classes=_of("struct_item", "enum_item", "trait_item", "impl_item", "union_item"),
    scopes=_of("mod_item"),
    leading=_of("line_comment", "block_comment", "attribute_item"),
)
C: Final = Grammar(
    name="c",
    module="tree_sitter_c",
    functions=_of("function_definition"),
    classes=_of("struct_specifier", "union_specifier", "enum_specifier"),
    wrappers=_of("type_definition"),
)
CPP: Final = Grammar(
    name="cpp",
    module="tree_sitter_cpp",
    functions=_of("function_definition"),
    classes=_of("class_specifier", "struct_specifier", "union_specifier", "enum_specifier"),
    scopes=_of("namespace_definition"),
    wrappers=_of("template_declaration", "type_definition"),
)

_BY_SUFFIX: Final[Mapping[str, Grammar]] = {
    **dict.fromkeys((".py", ".pyi"), PYTHON),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), JAVASCRIPT),
    **dict.fromkeys((".ts", ".mts", ".cts"), TYPESCRIPT),
    ".tsx": TSX,
    ".go": GO,
    ".java": JAVA,
    ".rs": RUST,
    **dict.fromkeys((".c",), C),
    # A header may be either; the C++ grammar reads nearly all of C.
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx"), CPP),
}


def grammar_for(suffix: str) -> Grammar | None:
    """Returns the grammar for a file's suffix (`.py`); None if the file is not code."""
    return _BY_SUFFIX.get(suffix.lower())


@cache
def language_of(grammar: Grammar) -> Language:
    """Returns a language; loading takes milliseconds, so each is loaded on first use."""
    module = importlib.import_module(grammar.module)
    return Language(getattr(module, grammar.entry)())


@cache
def _parser_of(grammar: Grammar) -> Parser:
    return Parser(language_of(grammar))


def parsed(source: bytes, grammar: Grammar, limit: WorkLimit) -> Tree:
    """Returns the syntax tree of a text.

    Raises:
        TooComplexError: a work limit was exceeded.
    """
    parser = _parser_of(grammar)
    try:
        return parser.parse(
            lambda at, _: source[at : at + _SLICE_BYTES], progress_callback=lambda _, __: limit.passed()
        )
    except ValueError as error:
        parser.reset()  # it would go on with this text otherwise
        raise TooComplexError from error
