"""The languages that are parsed: of each, the grammar and the nodes that define something."""

from __future__ import annotations

from typing import Final

from aurora_core.chunking.grammars import Binding, Form, Grammar
from aurora_core.chunking.grammars import node_types as _of

__all__ = ["GRAMMARS"]

PYTHON: Final = Grammar(
    name="python",
    module="tree_sitter_python",
    functions=_of("function_definition"),
    classes=_of("class_definition"),
    wrappers=_of("decorated_definition"),
)

_SCRIPT_BINDINGS: Final = {
    "variable_declarator": Binding(name=("name",), value=(("value",),)),
    "assignment_expression": Binding(name=("left",), value=(("right",),)),
    "pair": Binding(name=("key",), value=(("value",),), block=True),
}
_SCRIPT_FUNCTIONS: Final = _of("function_declaration generator_function_declaration method_definition")
_SCRIPT_WRAPPERS: Final = _of("export_statement lexical_declaration variable_declaration expression_statement")
_SCRIPT_VALUES: Final = _of("arrow_function function_expression generator_function")
_TYPED_CLASSES: Final = _of("class_declaration abstract_class_declaration interface_declaration enum_declaration")

JAVASCRIPT: Final = Grammar(
    name="javascript",
    module="tree_sitter_javascript",
    functions=_SCRIPT_FUNCTIONS,
    classes=_of("class_declaration"),
    wrappers=_SCRIPT_WRAPPERS,
    bindings={**_SCRIPT_BINDINGS, "field_definition": Binding(name=("property",), value=(("value",),))},
    function_values=_SCRIPT_VALUES,
    class_values=_of("class"),
    calls=_of("call_expression"),
    objects=_of("object"),
)


def _typescript(name: str, entry: str) -> Grammar:
    return Grammar(
        name=name,
        module="tree_sitter_typescript",
        entry=entry,
        functions=_SCRIPT_FUNCTIONS,
        classes=_TYPED_CLASSES,
        types=_of("type_alias_declaration"),
        scopes=_of("internal_module"),
        wrappers=_SCRIPT_WRAPPERS,
        bindings={**_SCRIPT_BINDINGS, "public_field_definition": Binding(name=("name",), value=(("value",),))},
        function_values=_SCRIPT_VALUES,
        class_values=_of("class"),
        calls=_of("call_expression"),
        objects=_of("object"),
    )


