"""Assignments and declarations: the values that a script gives to variables, as far as they are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.shell.command import Command
from aurora_policies.shell.expand import source
from aurora_policies.shell.stream import EMPTY, Stream
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from tree_sitter import Node

    from aurora_policies.shell.calls import Calls
    from aurora_policies.shell.port import Walking
    from aurora_policies.shell.state import Value

__all__ = ["Assignments"]

MAX_VALUE: Final = 100_000
"""The longest text of a variable that is followed."""


class Assignments:
    """The assignments of one shell."""

    def __init__(self, shell: Walking, calls: Calls) -> None:
        self._shell = shell
        self._calls = calls

    def assignment(self, node: Node) -> Stream:
        """Follows `name=value` as a statement of its own."""
        self._set(self.values(node))
        return EMPTY

    def assignments(self, node: Node) -> Stream:
        """Follows several assignments as one statement."""
        for child in node.named_children:
            self.assignment(child)
        return EMPTY

    def values(self, node: Node) -> dict[str, Value]:
        """Returns the new value of the variable that an assignment is for, by its name."""
        target, value_node = node.child_by_field_name("name"), node.child_by_field_name("value")
        if target is None:
            return {}
        if target.type == "subscript":
            self._shell.inside(target)
            inner = target.child_by_field_name("name")
            self._value_of(value_node)
            return {source(inner): UNKNOWN} if inner is not None else {}
        name = source(target)
        value = self._value_of(value_node)
        if any(child.type == "+=" for child in node.children):
            before = self._shell.state.variables.get(name, UNKNOWN)
            short = isinstance(before, str) and isinstance(value, str) and len(before) + len(value) <= MAX_VALUE
            value = f"{before}{value}" if short else UNKNOWN
        return {name: value}

    def _value_of(self, node: Node | None) -> Value:
        if node is None:
            return ""
        if node.type == "array":
            return self._shell.expander.array(node)
        text = self._shell.expander.text(node)
        return text if len(text) <= MAX_VALUE else UNKNOWN

    def _set(self, values: dict[str, Value]) -> None:
        for name, value in values.items():
            self._shell.state.variables[name] = value
            self._shell.programs.assigned(name, value, self._shell)

    def declaration(self, node: Node) -> Stream:
        """Follows `export`, `declare`, `local` and their like."""
        shell = self._shell
        keyword = node.children[0].type if node.children else "declare"
        words = [Word(keyword)]
        values: dict[str, Value] = {}
        for child in node.named_children:
            if child.type == "variable_assignment":
                found = self.values(child)
                if "," in source(child) and "{" in source(child):
                    found = dict.fromkeys(found, UNKNOWN)  # its braces are expanded, into several assignments
                values |= found
                words.extend(map(Word, found))
            else:
                words.extend(shell.expander.words(child))
        if keyword in {"local", "declare", "typeset"} and Word("-g") not in words:
            self._calls.make_local(word.text for word in words[1:] if word.text.isidentifier())
        if any(re.fullmatch(r"-\w*n\w*", word.text) for word in words):  # names for other variables
            values = dict.fromkeys((*values, *(str(each) for each in values.values())), UNKNOWN)
        self._set(values)
        return shell.programs.run(Command(words=tuple(words), input=shell.state.input), shell)

    def unset(self, node: Node) -> Stream:
        """Follows `unset`."""
        shell = self._shell
        words = [word for child in node.named_children for word in shell.expander.words(child)]
        return shell.programs.run(Command(words=(Word("unset"), *words), input=shell.state.input), shell)

    def forget(self, node: Node) -> None:
        """Marks the variables of an arithmetic as not known."""
        if node.type in {"variable_name", "word"} and source(node).isidentifier():
            self._shell.state.variables[source(node)] = UNKNOWN
        for child in node.named_children:
            self.forget(child)
