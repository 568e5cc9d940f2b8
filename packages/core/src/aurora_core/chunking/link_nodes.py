"""The nodes of each language that call and import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.grammars import node_types as _of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.chunking.grammars import Path

__all__ = ["ANY", "LINK_NODES", "LinkNodes", "Naming"]

ANY: Final = frozenset({"*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The position of a name in nodes of one type: a child of one of these types.

    Attributes:
        field: field of the child; "" for any child.
        plain: child types that are the name itself.
        last: by child type with a path: the field of its last component ("" for its last child), and that component's
            type.
        first: True if only the first child can be the name.
    """

    field: str
    plain: frozenset[str] = frozenset()
    last: Mapping[str, tuple[str, str]] | None = None
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkNodes:
    """The types of nodes that call and import.

    Attributes:
        requires: functions whose call is an import.
        arguments: the way from a call to its arguments.
        required: types of arguments that name what such a call imports.
    """

    calls: Mapping[str, Naming] = field(default_factory=dict)
    imports: Mapping[str, Naming] = field(default_factory=dict)
    requires: frozenset[str] = frozenset()
    arguments: Path = ("arguments",)
    required: frozenset[str] = frozenset({"string"})


_IDENTIFIER: Final = _of("identifier")
_SCRIPT: Final = LinkNodes(
    calls={
        "call_expression": Naming(
            field="function", plain=_IDENTIFIER, last={"member_expression": ("property", "property_identifier")}
        ),
        "new_expression": Naming(field="constructor", plain=_IDENTIFIER),
    },
    imports={
        "import_statement": Naming(field="source", plain=_of("string")),
        "export_statement": Naming(field="source", plain=_of("string")),
    },
    requires=_of("require"),
)
_C_FIELDS: Final = {"field_expression": ("field", "field_identifier")}
_INCLUDES: Final = {"preproc_include": Naming(field="path", plain=ANY)}
_JAVA: Final = LinkNodes(
    calls={
        "method_invocation": Naming(field="name", plain=_IDENTIFIER),
        "object_creation_expression": Naming(field="type", plain=_of("type_identifier")),
    },
    imports={"import_declaration": Naming(field="", plain=_of("scoped_identifier"))},
)

