"""Redirections: where the input of a statement comes from, and which files its output goes to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_policies.shell.command import Command
from aurora_policies.shell.expand import source
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream
from aurora_policies.shell.tree import name_of
from aurora_policies.shell.words import decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node

    from aurora_policies.shell.port import Walking

__all__ = ["Redirections", "words_behind"]

_NETWORK: Final = ("/dev/tcp/", "/dev/udp/")
_NO_QUOTES: Final = {ord(character): None for character in "\\'\""}


class Redirections:
    """The redirections of one shell."""

    def __init__(self, shell: Walking) -> None:
        self._shell = shell
        self._waiting: dict[int, Sequence[Node]] = {}
        """Redirections of a pipeline or a list, by the id of its last command."""
        self._behind: tuple[Node, ...] = ()
        """Words of the next command that stand behind its redirections."""

    def waiting_for(self, node: Node) -> Sequence[Node] | None:
        """Returns the redirections around a statement that belong to its last command, once; None for none."""
        return self._waiting.pop(node.id, None)

    def behind(self) -> tuple[Node, ...]:
        """Returns the words of the command that begins which stand behind its redirections, once."""
        behind, self._behind = self._behind, ()
        return behind

    def redirected(self, node: Node) -> Stream:
        """Follows a statement with redirections around it."""
        body = node.child_by_field_name("body")
        return self.around(body, [child for child in node.children if body is None or child.id != body.id])

    def around(self, body: Node | None, redirections: Sequence[Node]) -> Stream:
        """Follows a statement with its redirections; those of a pipeline or a list belong to its last command."""
        shell = self._shell
        if body is not None and body.type in {"pipeline", "list", "negated_command"} and body.named_children:
            self._waiting[body.named_children[-1].id] = redirections
            return shell.follow(body)
        outputs: list[Node] = []
        after: list[Node] = []
        pipes: list[Node] = []
        behind: list[Node] = []
        stdin = shell.state.input
        for child in redirections:
            if child.type == "file_redirect":
                stdin = self.file_input(child, stdin)
                outputs.append(child)
                behind.extend(words_behind(child))
            elif child.type == "herestring_redirect":
                stdin = self.here_string(child)
            elif child.type == "heredoc_redirect":
                stdin = self._heredoc(child, outputs, pipes, after)
                behind.extend(child.children_by_field_name("argument"))
            elif child.type == "ERROR":
                shell.block(child)
        stream = self._program(behind, stdin) if body is None else self._fed(body, stdin, behind)
        stream = self.outputs(outputs, stream, by=name_of(body) if body is not None else None)
        if pipes:
            stream = shell.piped(pipes, stream)
        for each in after:
            shell.statement(each)
        return stream if not after else NOT_KNOWN

    def _program(self, nodes: Sequence[Node], stdin: Stream) -> Stream:
        """Follows a command whose words all stand behind a redirection."""
        words = tuple(word for node in nodes for word in self._shell.expander.words(node))
        return self._shell.dispatch(Command(words=words, input=stdin)) if words else EMPTY

    def _fed(self, node: Node, stdin: Stream, behind: Sequence[Node]) -> Stream:
        """Follows a statement with another standard input, and further words, in this shell."""
        shell = self._shell
        if behind and node.type in {"variable_assignment", "variable_assignments"}:
            shell.statement(node)  # `A=1 >log rm x`
            return self._program(behind, stdin)
        if behind and node.type != "command":
            shell.programs.undecided("words behind a redirection cannot be followed")
        self._behind = tuple(behind) if node.type == "command" else ()
        before = shell.state.input
        shell.state.input = stdin
        try:
            return shell.statement(node)
        finally:
            shell.state.input = before

    # -- inputs -------------------------------------------------------------------------------------------------

    def here_string(self, node: Node) -> Stream:
        """Returns the input that `<<< words` gives."""
        content = next(iter(node.named_children), None)
        return Stream(self._shell.expander.text(content) + "\n")

    def file_input(self, node: Node, stdin: Stream) -> Stream:
        """Returns the input of a command that had another one before this redirection."""
        target = node.child_by_field_name("destination")
        if target is None:
            return stdin
        if any(child.type == "<" for child in node.children):
            return self._shell.programs.read(self._shell.expander.target(target), self._shell)
        if any(child.type == "<&" for child in node.children) and not any(
            child.type == "file_descriptor" for child in node.children
        ):  # what a descriptor holds that was opened before is not followed
            return stdin if source(target) == "0" else NOT_KNOWN
        return stdin

    def _heredoc(self, node: Node, outputs: list[Node], pipes: list[Node], after: list[Node]) -> Stream:
        """Returns the text of a here-document; what stands behind it in its line is sorted into the three lists."""
        start = next((child for child in node.children if child.type == "heredoc_start"), None)
        data = start is not None and source(start) != source(start).translate(_NO_QUOTES)
        content = Stream("")
        for index, child in enumerate(node.children):
            if child.type == "heredoc_body":
                expander = self._shell.expander
                content = Stream(source(child) if data else decoded(expander.between(child, skip="")))
            elif child.type == "file_redirect":
                outputs.append(child)
            elif child.type == "pipeline":
                pipes.extend(child.named_children)
            elif node.field_name_for_child(index) == "right":
                after.append(child)
            elif child.type in self._shell.statements:
                self._shell.programs.undecided("what stands behind a here-document cannot be followed")
                self._shell.statement(child)
        return content

    # -- outputs ------------------------------------------------------------------------------------------------

    def outputs(self, redirects: Sequence[Node], stream: Stream, *, by: str | None) -> Stream:
        """Writes the files that the output goes to; returns what is left for the pipe."""
        shell, files = self._shell, self._shell.files
        left = stream
        for node in redirects:
            operator = next((child.type for child in node.children if not child.is_named), "<")
            target_node = node.child_by_field_name("destination")
            if operator.startswith("<") and operator != "<>":
                continue
            descriptor = next((source(child) for child in node.children if child.type == "file_descriptor"), "1")
            if target_node is None:
                continue
            target = shell.expander.target(target_node)
            content = left if descriptor == "1" else Stream(None)
            if operator in {">&", "<&", ">&-", "<&-"} and re.fullmatch(r"\d*-?", target.text):
                if files.connection is None or target.text in {"1", "2", "-"} or descriptor != "1":
                    continue
                target = files.connection  # one of the open descriptors leads to the network
            elif target.text.startswith(_NETWORK):
                files.connection = target
            shell.programs.write(target, content, shell, append=">>" in operator, by=by)
            if descriptor == "1" and target.text not in {"/dev/stdout", "/dev/stderr", "/dev/fd/1"}:
                left = EMPTY
        return left


def words_behind(redirect: Node) -> list[Node]:
    """Returns the words behind the target of a redirection, which the grammar takes for further targets."""
    return redirect.children_by_field_name("destination")[1:]
