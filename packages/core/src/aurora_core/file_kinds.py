"""The kind of a file by its path alone: test, source, prose, data or other text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DATA_SUFFIXES",
    "PROSE_SUFFIXES",
    "SOURCE_NAMES",
    "TEMPLATE_SUFFIXES",
    "is_document",
    "is_source",
    "is_test_file",
]

_TEST: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|spec|specs|testdata|t)/|(?:^|/)(?:test_[^/]*|conftest)\.\w+$|_test\.\w+$"
    r"|\.(?:test|spec)\.\w+$|_spec\.(?:rb|lua|cr)$|\.Tests\.ps1$"
    r"|(?:^|/)[A-Z]\w*(?:Tests?\.(?:java|kts?|cs|php|swift|scala|groovy|mm?|cpp|cc)|Spec\.(?:scala|groovy|hs))$"
)


def _suffixes(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROSE_SUFFIXES: Final = _suffixes(".md .markdown .mdx .rst .txt .adoc .asciidoc .org .tex .textile .pod")
"""Written for readers: a line may be as long as a paragraph."""
DATA_SUFFIXES: Final = _suffixes(".json .jsonl .ndjson .geojson .csv .tsv .xml .svg .po .pot .log .lock .har .plist")
"""Mostly written by programs."""
TEMPLATE_SUFFIXES: Final = _suffixes(
    ".tmpl .gotmpl .tpl .j2 .jinja .jinja2 .hbs .mustache .ejs .erb .eex .heex .haml .slim .pug .liquid .twig .tt .t4"
)
"""Programs make other files of them."""
# What people program in; each is searched as code, with a grammar or without.
_SOURCE_SUFFIXES: Final = _suffixes("""
    .py .pyi .pyw .pyx .pxd .ipynb .js .jsx .mjs .cjs .ts .mts .cts .tsx .vue .svelte .astro .go .java .rs .c .h .cc
    .cpp .cxx .hpp .hh .hxx .ipp .inl .cu .cuh .m .mm .cs .fs .fsx .fsi .vb .kt .kts .swift .scala .sc .dart .rb
    .rake .gemspec .ru .erb .haml .slim .php .phtml .sh .bash .zsh .ksh .fish .bats .lua .sql .psql .tf .hcl .tfvars
    .ex .exs .heex .eex .erl .hrl .hs .lhs .elm .purs .ml .mli .re .res .clj .cljs .cljc .edn .lisp .cl .el .scm
    .rkt .jl .r .zig .nim .d .v .vh .sv .vhd .vhdl .ps1 .psm1 .psd1 .bat .cmd .groovy .gradle .pl .pm .t .raku .tcl
    .awk .sed .f .f90 .f95 .f03 .for .pas .pp .dpr .ada .adb .ads .cob .cbl .asm .s .ino .glsl .vert .frag .hlsl
    .wgsl .metal .sol .move .cairo .vim .proto .thrift .graphql .gql .prisma .avdl .capnp .fbs .css .scss .sass
    .less .styl .hbs .j2 .jinja .jinja2 .tmpl .gotmpl .ejs .pug .liquid .mustache .twig .cmake .mk .bzl .bazel .nix
    .dhall .cue .rego .jsonnet .libsonnet .starlark .g4 .y .l .yy .ll .qml .gd .cr .hx .odin .vala .coffee .ls
    .applescript .ahk .st .wat .tla .lean .agda .idr .thy
""")
SOURCE_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_suffixes("Gemfile Rakefile Vagrantfile Podfile Fastfile Brewfile"), "ruby"),
    **dict.fromkeys(_suffixes(".bashrc .bash_profile .profile .zshrc PKGBUILD"), "bash"),
    "Jenkinsfile": "groovy",
}
"""The languages of programs that their whole names tell."""
# Of a name without a suffix; other names in capitals are documents too.
_DOCUMENT_NAME: Final = re.compile(
    r"[A-Z]+(?:-[A-Z]+)*|(?i:readme|licen[cs]e|copying|copyright|notice|authors|contributors|contributing|maintainers|credits"
    r"|thanks|changelog|changes|history|news|todo|install|code_of_conduct)(?:-\w+)*",
    re.ASCII,
)


def is_test_file(file: str) -> bool:
    """Returns True if a path looks like a test, by the conventions of the indexed languages."""
    # Most paths have none of these; the first search of a process asks for every file.
    maybe = "test" in file or "Test" in file or "spec" in file or "Spec" in file or "t/" in file
    return maybe and _TEST.search(file) is not None


def is_source(file: str) -> bool:
    """Returns True for a program by its suffix; without one, for a name that is not a document's: `Makefile`."""
    name = file[file.rfind("/") + 1 :]
    if name in SOURCE_NAMES:
        return True
    dot = name.rfind(".")
    if dot > 0:
        return name[dot:].lower() in _SOURCE_SUFFIXES
    return dot < 0 and not _DOCUMENT_NAME.fullmatch(name)


def is_document(file: str) -> bool:
    """Returns True if a file holds no code of the project: prose, data, markup, settings: `guide.md`, `LICENSE`."""
    return not is_source(file)