LINK_NODES: Final[Mapping[str, LinkNodes]] = {
    "python": LinkNodes(
        calls={"call": Naming(field="function", plain=_IDENTIFIER, last={"attribute": ("attribute", "identifier")})},
        imports={
            "import_statement": Naming(
                field="name", plain=_of("dotted_name"), last={"aliased_import": ("name", "dotted_name")}
            ),
            "import_from_statement": Naming(field="module_name", plain=ANY),
        },
    ),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": LinkNodes(
        calls={
            "call_expression": Naming(
                field="function", plain=_IDENTIFIER, last={"selector_expression": ("field", "field_identifier")}
            )
        },
        imports={"import_spec": Naming(field="path", plain=ANY)},
    ),
    "java": _JAVA,
    "groovy": _JAVA,
    "rust": LinkNodes(
        calls={
            "call_expression": Naming(
                field="function",
                plain=_IDENTIFIER,
                last={"scoped_identifier": ("name", "identifier"), "field_expression": ("field", "field_identifier")},
            ),
            "macro_invocation": Naming(field="macro", plain=_IDENTIFIER),
        },
        imports={
            "use_declaration": Naming(
                field="argument", plain=_of("scoped_identifier"), last={"scoped_use_list": ("path", "*")}
            ),
            "mod_item": Naming(field="name", plain=_IDENTIFIER),
        },
    ),
    "c": LinkNodes(
        calls={"call_expression": Naming(field="function", plain=_IDENTIFIER, last=_C_FIELDS)}, imports=_INCLUDES
    ),
    "cpp": LinkNodes(
        calls={
            "call_expression": Naming(
                field="function",
                plain=_IDENTIFIER,
                last={**_C_FIELDS, "qualified_identifier": ("name", "identifier")},
            )
        },
        imports=_INCLUDES,
    ),
    "objective-c": LinkNodes(
        calls={
            "call_expression": Naming(field="function", plain=_IDENTIFIER, last=_C_FIELDS),
            "message_expression": Naming(field="method", plain=_IDENTIFIER),
        },
        imports={**_INCLUDES, "module_import": Naming(field="path", plain=ANY)},
    ),
    "c#": LinkNodes(
        calls={
            "invocation_expression": Naming(
                field="function", plain=_IDENTIFIER, last={"member_access_expression": ("name", "identifier")}
            ),
            "object_creation_expression": Naming(field="type", plain=_IDENTIFIER),
        },
        imports={"using_directive": Naming(field="", plain=_of("qualified_name identifier"))},
    ),
    "kotlin": LinkNodes(
        calls={
            "call_expression": Naming(
                field="", plain=_IDENTIFIER, last={"navigation_expression": ("", "identifier")}, first=True
            )
        },
        imports={"import": Naming(field="", plain=_of("qualified_identifier"))},
    ),
    "swift": LinkNodes(
        calls={
            "call_expression": Naming(
                field="",
                plain=_of("simple_identifier"),
                last={"navigation_expression": ("suffix", "navigation_suffix")},
                first=True,
            )
        },
        imports={"import_declaration": Naming(field="", plain=_IDENTIFIER)},
    ),
    "scala": LinkNodes(
        calls={
            "call_expression": Naming(
                field="function", plain=_IDENTIFIER, last={"field_expression": ("field", "identifier")}
            ),
            "instance_expression": Naming(field="", plain=_of("type_identifier")),
        },
        imports={"import_declaration": Naming(field="", plain=ANY)},
    ),
    "dart": LinkNodes(imports={"configurable_uri": Naming(field="", plain=_of("uri"))}),
    "ruby": LinkNodes(
        calls={"call": Naming(field="method", plain=_IDENTIFIER)},
        requires=_of("require require_relative load"),
    ),
    "php": LinkNodes(
        calls={
            "function_call_expression": Naming(field="function", plain=_of("name")),
            "member_call_expression": Naming(field="name", plain=_of("name")),
            "scoped_call_expression": Naming(field="name", plain=_of("name")),
            "object_creation_expression": Naming(field="", plain=_of("name")),
        },
        imports={"namespace_use_clause": Naming(field="", plain=_of("qualified_name"))},
    ),
    "bash": LinkNodes(
        calls={"command_name": Naming(field="", plain=_of("word"))},
    ),
    "lua": LinkNodes(
        calls={
            "function_call": Naming(
                field="name",
                plain=_IDENTIFIER,
                last={
                    "dot_index_expression": ("field", "identifier"),
                    "method_index_expression": ("method", "identifier"),
                },
            )
        },
        requires=_of("require"),
    ),
    "elixir": LinkNodes(
        calls={"call": Naming(field="target", plain=_IDENTIFIER, last={"dot": ("right", "identifier")})},
        requires=_of("alias import use require"),
        arguments=(":arguments",),
        required=_of("alias"),
    ),
    "haskell": LinkNodes(
        calls={"apply": Naming(field="function", plain=_of("variable"))},
        imports={"import": Naming(field="module", plain=ANY)},
    ),
    "julia": LinkNodes(
        calls={"call_expression": Naming(field="", plain=_IDENTIFIER, first=True)},
        imports={
            "using_statement": Naming(field="", plain=_IDENTIFIER),
            "selected_import": Naming(field="", plain=_IDENTIFIER, first=True),
        },
    ),
    "zig": LinkNodes(
        calls={
            "call_expression": Naming(
                field="function", plain=_IDENTIFIER, last={"field_expression": ("member", "identifier")}
            )
        },
    ),
    "powershell": LinkNodes(calls={"command": Naming(field="command_name", plain=_of("command_name"))}),
}
