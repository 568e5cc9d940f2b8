"""Families of languages: the languages whose programs call each other's definitions by their names.

Kotlin calls Java so, and TypeScript calls JavaScript; a `post` of Python is never what JavaScript calls by that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["family_of", "is_script", "may_call"]

# Swift calls C and Objective-C by the names of their headers, and CUDA is C++ with few words more.
_FAMILIES: Final = {
    "python": ".py .pyi .pyw .pyx .pxd",
    "javascript": ".js .jsx .mjs .cjs .ts .mts .cts .tsx .vue .svelte .astro",
    "c": ".c .h .cc .cpp .cxx .hpp .hh .hxx .ipp .inl .cu .cuh .m .mm .swift .ino .metal",
    "jvm": ".java .kt .kts .scala .sc .groovy .gradle .clj .cljc",
    "dotnet": ".cs .fs .fsx .fsi .vb",
    "beam": ".ex .exs .erl .hrl",
    "go": ".go",
    "rust": ".rs",
    "ruby": ".rb .rake .gemspec .ru",
    "php": ".php .phtml",
    "shell": ".sh .bash .zsh .ksh .bats .fish",
    "powershell": ".ps1 .psm1 .psd1",
    "sql": ".sql .psql",
    "dart": ".dart",
    "lua": ".lua",
    "hcl": ".tf .hcl .tfvars",
    "haskell": ".hs .lhs",
    "julia": ".jl",
    "zig": ".zig",
}
_BY_SUFFIX: Final[Mapping[str, str]] = {
    suffix: family for family, suffixes in _FAMILIES.items() for suffix in suffixes.split()
}


def family_of(file: str) -> str:
    """Returns the family of a file by its suffix; "" for a notebook, a template, and what has no known suffix."""
    name = file[file.rfind("/") + 1 :]
    dot = name.rfind(".")
    return _BY_SUFFIX.get(name[dot:].lower(), "") if dot > 0 else ""


def is_script(file: str) -> bool:
    """Returns True for a file of JavaScript's family."""
    return family_of(file) == "javascript"


def may_call(caller: str, definition: str) -> bool:
    """Returns True if code of a file may call a definition of another by its name.

    A file of no known family may: a template calls what its program is written in.
    """
    one, other = family_of(caller), family_of(definition)
    return one == other or not one or not other
