"""Finds the grammar of a file: by its name, by its first line, and where a suffix has two meanings by its text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import languages as known
from aurora_core.file_kinds import SOURCE_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.chunking.grammars import Grammar

__all__ = ["SUFFIXES", "grammar_for", "grammar_of"]

SUFFIXES: Final = (
    (".py .pyi .pyw", known.PYTHON),
    (".js .jsx .mjs .cjs", known.JAVASCRIPT),
    (".ts .mts .cts", known.TYPESCRIPT),
    (".tsx", known.TSX),
    (".go", known.GO),
    (".java", known.JAVA),
    (".rs", known.RUST),
    (".c", known.C),
    # A header may be either; the C++ grammar reads nearly all of C. CUDA is C++ with few words more.
    (".h .cc .cpp .cxx .hpp .hh .hxx .ipp .inl .cu .cuh", known.CPP),
    (".m .mm", known.OBJECTIVE_C),
    (".cs", known.CSHARP),
    (".kt .kts", known.KOTLIN),
    (".swift", known.SWIFT),
    (".scala .sc", known.SCALA),
    (".dart", known.DART),
    (".rb .rake .gemspec .ru", known.RUBY),
    (".php .phtml", known.PHP),
    (".sh .bash .zsh .ksh .bats", known.BASH),
    (".lua", known.LUA),
    (".sql", known.SQL),
    (".tf .hcl .tfvars", known.HCL),
    (".ex .exs", known.ELIXIR),
    (".hs", known.HASKELL),
    (".jl", known.JULIA),
    (".zig", known.ZIG),
    (".ps1 .psm1", known.POWERSHELL),
    (".groovy .gradle", known.GROOVY),
)
"""The grammars with the suffixes of their files."""
_BY_SUFFIX: Final[Mapping[str, Grammar]] = {
    suffix: grammar for suffixes, grammar in SUFFIXES for suffix in suffixes.split()
}
_BY_LANGUAGE: Final = {grammar.name: grammar for grammar in known.GRAMMARS}
_BY_NAME: Final = {name: _BY_LANGUAGE[language] for name, language in SOURCE_NAMES.items()}
# `#!/usr/bin/env -S python3 -u` and `#!/bin/sh` alike.
_SHEBANG: Final = re.compile(r"#!\s*\S*?(?:\benv\s+(?:-\S+\s+)*)?([a-z]+)[\d.]*(?:\s|$)")
_BY_PROGRAM: Final[Mapping[str, Grammar]] = {
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh"), known.BASH),
    **dict.fromkeys(("python", "pypy"), known.PYTHON),
    **dict.fromkeys(("node", "bun"), known.JAVASCRIPT),
    **dict.fromkeys(("deno",), known.TYPESCRIPT),
    "ruby": known.RUBY,
    "php": known.PHP,
    "lua": known.LUA,
    "julia": known.JULIA,
    "elixir": known.ELIXIR,
    "groovy": known.GROOVY,
    "pwsh": known.POWERSHELL,
}
# Words that only Objective-C has: `.m` is also MATLAB's, and `.h` everybody's.
_OBJECTIVE: Final = re.compile(
    r"^\s*(?:@(?:interface|implementation|protocol|import|class)\b|#import\b)", re.MULTILINE
)
_LOOKED_AT: Final = 20_000


def grammar_for(suffix: str) -> Grammar | None:
    """Returns the grammar for a file's suffix (`.py`); None if there is none."""
    return _BY_SUFFIX.get(suffix.lower())


def grammar_of(path: str, text: str) -> Grammar | None:
    """Returns the grammar of a file; None if it is not code, or code without a grammar."""
    file = PurePosixPath(path)
    grammar = grammar_for(file.suffix) or _BY_NAME.get(file.name)
    if grammar is None and not file.suffix and text.startswith("#!"):
        program = _SHEBANG.match(text[: text.find("\n") + 1] or text[:200])
        return _BY_PROGRAM.get(program[1]) if program else None
    if grammar is known.OBJECTIVE_C and file.suffix == ".m":
        return grammar if _OBJECTIVE.search(text[:_LOOKED_AT]) else None
    if file.suffix == ".h" and _OBJECTIVE.search(text[:_LOOKED_AT]):
        return known.OBJECTIVE_C
    return grammar
