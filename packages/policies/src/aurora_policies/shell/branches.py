"""Lists, conditions and loops: statements that may run or not, or several times, and what is known after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.shell.expand import source
from aurora_policies.shell.loops import piles_up
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream, joined
from aurora_policies.shell.tree import leaves
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node

    from aurora_policies.shell.assignments import Assignments
    from aurora_policies.shell.port import Walking
    from aurora_policies.shell.state import State

__all__ = ["Branches"]

MAX_TURNS: Final = 12
"""The words of a loop that are followed one by one."""
_ANY: Final = Word(UNKNOWN, splits=True)


class Branches:
    """The branches of one shell."""

    def __init__(self, shell: Walking, assignments: Assignments) -> None:
        self._shell = shell
        self._assignments = assignments

    def and_or(self, node: Node) -> Stream:
        """Follows `a && b || c`."""
        shell = self._shell
        spine = []  # it leans to the left, as deep as it is long
        while node.type == "list":
            operator = next((child.type for child in node.children if child.type in {"&&", "||"}), "&&")
            parts = node.named_children
            spine.append((operator, parts[1:]))
            if not parts:
                return EMPTY
            node = parts[0]
        out = [shell.statement(node)]
        for operator, parts in reversed(spine):
            before = shell.state.copy()
            out.extend(self._perhaps(part) for part in parts)
            if operator == "||" and parts and leaves(parts[-1]):
                shell.state.become(before)
            else:
                shell.state.join(before, keep_folder=operator == "&&")
        return joined([each for each in out if each is not EMPTY])

    def _perhaps(self, node: Node) -> Stream:
        """Follows a statement that may not run, so that what was true before it may still be."""
        self._shell.files.perhaps += 1
        try:
            return self._shell.statement(node)
        finally:
            self._shell.files.perhaps -= 1

    # -- conditions ---------------------------------------------------------------------------------------------

    def condition(self, node: Node) -> Stream:
        """Follows the condition, then each branch from the state after it."""
        branches: list[list[Node]] = [[]]
        out = []
        for index, child in enumerate(node.children):
            if node.field_name_for_child(index) == "condition":
                out.append(self._shell.statement(child))
            elif child.type in {"elif_clause", "else_clause"}:
                branches.append([child])
            elif child.is_named:
                branches[0].append(child)
        complete = any(branch and branch[0].type == "else_clause" for branch in branches)
        return joined([*out, *self._each(branches, complete=complete)])

    def _each(self, branches: Sequence[Sequence[Node]], *, complete: bool) -> list[Stream]:
        """Follows alternatives.

        Args:
            complete: one of them is taken in any case.
        """
        shell = self._shell
        before = shell.state.copy()
        ends: list[State] = [] if complete else [before.copy()]
        out: list[Stream] = []
        for branch in branches:
            shell.state.become(before.copy())
            out.extend(self._perhaps(child) for child in branch)
            if not (branch and leaves(branch[-1])):
                ends.append(shell.state.copy())
        if ends:
            shell.state.become(ends[0])
            for end in ends[1:]:
                shell.state.join(end)
        streams = [each for each in out if each is not EMPTY]
        return streams if complete and len(streams) < 2 else [*streams, NOT_KNOWN] if streams else []

    def case(self, node: Node) -> Stream:
        """Follows each item of `case … esac`."""
        value = node.child_by_field_name("value")
        if value is not None:
            self._shell.expander.words(value)
        items = [child for child in node.named_children if child.type == "case_item"]
        bodies = [
            [
                child
                for i, child in enumerate(item.children)
                if child.is_named and item.field_name_for_child(i) is None
            ]
            for item in items
        ]
        for item in items:
            self._patterns(item)
        return joined(self._each(bodies, complete=False))

    def _patterns(self, item: Node) -> None:
        for index, child in enumerate(item.children):
            if item.field_name_for_child(index) == "value":
                self._shell.inside(child)

    # -- loops --------------------------------------------------------------------------------------------------

    def for_words(self, node: Node) -> Stream:
        """Follows the body of `for … in …` with each word, or with any where they are too many or not known."""
        shell = self._shell
        name = node.child_by_field_name("variable")
        body = node.child_by_field_name("body")
        values: list[Word] = []
        given = False
        for index, child in enumerate(node.children):
            if node.field_name_for_child(index) == "value":
                given = True
                values.extend(shell.expander.words(child))
        if name is None or body is None:
            return EMPTY
        if not given:
            arguments = shell.state.arguments
            values = [Word(each) for each in arguments] if arguments is not None else [_ANY]
        known = len(values) <= MAX_TURNS and not any(word.glob or word.splits for word in values)
        if known and node.children[0].type == "for":
            return self._turns(source(name), [word.text for word in values], body)
        pattern = values[0].text if len(values) == 1 and values[0].glob else UNKNOWN
        shell.state.variables[source(name)] = UNKNOWN + pattern.replace("*", UNKNOWN).replace("?", UNKNOWN)
        return self._twice([body])

    def _turns(self, name: str, values: Sequence[str], body: Node) -> Stream:
        shell = self._shell
        before = shell.state.copy()
        out = []
        for value in values:
            shell.state.variables[name] = value
            out.append(shell.statement(body))
        if values:
            before.variables[name] = values[-1]
            shell.state.join(before)
        return joined([each for each in out if each is not EMPTY])

    def loop(self, node: Node) -> Stream:
        """Follows the body of a loop with a condition."""
        if piles_up(node):
            self._shell.programs.piles_up()
        for child in node.named_children:
            if child.type in {"variable_assignment", "postfix_expression", "binary_expression", "unary_expression"}:
                self._shell.inside(child)
                self._assignments.forget(child)
        return self._twice(
            [
                child
                for child in node.named_children
                if child.type in self._shell.statements and child.type != "variable_assignment"
            ]
        )

    def _twice(self, parts: Sequence[Node]) -> Stream:
        """Follows the body of a loop from the state before it, and once more from any state that it may lead to."""
        shell = self._shell
        before = shell.state.copy()
        first = [shell.statement(part) for part in parts]
        if before.variables != shell.state.variables or before.folder != shell.state.folder:
            shell.state.join(before)
            for part in parts:
                shell.statement(part)
            shell.state.join(before)
        return NOT_KNOWN if any(each is not EMPTY for each in first) else EMPTY
