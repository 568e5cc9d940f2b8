"""Functions and aliases: their definitions, and the commands that call them instead of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.shell.command import Command, quote
from aurora_policies.shell.expand import source
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tree_sitter import Node

    from aurora_policies.shell.port import Walking
    from aurora_policies.shell.redirections import Redirections
    from aurora_policies.shell.state import Value

__all__ = ["Calls"]

_HANDLERS: Final = frozenset({"command_not_found_handle", "command_not_found_handler"})


class Calls:
    """The functions and aliases of one shell that are running, from the outermost to the innermost."""

    def __init__(self, shell: Walking, redirections: Redirections) -> None:
        self._shell = shell
        self._redirections = redirections
        self._running: list[str] = []
        self._locals: list[dict[str, Value | None]] = []
        """For each function that is running, the outer values of the variables that it has made its own."""

    def define(self, node: Node) -> Stream:
        """Remembers a function; one that bash calls by itself is followed at once."""
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self._shell.state.functions[source(name)] = (node,)
            if source(name) in _HANDLERS:  # bash calls it whenever a program is not found
                self._shell.apart(lambda: self._shell.statement(body))
        return EMPTY

    def dispatch(self, command: Command) -> Stream:
        """Runs a command: an alias, a function, or else a program."""
        shell = self._shell
        name = command.words[0].text
        if not command.plain:
            alias = shell.state.aliases.get(name)
            if alias is not None and f"alias {name}" not in self._running:
                self._aliased(name, alias, command)
            bodies = shell.state.functions.get(name)
            if bodies:
                out = [self._called(name, body, command) for body in bodies if body is not None]
                if None in bodies:
                    out.append(shell.programs.run(command, shell))
                return joined(out)
        return shell.programs.run(command, shell)

    def _aliased(self, name: str, alias: str, command: Command) -> None:
        """Follows what an alias stands for; a shell that is not interactive may ignore it, so both are judged."""
        rest = " ".join(quote(word.text) for word in command.words[1:])
        self._running.append(f"alias {name}")
        try:
            self._shell.in_copy(lambda: self._shell.run_text(f"{alias} {rest}"))
        finally:
            self._running.pop()

    def _called(self, name: str, definition: Node, command: Command) -> Stream:
        state = self._shell.state
        depth = self._running.count(name)
        if depth >= 2:
            return NOT_KNOWN
        body = definition.child_by_field_name("body")
        if body is None:
            return EMPTY
        before = state.arguments, state.input
        loose = any(word.splits or word.glob for word in command.words[1:])
        state.arguments = None if depth or loose else tuple(word.text for word in command.words[1:])
        state.input = command.input
        self._running.append(name)
        self._locals.append({})
        try:
            stream = self._shell.statement(body)
            redirects = [child for child in definition.children if child.type == "file_redirect"]
            return self._redirections.outputs(redirects, stream, by=name)
        finally:
            self._running.pop()
            self._end_locals()
            state.arguments, state.input = before

    def make_local(self, names: Iterable[str]) -> None:
        """Keeps the outer values of variables until the function that is running, if one is, ends."""
        if self._locals:
            for name in names:
                self._locals[-1].setdefault(name, self._shell.state.variables.get(name))

    def _end_locals(self) -> None:
        for variable, value in self._locals.pop().items():
            if value is None:
                self._shell.state.variables.pop(variable, None)
            else:
                self._shell.state.variables[variable] = value

    def look_for_bomb(self, node: Node) -> None:
        """Looks for a function that starts itself in a pipeline or in the background: a fork bomb."""
        if not self._running:
            return
        name = node.child_by_field_name("name") if node.type == "command" else None
        if name is not None and source(name) in self._running:
            self._shell.programs.fork_bomb(source(name))
        elif node.type in {"pipeline", "list", "redirected_statement", "subshell", "compound_statement"}:
            for child in node.named_children:
                self.look_for_bomb(child)
