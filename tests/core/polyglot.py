"""A small program in each of many languages: `quagga_LANGUAGE` is a word in it, and its definitions are known."""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """A file and what it defines, as (type, name, first line, last line)."""

    file: str
    text: str
    defines: tuple[Place, ...]


def _sample(file: str, text: str, *defines: Place) -> Sample:
    return Sample(file, text.removeprefix("\n"), defines)


PARSED = (
    _sample(
        "shop.py",
        "\nimport os\n\n\n# quagga_python\ndef add_py(a):\n    return a\n\n\nclass CartPy:\n    def put(self):\n"
        "        pass\n",
        ("function", "add_py", 4, 6),
        ("class", "CartPy", 9, 9),
        ("method", "CartPy.put", 10, 11),
    ),
    _sample(
        "shop.js",
        "\n// quagga_javascript\nfunction addJs(a) {\n  return a;\n}\n",
        ("function", "addJs", 1, 4),
    ),
    _sample(
        "shop.ts",
        "\n// quagga_typescript\nexport function addTs(a: number): number {\n  return a;\n}\n",
        ("function", "addTs", 1, 4),
    ),
    _sample(
        "shop.tsx",
        "\n// quagga_tsx\nexport const AddTsx = (p: P) => {\n  return <b>{p.x}</b>;\n};\n",
        ("function", "AddTsx", 1, 4),
    ),
    _sample(
        "shop.go",
        "\npackage shop\n\n// quagga_go\nfunc AddGo(a int) int {\n\treturn a\n}\n",
        ("function", "AddGo", 3, 6),
    ),
    _sample(
        "Shop.java",
        "\nclass ShopJava {\n  // quagga_java\n  int addJava(int a) { return a; }\n}\n",
        ("class", "ShopJava", 1, 1),
        ("method", "ShopJava.addJava", 2, 3),
    ),
    _sample("shop.rs", "\n/// quagga_rust\npub fn add_rs(a: u8) -> u8 {\n    a\n}\n", ("function", "add_rs", 1, 4)),
    _sample("shop.c", "\n/* quagga_c */\nint add_c(int a) {\n  return a;\n}\n", ("function", "add_c", 1, 4)),
    _sample("shop.cpp", "\n// quagga_cpp\nint add_cpp(int a) {\n  return a;\n}\n", ("function", "add_cpp", 1, 4)),
    _sample(
        "Shop.m",
        '\n#import "Shop.h"\n\n@interface ShopObjc : NSObject\n- (int)addObjc:(int)a with:(int)b;\n@end\n\n'
        "@implementation ShopObjc\n// quagga_objc\n- (int)addObjc:(int)a with:(int)b {\n  return a + b;\n}\n@end\n",
        ("class", "ShopObjc", 3, 5),
        ("method", "ShopObjc.addObjc", 8, 11),
    ),
    _sample(
        "Shop.cs",
        "\nusing System;\nnamespace Shop.Core {\n  [Serializable]\n  public class ShopCs {\n    /// quagga_csharp\n"
        "    public int AddCs(int a) { return a; }\n    public ShopCs() {\n    }\n  }\n}\n",
        ("class", "ShopCs", 3, 4),
        ("method", "ShopCs.AddCs", 5, 6),
        ("method", "ShopCs.ShopCs", 7, 8),
    ),
    _sample(
        "Shop.kt",
        "\npackage shop\n\n/** quagga_kotlin */\nclass ShopKt(val x: Int) : Base() {\n    fun addKt(a: Int): Int {\n"
        "        return a\n    }\n\n    companion object {\n        fun make() = ShopKt(1)\n    }\n}\n\n"
        "fun topKt(a: Int) = a\n",
        ("class", "ShopKt", 3, 4),
        ("method", "ShopKt.addKt", 5, 7),
        ("method", "ShopKt.make", 10, 10),
        ("function", "topKt", 14, 14),
    ),
    _sample(
        "Shop.swift",
        "\n/// quagga_swift\npublic class ShopSwift: Base {\n    func addSwift(a: Int) -> Int {\n"
        "        return a\n    }\n"
        "    init(a: Int) {\n    }\n}\n\nextension ShopSwift {\n    func extra() {}\n}\n",
        ("class", "ShopSwift", 1, 2),
        ("method", "ShopSwift.addSwift", 3, 5),
        ("method", "ShopSwift.init", 6, 7),
        ("method", "ShopSwift.extra", 11, 11),
    ),
    _sample(
        "Shop.scala",
        "\n/** quagga_scala */\nclass ShopScala(x: Int) extends Base {\n  def addScala(a: Int): Int = {\n    a\n"
        "  }\n}\n\n"
        "object Single {\n  def make(): ShopScala = new ShopScala(1)\n}\n",
        ("class", "ShopScala", 1, 2),
        ("method", "ShopScala.addScala", 3, 5),
        ("class", "Single", 8, 8),
        ("method", "Single.make", 9, 9),
    ),
    _sample(
        "shop.dart",
        "\n/// quagga_dart\nclass ShopDart extends Base {\n  final int x;\n  int addDart(int a) {\n"
        "    return a;\n  }\n}\n\n"
        "void topDart(int a) {\n  print(a);\n}\n",
        ("class", "ShopDart", 1, 3),
        ("method", "ShopDart.addDart", 4, 6),
        ("function", "topDart", 9, 11),
    ),
    _sample(
        "shop.rb",
        "\n# quagga_ruby\nmodule ShopRb\n  class Cart < Base\n    # Adds.\n    def add_rb(a)\n      a\n    end\n\n"
        "    def self.build(x) = new(x)\n  end\nend\n",
        ("class", "ShopRb", 1, 2),
        ("class", "ShopRb.Cart", 3, 3),
        ("method", "ShopRb.Cart.add_rb", 4, 7),
        ("method", "ShopRb.Cart.build", 9, 9),
    ),
    _sample(
        "Shop.php",
        "\n<?php\nnamespace App\\Shop;\n\n/** quagga_php */\nclass ShopPhp extends Base {\n    #[Pure]\n"
        "    public function addPhp(array $a): int {\n        return 1;\n    }\n}\n\n$helperPhp = function ($x) {\n"
        "    return $x;\n};\n",
        ("class", "ShopPhp", 4, 5),
        ("method", "ShopPhp.addPhp", 6, 9),
        ("function", "helperPhp", 12, 14),
    ),
    _sample("shop.sh", "\n#!/bin/sh\n\n# quagga_bash\nadd_sh() {\n  echo $1\n}\n", ("function", "add_sh", 3, 6)),
    _sample(
        "shop.lua",
        "\n-- quagga_lua\nlocal function add_lua(a)\n  return a\nend\n\nfunction M:put(a)\nend\n\n"
        "M.mul = function(a)\nend\n",
        ("function", "add_lua", 1, 4),
        ("function", "M.put", 6, 7),
        ("function", "M.mul", 9, 10),
    ),
    _sample(
        "shop.sql",
        "\n-- quagga_sql\nCREATE TABLE shop.users (\n  id INT PRIMARY KEY\n);\n\n"
        "CREATE FUNCTION add_sql(a INT) RETURNS INT AS $$ BEGIN RETURN a; END; $$ LANGUAGE plpgsql;\n",
        ("class", "shop.users", 1, 4),
        ("function", "add_sql", 6, 6),
    ),
    _sample(
        "shop.tf",
        '\n# quagga_hcl\nresource "aws_instance" "web" {\n  ami = var.ami\n}\n',
        ("class", "resource.aws_instance.web", 1, 4),
    ),
    _sample(
        "shop.ex",
        '\ndefmodule Shop.CartEx do\n  # quagga_elixir\n  @doc "Adds"\n  def add_ex([]) do\n    0\n  end\n\n'
        "  def add_ex(list) when is_list(list) do\n    1\n  end\n\n  defp push(c), do: c\nend\n",
        ("class", "Shop.CartEx", 1, 1),
        ("method", "Shop.CartEx.add_ex", 2, 10),
        ("method", "Shop.CartEx.push", 12, 12),
    ),
    _sample(
        "Shop.hs",
        "\nmodule Shop where\n\nimport Data.List (sort)\n\ndata Shape = Circle Int | Sq\n\n-- quagga_haskell\n"
        "add_hs :: Int -> Int -> Int\nadd_hs 0 y = y\nadd_hs x y = x\n",
        ("class", "Shape", 5, 5),
        ("function", "add_hs", 7, 10),
    ),
    _sample(
        "shop.jl",
        '\nmodule Shop\n\n"quagga_julia"\nfunction add_jl(a::Int)::Int\n    a\nend\n\nshort_jl(x) = add_jl(x) + 1\n\n'
        "struct Pt <: Base\n    x::Int\nend\n\nend\n",
        ("function", "Shop.add_jl", 3, 6),
        ("function", "Shop.short_jl", 8, 8),
        ("class", "Shop.Pt", 10, 12),
    ),
    _sample(
        "shop.zig",
        "\n/// quagga_zig\npub fn addZig(a: i32) i32 {\n    return a;\n}\n\nconst Cart = struct {\n    x: i32,\n"
        "    pub fn put(self: *Cart) void {\n        _ = self;\n    }\n};\n",
        ("function", "addZig", 1, 4),
        ("class", "Cart", 6, 7),
        ("method", "Cart.put", 8, 10),
    ),
    _sample(
        "shop.ps1",
        "\n# quagga_powershell\nfunction Add-Ps {\n  param([int]$A)\n  Write-Output $A\n}\n",
        ("function", "Add-Ps", 1, 5),
    ),
    _sample(
        "shop.groovy",
        "\n/** quagga_groovy */\nclass ShopGroovy extends Base {\n  def addGroovy(int a) {\n    return a\n  }\n}\n",
        ("class", "ShopGroovy", 1, 2),
        ("method", "ShopGroovy.addGroovy", 3, 5),
    ),
)