TYPESCRIPT: Final = _typescript("typescript", "language_typescript")
TSX: Final = _typescript("tsx", "language_tsx")
GO: Final = Grammar(
    name="go",
    module="tree_sitter_go",
    functions=_of("function_declaration method_declaration"),
    types=_of("type_spec type_alias"),
    wrappers=_of("type_declaration var_declaration"),
    bindings={"var_spec": Binding(name=("name",), value=(("value", "@0"),))},
    function_values=_of("func_literal"),
)
JAVA: Final = Grammar(
    name="java",
    module="tree_sitter_java",
    functions=_of("method_declaration constructor_declaration compact_constructor_declaration"),
    classes=_of(
        "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration"
    ),
    leading=_of("line_comment block_comment"),
)
RUST: Final = Grammar(
    name="rust",
    module="tree_sitter_rust",
    functions=_of("function_item macro_definition"),
    classes=_of("struct_item enum_item trait_item impl_item union_item"),
    types=_of("type_item"),
    constants=_of("const_item static_item"),
    scopes=_of("mod_item"),
    leading=_of("line_comment block_comment attribute_item"),
    names={"impl_item": (("type",),)},
)
_C_TYPES: Final = _of("struct_specifier union_specifier enum_specifier")
C: Final = Grammar(
    name="c",
    module="tree_sitter_c",
    functions=_of("function_definition"),
    classes=_C_TYPES,
    bodied=_C_TYPES,
    wrappers=_of("type_definition"),
    renaming={"type_definition": ("declarator",)},
)
CPP: Final = Grammar(
    name="cpp",
    module="tree_sitter_cpp",
    functions=_of("function_definition"),
    classes=_C_TYPES | _of("class_specifier"),
    types=_of("concept_definition"),
    scopes=_of("namespace_definition"),
    bodied=_C_TYPES | _of("class_specifier"),
    wrappers=_of("template_declaration type_definition"),
    renaming={"type_definition": ("declarator",)},
)
OBJECTIVE_C: Final = Grammar(
    name="objective-c",
    module="tree_sitter_objc",
    functions=_of("function_definition method_definition"),
    classes=_C_TYPES | _of("class_interface class_implementation protocol_declaration"),
    bodied=_C_TYPES,
    wrappers=_of("type_definition implementation_definition"),
    renaming={"type_definition": ("declarator",)},
    names=dict.fromkeys(
        ("method_definition", "class_interface", "class_implementation", "protocol_declaration"), ((":identifier",),)
    ),
    bodies=_of("compound_statement method_declaration implementation_definition"),
)
CSHARP: Final = Grammar(
    name="c#",
    module="tree_sitter_c_sharp",
    functions=_of(
        "method_declaration constructor_declaration destructor_declaration operator_declaration "
        "conversion_operator_declaration local_function_statement"
    ),
    classes=_of("class_declaration interface_declaration struct_declaration record_declaration enum_declaration"),
    types=_of("delegate_declaration"),
    names={"operator_declaration": (("operator",),), "conversion_operator_declaration": (("type",),)},
)
KOTLIN: Final = Grammar(
    name="kotlin",
    module="tree_sitter_kotlin",
    functions=_of("function_declaration secondary_constructor"),
    classes=_of("class_declaration object_declaration"),
    types=_of("type_alias"),
    leading=_of("line_comment block_comment"),
    names={"type_alias": (("type",), (":identifier",))},
    fixed_names={"secondary_constructor": "constructor"},
    bodies=_of("function_body class_body enum_class_body"),
)
SWIFT: Final = Grammar(
    name="swift",
    module="tree_sitter_swift",
    functions=_of("function_declaration init_declaration deinit_declaration"),
    classes=_of("class_declaration protocol_declaration"),
    types=_of("typealias_declaration"),
    leading=_of("comment multiline_comment"),
    fixed_names={"init_declaration": "init", "deinit_declaration": "deinit"},
)
SCALA: Final = Grammar(
    name="scala",
    module="tree_sitter_scala",
    functions=_of("function_definition"),
    classes=_of("class_definition object_definition trait_definition enum_definition package_object"),
    types=_of("type_definition"),
    leading=_of("comment block_comment"),
)
DART: Final = Grammar(
    name="dart",
    module="tree_sitter_dart",
    functions=_of("method_signature function_signature getter_signature setter_signature"),
    classes=_of("class_definition mixin_declaration enum_declaration extension_declaration"),
    types=_of("type_alias"),
    leading=_of("comment documentation_comment annotation"),
    trailing=_of("function_body"),
    names={
        "method_signature": (
            (":function_signature", "name"),
            (":getter_signature", "name"),
            (":setter_signature", "name"),
            (":constructor_signature", "name"),
            (":factory_constructor_signature", ":identifier"),
            (":operator_signature",),
        ),
        "mixin_declaration": ((":identifier",),),
        "type_alias": ((":type_identifier",),),
    },
    bodies=_of("class_body"),
)
RUBY: Final = Grammar(
    name="ruby",
    module="tree_sitter_ruby",
    functions=_of("method singleton_method"),
    classes=_of("class module"),
)
PHP: Final = Grammar(
    name="php",
    module="tree_sitter_php",
    entry="language_php",
    functions=_of("function_definition method_declaration"),
    classes=_of("class_declaration interface_declaration trait_declaration enum_declaration"),
    wrappers=_of("expression_statement"),
    bindings={"assignment_expression": Binding(name=("left",), value=(("right",),))},
    function_values=_of("anonymous_function arrow_function"),
)
BASH: Final = Grammar(name="bash", module="tree_sitter_bash", functions=_of("function_definition"))
LUA: Final = Grammar(
    name="lua",
    module="tree_sitter_lua",
    functions=_of("function_declaration"),
    wrappers=_of("variable_declaration"),
    bindings={
        "assignment_statement": Binding(name=(":variable_list", "@0"), value=((":expression_list", "@0"),)),
        "field": Binding(name=("name",), value=(("value",),), block=True),
    },
    function_values=_of("function_definition"),
)
SQL: Final = Grammar(
    name="sql",
    module="tree_sitter_sql",
    functions=_of("create_function create_procedure create_trigger"),
    types=_of("create_table create_view create_materialized_view create_type create_index"),
    wrappers=_of("statement"),
    leading=_of("comment marginalia"),
    names={
        **dict.fromkeys(
            (
                *("create_function", "create_procedure", "create_trigger", "create_table", "create_view"),
                *("create_materialized_view", "create_type"),
            ),
            ((":object_reference",),),
        ),
        "create_index": (("column",),),
    },
    one_line=True,
)
HCL: Final = Grammar(
    name="hcl",
    module="tree_sitter_hcl",
    types=_of("block"),
    joined={"block": _of("identifier string_lit")},
    bodies=_of("block_start"),
)
ELIXIR: Final = Grammar(
    name="elixir",
    module="tree_sitter_elixir",
    leading=_of("comment unary_operator"),
    clauses=_of("call"),
    names={
        "call": (
            (":arguments", ":binary_operator", "left", "target"),
            (":arguments", ":binary_operator", "left"),
            (":arguments", ":call", "target"),
            (":arguments", "@0"),
        )
    },
    keyword_node="call",
    keywords={
        **dict.fromkeys(("def", "defp", "defmacro", "defmacrop", "defguard", "defdelegate"), Form.FUNCTION),
        **dict.fromkeys(("defmodule", "defprotocol", "defimpl"), Form.CLASS),
    },
    bodies=_of("do_block"),
)
HASKELL: Final = Grammar(
    name="haskell",
    module="tree_sitter_haskell",
    functions=_of("function bind"),
    classes=_of("class instance"),
    types=_of("data_type newtype type_synonym type_family"),
    leading=_of("comment haddock signature pragma"),
    clauses=_of("function bind"),
    one_line=True,
)
JULIA: Final = Grammar(
    name="julia",
    module="tree_sitter_julia",
    functions=_of("function_definition macro_definition"),
    types=_of("struct_definition abstract_definition"),
    scopes=_of("module_definition"),
    leading=_of("line_comment block_comment string_literal"),
    names={
        **dict.fromkeys(
            ("function_definition", "macro_definition"),
            (
                (":signature", ":call_expression", "@0"),
                (":signature", ":where_expression", ":call_expression", "@0"),
                (":signature", ":where_expression", ":typed_expression", ":call_expression", "@0"),
                (":signature", ":typed_expression", ":call_expression", "@0"),
                (":signature", "@0"),
            ),
        ),
        **dict.fromkeys(
            ("struct_definition", "abstract_definition"),
            ((":type_head", ":binary_expression", "@0"), (":type_head", "@0")),
        ),
    },
    bindings={"assignment": Binding(name=("@0", "@0"), value=(("@0",),))},
    function_values=_of("call_expression"),
    one_line=True,
)
ZIG: Final = Grammar(
    name="zig",
    module="tree_sitter_zig",
    functions=_of("function_declaration"),
    bindings={
        "variable_declaration": Binding(
            name=(":identifier",),
            value=((":struct_declaration",), (":enum_declaration",), (":union_declaration",)),
        )
    },
    class_values=_of("struct_declaration enum_declaration union_declaration"),
)
POWERSHELL: Final = Grammar(
    name="powershell",
    module="tree_sitter_powershell",
    functions=_of("function_statement class_method_definition"),
    classes=_of("class_statement"),
    names={
        "function_statement": ((":function_name",),),
        "class_statement": ((":simple_name",),),
        "class_method_definition": ((":simple_name",),),
    },
    bodies=_of("script_block class_property_definition class_method_definition"),
)
GROOVY: Final = Grammar(
    name="groovy",
    module="tree_sitter_groovy",
    functions=_of("method_declaration constructor_declaration function_definition"),
    classes=_of("class_declaration interface_declaration enum_declaration"),
    leading=_of("line_comment block_comment"),
)

GRAMMARS: Final = (
    *(PYTHON, JAVASCRIPT, TYPESCRIPT, TSX, GO, JAVA, RUST, C, CPP, OBJECTIVE_C, CSHARP, KOTLIN, SWIFT, SCALA, DART),
    *(RUBY, PHP, BASH, LUA, SQL, HCL, ELIXIR, HASKELL, JULIA, ZIG, POWERSHELL, GROOVY),
)
