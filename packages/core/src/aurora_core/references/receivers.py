"""The types of what a call is made on, as far as the code around the call tells them.

A variable has the type that it was last given before the call, in the same definition; else the one that the file
gives it outside of all definitions. An attribute has the type that its class gives it. No type is guessed.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from aurora_core.chunking import SymbolType
from aurora_core.code_text import code_lines
from aurora_core.references.annotations import BUILTIN_TYPES, annotated_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aurora_core.references.classes import Classes
    from aurora_core.store.files import StoredChunk

    Row = tuple[int, str, str]

__all__ = ["OWN", "Receivers"]

OWN: Final = frozenset({"self", "cls", "this", "super", "super()", "@"})
"""Receivers that stand for the object or the class of the method around a call."""
UNKNOWN: Final[frozenset[str]] = frozenset()
MAX_DEPTH: Final = 5
MAX_LINE: Final = 1_000
"""A longer line gives no type: it is generated, or made so that reading it takes minutes."""
_CALL: Final = re.compile(r"(?:await\s+)?(?:new\s+)?((?:[\w$]+(?:\?\.|\.|::))*[\w$]+)\s*(?:<[^<>()]*>\s*)?\(")
_PLAIN: Final = re.compile(r"(?:await\s+)?((?:[\w$]+(?:\?\.|\.))*[\w$]+)\s*[;,)]?\s*$")
_LITERALS: Final = (
    (re.compile(r"[rRbBuUfF]{0,2}[\"'`]"), "str"),
    (re.compile(r"\["), "list"),
    (re.compile(r"\{"), "dict"),
    (re.compile(r"\d"), "int"),
)
_TYPED_FILES: Final = (".py", ".pyi", ".ts", ".tsx", ".mts", ".cts", ".vue", ".kt", ".swift", ".rs", ".scala")
_RETURNS: Final = re.compile(r"(?:->|\)\s*:)\s*(.+?)\s*[:{]?\s*$")


class Receivers:
    """Tells the types of receivers of one project.

    Args:
        text_of: the text of a file.
    """

    def __init__(self, classes: Classes, text_of: Callable[[str], str]) -> None:
        self._classes = classes
        self._text_of = text_of
        self._attribute = cache(self._attribute_now)
        self._top = cache(self._top_now)

    def types(self, receiver: str, chunk: StoredChunk, line: int, depth: int = 0) -> frozenset[str]:
        """Returns the classes that a receiver may be of, by their last names; nothing if the code does not tell.

        Args:
            receiver: names with dots between them; one that is called ends in `()`.
            chunk: the definition around the call.
            line: of the call.
        """
        if depth > MAX_DEPTH:
            return UNKNOWN
        first, *rest = re.split(r"\.|->|::", receiver)
        if first in OWN:
            found = frozenset({_class_around(chunk)} - {""}) if not first.startswith("super") else UNKNOWN
        elif first.endswith("()"):
            found = self._returned(first.removesuffix("()"), chunk, line, depth)
        else:
            found = self._variable(first, chunk, line, depth)
        for part in rest:
            made = part.removesuffix("()") if part.endswith("()") and part[:1].isupper() else ""
            found = self._known(frozenset({made})) if made else self._of_each(found, part, depth)
        return found

    def _of_each(self, owners: frozenset[str], part: str, depth: int) -> frozenset[str]:
        """Returns the types of an attribute of classes; nothing if it is unknown of one."""
        name = part.removesuffix("()")
        if part.endswith("()"):
            types = [self._method_returns(owner, name) for owner in owners]
        else:
            types = [self._attribute(owner, name, depth) for owner in owners]
        return frozenset().union(*types) if types and all(types) else UNKNOWN

    def _variable(self, name: str, chunk: StoredChunk, line: int, depth: int) -> frozenset[str]:
        rows = [row for row in self._rows(chunk) if row[0] <= line]
        for row in reversed(rows):
            found = self._bound(name, row, chunk, depth, own_line=line)
            if found is not None:
                return found
        for row in self._top(chunk.file):
            found = self._bound(name, row, chunk, depth)
            if found is not None:
                return found
        return UNKNOWN

    def _bound(self, name: str, row: Row, chunk: StoredChunk, depth: int, own_line: int = 0) -> frozenset[str] | None:
        """Returns the types that a line gives to a name; None if it gives it nothing."""
        number, raw, code = row
        if name not in code or len(code) > MAX_LINE:
            return None
        word = rf"(?<![\w.$]){re.escape(name)}"
        declared = rf"(?:^\s*|[(,]\s*|\b(?:let|const|var|val)\s+){re.escape(name)}\??\s*:(?![:=])\s*"
        typed = re.search(declared, code) if chunk.file.endswith(_TYPED_FILES) else None
        if typed and (found := self._known(annotated_types(raw[typed.end() :]))):
            return found
        entered = re.search(rf"\bwith\b.*?((?:[\w$]+\.)*[\w$]+)\s*\(.*\)\s*as\s+{re.escape(name)}\b", code)
        if entered:
            return self._value(f"{entered.group(1)}(", chunk, number, depth)
        if re.search(rf"\bfor\b[^:=]*{word}\b.*\b(?:in|of)\b|\bas\s+{re.escape(name)}\b", code):
            return UNKNOWN
        given = re.search(rf"{word}\s*(?::[^=]*)?(?::=|=(?![=>]))\s*", code)
        if given is None or (number == own_line and given.end() > len(code.rstrip())):
            return None
        return self._value(raw[given.end() :], chunk, number - 1, depth)

    def _value(self, text: str, chunk: StoredChunk, line: int, depth: int) -> frozenset[str]:
        """Returns the types of an expression that begins a text."""
        text = text.lstrip("( ")
        if call := _CALL.match(text):
            after = text[call.end() :]
            if re.search(r"\)\s*\.", after) or re.search(r"\s(?:or|and|if)\s|\|\||&&|\?", after):
                return UNKNOWN  # more is done with it
            return self._returned(call.group(1), chunk, line, depth)
        for pattern, name in _LITERALS:
            if pattern.match(text):
                return frozenset({name})
        if plain := _PLAIN.match(text):
            return self.types(plain.group(1).replace("?", ""), chunk, line, depth + 1)
        return UNKNOWN

    def _returned(self, called: str, chunk: StoredChunk, line: int, depth: int) -> frozenset[str]:
        """Returns the types of the result of a call."""
        before, _, last = re.sub(r"\?\.|::", ".", called).rpartition(".")
        if last[:1].isupper() or self._classes.is_class(last):
            return self._known(frozenset({last}))
        if before:
            owners = self.types(before, chunk, line, depth + 1)
            types = [self._method_returns(owner, last) for owner in owners]
            return frozenset().union(*types) if types and all(types) else UNKNOWN
        functions = [c for c in self._classes.defined(last) if c.symbol_type is SymbolType.FUNCTION]
        same = [c for c in functions if c.file == chunk.file] or functions
        return self._known(_returns(same[-1].signature)) if same else UNKNOWN

    def _method_returns(self, owner: str, method: str) -> frozenset[str]:
        for name in (owner, *sorted(self._classes.ancestors(owner))):
            for chunk in reversed(self._classes.lines_of(name)):
                if chunk.name.split(".")[-2:] == [name, method]:
                    found = _returns(chunk.signature)
                    return self._known(frozenset({owner}) if "Self" in found else found)
        return UNKNOWN

    def _attribute_now(self, owner: str, name: str, depth: int) -> frozenset[str]:
        for each in (owner, *sorted(self._classes.ancestors(owner))):
            for chunk in self._classes.lines_of(each):
                if chunk.name.split(".")[-2:] == [each, name]:  # a property
                    return self._known(_returns(chunk.signature))
                for row in self._rows(chunk):
                    found = self._attribute_in(name, row, chunk, depth)
                    if found is not None:
                        return found
        return UNKNOWN

    def _attribute_in(self, name: str, row: Row, chunk: StoredChunk, depth: int) -> frozenset[str] | None:
        number, raw, code = row
        if name not in code or len(code) > MAX_LINE:
            return None
        of_object = rf"(?:\bself\.|\bthis\.|@){re.escape(name)}"
        is_body = chunk.symbol_type is SymbolType.CLASS
        word = rf"{of_object}|^\s+(?:(?:private|public|protected|readonly|static|declare)\s+)*{re.escape(name)}"
        typed = re.search(rf"(?:{word if is_body else of_object})[?!]?\s*:(?![:=])\s*", code)
        made = re.search(r"\b(?:private|public|protected|readonly)\s+" + re.escape(name) + r"\??\s*:\s*", code)
        if typed or made:
            return self._known(annotated_types(raw[(typed or made).end() :]))  # type: ignore[union-attr]
        given = re.search(rf"(?:{word if is_body else of_object})\s*=(?![=>])\s*", code)
        if given is None:
            return None
        value = raw[given.end() :]
        return None if re.match(r"(?:None|null|undefined)\b", value) else self._value(value, chunk, number, depth)

    def _known(self, names: frozenset[str]) -> frozenset[str]:
        """Returns the names if each is a class of the project or built in: another may stand for any type."""
        return names if all(self._classes.is_class(n) or n in BUILTIN_TYPES - {"object"} for n in names) else UNKNOWN

    def _rows(self, chunk: StoredChunk) -> Iterator[Row]:
        text = self._text_of(chunk.file)
        raw, code = text.split("\n"), code_lines(text, chunk.file)
        for at in range(chunk.line_start - 1, min(chunk.line_end, len(code), len(raw))):
            yield at + 1, raw[at], code[at]

    def _top_now(self, file: str) -> Sequence[Row]:
        """Returns the lines outside of all definitions: those that are not indented."""
        text = self._text_of(file)
        rows = zip(text.split("\n"), code_lines(text, file), strict=False)
        return [(at, raw, code) for at, (raw, code) in enumerate(rows, 1) if code[:1].strip()]


def _class_around(chunk: StoredChunk) -> str:
    if chunk.symbol_type is SymbolType.CLASS:
        return chunk.name.rpartition(".")[2]
    return chunk.name.rpartition(".")[0].rpartition(".")[2]


def _returns(signature: str) -> frozenset[str]:
    found = _RETURNS.search(signature)
    return annotated_types(found.group(1)) if found else UNKNOWN