COMPONENTS = (
    _sample(
        "Shop.vue",
        '\n<template>\n  <p>quagga_vue</p>\n</template>\n\n<script setup lang="ts">\n// Adds.\n'
        "function addVue(a: number) {\n"
        "  return a;\n}\n</script>\n\n<style>\n.shop { color: red }\n</style>\n",
        ("function", "addVue", 6, 9),
    ),
    _sample(
        "Shop.svelte",
        "\n<script>\n  // quagga_svelte\n  export function addSvelte(a) {\n    return a;\n  }\n</script>\n\n"
        "<p>{x}</p>\n",
        ("function", "addSvelte", 2, 5),
    ),
)

# Text without a grammar: code first, then what is weighed as documents.
UNPARSED = {
    "shop.r": "add_r <- function(a) a # quagga_r\n",
    "shop.pl": "sub add_pl { return 1; } # quagga_perl\n",
    "shop.proto": 'syntax = "proto3"; // quagga_proto\n',
    "shop.graphql": "type Query { quagga_graphql: Int }\n",
    "shop.css": ".quagga_css { color: red }\n",
    "Dockerfile": "FROM scratch # quagga_dockerfile\n",
    "Makefile": "all: # quagga_makefile\n\techo\n",
}
DOCUMENTS = {
    "shop.html": "<p>quagga_html</p>\n",
    "shop.json": '{"word": "quagga_json"}\n',
    "shop.yaml": "word: quagga_yaml\n",
    "shop.toml": 'word = "quagga_toml"\n',
    "shop.unheard": "quagga_unheard\n",
    "shop.rst": "quagga_rst\n",
    "notes.txt": "quagga_txt\n",
    ".editorconfig": "# quagga_editorconfig\n",
}
