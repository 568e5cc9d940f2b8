"""Reads the types that an annotation names."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["BUILTIN_TYPES", "annotated_types"]

# Their names are known everywhere; a project that defines a class of such a name means its own.
BUILTIN_TYPES: Final = frozenset(
    "dict list set frozenset tuple str bytes bytearray int float bool object type Dict List Set FrozenSet Tuple Text"  # noqa: SIM905
    " Mapping MutableMapping Sequence MutableSequence Iterable Iterator Collection Generator AsyncGenerator"
    " AsyncIterator AsyncIterable Callable IO TextIO BinaryIO OrderedDict defaultdict deque Counter Path PurePath"
    " Map WeakMap WeakSet Array Promise Buffer String Number Boolean string number boolean RegExp Date Error Function"
    " Record Readonly ReadonlyArray Uint8Array".split()
)
_WRAPS: Final = frozenset(
    "Optional Union Annotated Final ClassVar Awaitable Coroutine Type type Promise Readonly Partial Required".split()  # noqa: SIM905
)
_EMPTY: Final = frozenset({"None", "null", "undefined", "void"})
_HEAD: Final = re.compile(r"\s*([\w$]+(?:\.[\w$]+)*)\s*")
MAX_DEPTH: Final = 6


def annotated_types(text: str, depth: int = 0) -> frozenset[str]:
    """Returns the last components of the types at the beginning of a text, without what may be missing.

    `Optional[a.B]` is B, `B | None` is B, `dict[str, B]` is dict. Nothing is returned for what names no type.
    """
    found: set[str] = set()
    rest = text.lstrip()
    while depth < MAX_DEPTH:
        rest = rest.lstrip(" \t\"'(")
        head = _HEAD.match(rest)
        if head is None:
            break
        name = head.group(1).rpartition(".")[2]
        rest = rest[head.end() :]
        inner, rest = _bracketed(rest)
        if name in _WRAPS and inner:
            for part in _parts(inner) if name == "Union" else _parts(inner)[-1 if name == "Coroutine" else 0 :][:1]:
                found |= annotated_types(part, depth + 1)
        elif name not in _EMPTY:
            found.add(name)
        rest = rest.lstrip(" \t\"')")
        if not rest.startswith("|") or rest.startswith("||"):
            break
        rest = rest[1:]
    return frozenset(found)


def _bracketed(text: str) -> tuple[str, str]:
    """Returns what is inside of the brackets that a text begins with, and what comes after them."""
    if text[:1] not in ("[", "<"):
        return "", text
    opening, closing = text[0], {"[": "]", "<": ">"}[text[0]]
    depth = 0
    for at, char in enumerate(text):
        depth += (char == opening) - (char == closing)
        if depth == 0:
            return text[1:at], text[at + 1 :]
    return text[1:], ""


def _parts(text: str) -> list[str]:
    """Returns the parts of a text between commas outside of brackets."""
    parts = [""]
    depth = 0
    for char in text:
        depth += (char in "[(<{") - (char in "])>}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
