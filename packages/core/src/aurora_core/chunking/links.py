"""The names of other code in a file: imported modules and called functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Naming:
    """The position of a name in nodes of one type: a child of one of these types.

    Attributes:
        field: field of the child; "" for any child.
        plain: child types that are the name itself.
        last: by child type with a path: the field of its last component, and that component's type.
    """

    field: str
    plain: frozenset[str] = frozenset()
    last: Mapping[str, tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """The types of nodes that call and import; `require` is JavaScript's import by a call."""

    calls: Mapping[str, _Naming]
    imports: Mapping[str, _Naming]
    require: bool = False


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


_IDENTIFIER: Final = _of("identifier")
_ANY: Final = _of("*")
_SCRIPT: Final = _Language(
    calls={
        "call_expression": _Naming(
            field="function", plain=_IDENTIFIER, last={"member_expression": ("property", "property_identifier")}
        ),
        "new_expression": _Naming(field="constructor", plain=_IDENTIFIER),
    },
    imports={
        "import_statement": _Naming(field="source", plain=_of("string")),
        "export_statement": _Naming(field="source", plain=_of("string")),
    },
    require=True,
)
_C_FIELDS: Final = {"field_expression": ("field", "field_identifier")}
_INCLUDES: Final = {"preproc_include": _Naming(field="path", plain=_ANY)}
_LANGUAGES: Final[Mapping[str, _Language]] = {
    "python": _Language(
        calls={"call": _Naming(field="function", plain=_IDENTIFIER, last={"attribute": ("attribute", "identifier")})},
        imports={
            "import_statement": _Naming(
                field="name", plain=_of("dotted_name"), last={"aliased_import": ("name", "dotted_name")}
            ),
            "import_from_statement": _Naming(field="module_name", plain=_ANY),
        },
    ),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": _Language(
        calls={
            "call_expression": _Naming(
                field="function", plain=_IDENTIFIER, last={"selector_expression": ("field", "field_identifier")}
            )
        },
        imports={"import_spec": _Naming(field="path", plain=_ANY)},
    ),
    "java": _Language(
        calls={
            "method_invocation": _Naming(field="name", plain=_IDENTIFIER),
            "object_creation_expression": _Naming(field="type", plain=_of("type_identifier")),
        },
        imports={"import_declaration": _Naming(field="", plain=_of("scoped_identifier"))},
    ),
    "rust": _Language(
        calls={
            "call_expression": _Naming(
                field="function",
                plain=_IDENTIFIER,
                last={"scoped_identifier": ("name", "identifier"), "field_expression": ("field", "field_identifier")},
            ),
            "macro_invocation": _Naming(field="macro", plain=_IDENTIFIER),
        },
        imports={
            "use_declaration": _Naming(
                field="argument", plain=_of("scoped_identifier"), last={"scoped_use_list": ("path", "*")}
            ),
            "mod_item": _Naming(field="name", plain=_IDENTIFIER),
        },
    ),
    "c": _Language(
        calls={"call_expression": _Naming(field="function", plain=_IDENTIFIER, last=_C_FIELDS)}, imports=_INCLUDES
    ),
    "cpp": _Language(
        calls={
            "call_expression": _Naming(
                field="function",
                plain=_IDENTIFIER,
                last={**_C_FIELDS, "qualified_identifier": ("name", "identifier")},
            )
        },
        imports=_INCLUDES,
    ),
}


def links_in(root: Node, grammar: Grammar, source: bytes, limit: WorkLimit) -> Links:
    """Returns the links of a parsed file.

    The tree is walked here, because a tree-sitter query takes quadratic time for a broken file.

    Raises:
        TooComplexError: a work limit was exceeded.
    """
    language = _LANGUAGES[grammar.name]
    imports: list[Node] = []
    calls: list[Node] = []
    for node in _nodes(root):
        limit.check()
        if (naming := language.calls.get(node.type)) is not None:
            called = list(_named(node, naming))
            calls += called
            if language.require and called and _text(called[0], source) == "require":
                imports += _required(node)
        if (naming := language.imports.get(node.type)) is not None:
            imports += _named(node, naming)
    return Links(imports=_names(imports, source)[:MAX_IMPORTS], calls=_names(calls, source)[:MAX_CALLS])


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


def _named(node: Node, naming: _Naming) -> Iterator[Node]:
    for child in node.children_by_field_name(naming.field) if naming.field else node.named_children:
        if child.type in naming.plain or naming.plain is _ANY:
            yield child
        elif naming.last and child.type in naming.last:
            name, wanted = naming.last[child.type]
            last = child.child_by_field_name(name)
            if last is not None and wanted in (last.type, "*"):
                yield last


def _required(call: Node) -> Iterator[Node]:
    arguments = call.child_by_field_name("arguments")
    if arguments is not None:
        yield from (child for child in arguments.named_children if child.type == "string")


def _text(node: Node, source: bytes) -> str:
    return source[node.start_byte : min(node.end_byte, node.start_byte + MAX_NAME)].decode("utf-8", "replace")


def _names(nodes: list[Node], source: bytes) -> tuple[str, ...]:
    texts = dict.fromkeys(_text(node, source) for node in sorted(nodes, key=lambda node: node.start_byte))
    names = (text.strip("\"'<>`") for text in texts)
    # A name is a line of a list in the store.
    return tuple(name for name in names if name and "\n" not in name)
