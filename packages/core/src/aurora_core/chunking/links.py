"""What a file of code names of others: the modules it imports and the functions it calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from tree_sitter import Query, QueryCursor

from aurora_core.chunking.grammars import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tree_sitter import Node

    from aurora_core.chunking.grammars import Grammar

__all__ = ["NO_LINKS", "Links", "links_in"]

# More calls than this of one file say little about each.
MAX_CALLS: Final = 300
MAX_IMPORTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Names of other code in a file, each once, in order of their first use.

    Attributes:
        imports: as they are written: `a.b`, `..pkg`, `./part`, `"net/http"`, without quotes.
        calls: the last component of what is called.
    """

    imports: tuple[str, ...]
    calls: tuple[str, ...]


NO_LINKS: Final = Links(imports=(), calls=())

_SCRIPT: Final = """
(call_expression function: [(identifier) @call (member_expression property: (property_identifier) @call)])
(new_expression constructor: (identifier) @call)
(import_statement source: (string) @import)
(export_statement source: (string) @import)
((call_expression function: (identifier) @_require arguments: (arguments (string) @import))
 (#eq? @_require "require"))
"""
_QUERIES: Final[Mapping[str, str]] = {
    "python": """
        (call function: [(identifier) @call (attribute attribute: (identifier) @call)])
        (import_statement name: [(dotted_name) @import (aliased_import name: (dotted_name) @import)])
        (import_from_statement module_name: (_) @import)
    """,
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": """
        (call_expression function: [(identifier) @call (selector_expression field: (field_identifier) @call)])
        (import_spec path: (_) @import)
    """,
    "java": """
        (method_invocation name: (identifier) @call)
        (object_creation_expression type: (type_identifier) @call)
        (import_declaration (scoped_identifier) @import)
    """,
    "rust": """
        (call_expression function: [
            (identifier) @call
            (scoped_identifier name: (identifier) @call)
            (field_expression field: (field_identifier) @call)
        ])
        (macro_invocation macro: (identifier) @call)
        (use_declaration argument: [(scoped_identifier) @import (scoped_use_list path: (_) @import)])
        (mod_item name: (identifier) @import)
    """,
    "c": """
        (call_expression function: [(identifier) @call (field_expression field: (field_identifier) @call)])
        (preproc_include path: (_) @import)
    """,
    "cpp": """
        (call_expression function: [
            (identifier) @call
            (field_expression field: (field_identifier) @call)
            (qualified_identifier name: (identifier) @call)
        ])
        (preproc_include path: (_) @import)
    """,
}


def links_in(root: Node, grammar: Grammar) -> Links:
    """The links of a parsed file."""
    found = QueryCursor(_query(grammar)).captures(root)
    return Links(
        imports=_names(found.get("import", []))[:MAX_IMPORTS],
        calls=_names(found.get("call", []))[:MAX_CALLS],
    )


@cache
def _query(grammar: Grammar) -> Query:
    return Query(language_of(grammar), _QUERIES[grammar.name])


def _names(nodes: list[Node]) -> tuple[str, ...]:
    texts = dict.fromkeys(node.text or b"" for node in sorted(nodes, key=lambda node: node.start_byte))
    names = (text.decode("utf-8", "replace").strip("\"'<>`") for text in texts)
    # A name is a line of a list in the store.
    return tuple(name for name in names if name and "\n" not in name)
