"""Follows a script as bash would run it, and hands each simple command to the programs that judge it.

Both branches of a condition are followed, and a loop as often as its words are known. What differs between branches
is not known afterwards. The work is bounded: a script that is too long or too deep raises `TooComplex`.
"""

from __future__ import annotations

import posixpath
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies.shell.assignments import Assignments
from aurora_policies.shell.branches import Branches
from aurora_policies.shell.calls import Calls
from aurora_policies.shell.command import Command
from aurora_policies.shell.expand import Expander, source
from aurora_policies.shell.parse import TooComplex, parse
from aurora_policies.shell.redirections import Redirections, words_behind
from aurora_policies.shell.source import braces_as_commands, prepared
from aurora_policies.shell.state import Files, State
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream, joined
from aurora_policies.shell.words import UNKNOWN, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tree_sitter import Node

    from aurora_policies.shell.port import Programs
    from aurora_policies.shell.state import Value

__all__ = ["Walk"]

MAX_TEXT: Final = 256_000
MAX_STEPS: Final = 4_000
MAX_DEPTH: Final = 40
_MAX_S: Final = 2.0
_IGNORED: Final = frozenset({"comment", "heredoc_body", "heredoc_end", "heredoc_start", "file_descriptor"})
_OF_VARIABLE: Final = re.compile(r"-[vR]\s")
_IN_INDEX: Final = re.compile(r"\[[^\]\[]*(\$\(|`)")


class Walk:
    """A shell that follows scripts."""

    def __init__(self, programs: Programs, *, state: State, home: str) -> None:
        self.state = state
        self.home = home
        self.files = Files()
        self.programs = programs
        self.expander = Expander(self)
        self._steps = 0
        self._end = time.monotonic() + _MAX_S
        self._depth = 0
        self._redirections = Redirections(self)
        self._calls = Calls(self, self._redirections)
        self._assignments = Assignments(self, self._calls)
        self._statements: Final = self._followers()

    def _followers(self) -> Mapping[str, Callable[[Node], Stream]]:
        """Returns who follows a statement, by the type of its node."""
        branches = Branches(self, self._assignments)
        return {
            "program": self.block,
            "command": self._command,
            "list": branches.and_or,
            "pipeline": self._pipeline,
            "redirected_statement": self._redirections.redirected,
            "subshell": self._subshell,
            "compound_statement": self._compound,
            "do_group": self.block,
            "negated_command": self.block,
            "if_statement": branches.condition,
            "elif_clause": self.block,
            "else_clause": self.block,
            "for_statement": branches.for_words,
            "c_style_for_statement": branches.loop,
            "while_statement": branches.loop,
            "case_statement": branches.case,
            "function_definition": self._calls.define,
            "variable_assignment": self._assignments.assignment,
            "variable_assignments": self._assignments.assignments,
            "declaration_command": self._assignments.declaration,
            "unset_command": self._assignments.unset,
            "test_command": self._test,
            "ERROR": self.block,
        }

    @property
    def statements(self) -> Collection[str]:
        """The types of nodes that are followed."""
        return self._statements

    # -- scripts ------------------------------------------------------------------------------------------------

    def run_text(self, text: str) -> Stream:
        """Follows a script in this shell and returns what it prints.

        Raises:
            TooComplex: It is too long or nested too deeply.
        """
        if len(text) > MAX_TEXT:
            raise TooComplex
        ready = prepared(text)
        root = parse(ready)
        if root.has_error:
            marked = braces_as_commands(ready)
            root = parse(marked) if marked != ready else root
        if root.has_error:
            self.programs.undecided("it cannot be read as a shell script")
        elif UNKNOWN in text:
            self.programs.undecided("a part of the script that it runs is not known")
        return self._deeper(partial(self.block, root))

    def run_words(self, words: Sequence[Word], *, stdin: Stream | None = None, plain: bool = True) -> Stream:
        """Follows a command that another one starts, such as `sudo`."""
        if not words:
            return EMPTY
        self.step()
        command = Command(words=tuple(words), input=self.state.input if stdin is None else stdin, plain=plain)
        return self._deeper(partial(self.dispatch, command))

    def in_copy(self, action: Callable[[], Stream]) -> Stream:
        """Runs something in a subshell: what it changes does not stay."""
        before = self.state
        self.state = before.copy()
        try:
            return action()
        finally:
            self.state = before

    def undecided(self, reason: str) -> None:
        """Records that a part of the script cannot be decided."""
        self.programs.undecided(reason)

    def path(self, text: str) -> str | None:
        """Returns the absolute path of a text; None if the folder is not known."""
        if text.startswith("/"):
            return posixpath.normpath(text).replace("//", "/")
        if self.state.folder is None:
            return None
        return posixpath.normpath(posixpath.join(self.state.folder, text))

    # -- bounds -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Counts a statement, or a look at the disk.

        Raises:
            TooComplex: There are too many, or they take too long.
        """
        self._steps += 1
        if self._steps > MAX_STEPS or (self._steps % 32 == 0 and time.monotonic() > self._end):
            raise TooComplex

    def _deeper(self, action: Callable[[], Stream]) -> Stream:
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise TooComplex
            return action()
        finally:
            self._depth -= 1

    def apart(self, action: Callable[[], Stream]) -> Stream:
        """Runs something in a subshell, one level deeper."""
        return self._deeper(partial(self.in_copy, action))

    # -- statements ---------------------------------------------------------------------------------------------

    def statement(self, node: Node) -> Stream:
        """Follows one statement."""
        self.step()
        redirections = self._redirections.waiting_for(node)
        if redirections is not None:
            return self._redirections.around(node, redirections)
        if node.type in self._statements:
            return self.follow(node)
        if node.type in _IGNORED or not node.is_named:
            return EMPTY
        if node.type in {"word", "number", "string", "raw_string", "concatenation", "command_name", "variable_name"}:
            self.expander.words(node)  # the rest of a script that the parser refused
        else:
            self.inside(node)
        return EMPTY

    def follow(self, node: Node) -> Stream:
        """Follows a statement that has been counted, without the redirections around it."""
        return self._deeper(partial(self._statements[node.type], node))

    def inside(self, node: Node) -> None:
        """Runs the substitutions of a node that is no command: an arithmetic or a test."""
        for child in node.named_children:
            self.expander.encoded(child) if child.type in {
                "command_substitution",
                "process_substitution",
            } else self.inside(child)

    def block(self, node: Node) -> Stream:
        """Follows the statements of a node, one after the other."""
        children = node.children
        out = []
        for index, child in enumerate(children):
            if not child.is_named:
                continue
            background = index + 1 < len(children) and children[index + 1].type == "&"
            if background:
                self._calls.look_for_bomb(child)
            stream = self.in_copy(partial(self.statement, child)) if background else self.statement(child)
            if stream is not EMPTY:
                out.append(stream)
        return joined(out)

    def _compound(self, node: Node) -> Stream:
        if node.children and node.children[0].type == "((":
            self.inside(node)
            for child in node.named_children:
                self._assignments.forget(child)
            return EMPTY
        return self.block(node)

    def _subshell(self, node: Node) -> Stream:
        return self.in_copy(lambda: self.block(node))

    def _pipeline(self, node: Node) -> Stream:
        return self.piped(node.named_children, self.state.input)

    def piped(self, parts: Sequence[Node], first: Stream) -> Stream:
        """Follows the commands of a pipe, of which the first has an input."""
        if len(parts) > 1:
            for part in parts:
                self._calls.look_for_bomb(part)
        stream = first
        for part in parts:
            stream = self._with_input(part, stream)
        return stream

    def _with_input(self, node: Node, stream: Stream) -> Stream:
        def run() -> Stream:
            self.state.input = stream
            return self.statement(node)

        return self.in_copy(run)

    def _test(self, node: Node) -> Stream:
        self.inside(node)
        text = source(node)
        flag = _OF_VARIABLE.search(text)
        if flag is not None and "'" in text and _IN_INDEX.search(text, flag.end()):
            self.undecided("a test may run a command in the index of a variable")
        return EMPTY

    # -- simple commands ----------------------------------------------------------------------------------------

    def _command(self, node: Node) -> Stream:
        redirections = self._redirections
        behind = redirections.behind()
        words: list[Word] = []
        assignments: dict[str, Value] = {}
        stdin = self.state.input
        outputs: list[Node] = []
        for child in node.children:
            if child.type == "variable_assignment":
                assignments |= self._assignments.values(child)
            elif child.type == "herestring_redirect":
                stdin = redirections.here_string(child)
            elif child.type == "file_redirect":
                stdin = redirections.file_input(child, stdin)
                outputs.append(child)
            elif child.is_named:
                words.extend(self.expander.words(child))
            elif child.type not in {"(", ")"}:
                words.append(Word(source(child)))
        for extra in (*(each for output in outputs for each in words_behind(output)), *behind):
            words.extend(self.expander.words(extra))
        for name, value in assignments.items():
            self.programs.assigned(name, value, self)
        if not words:
            self.state.variables.update(assignments)
            return redirections.outputs(outputs, EMPTY, by=None)
        stream = self.dispatch(Command(words=tuple(words), assignments=assignments, input=stdin))
        return redirections.outputs(outputs, stream, by=words[0].text) if outputs else stream

    def dispatch(self, command: Command) -> Stream:
        """Runs a command: an alias, a function, or else a program."""
        return self._calls.dispatch(command)

    # -- substitutions ------------------------------------------------------------------------------------------

    def substitution(self, node: Node) -> Stream:
        """Runs the commands of `$(…)` and returns what they print."""

        def run() -> Stream:
            self.state.input = EMPTY
            first = next(iter(node.named_children), None)
            if first is not None and first.type == "file_redirect" and node.named_child_count == 1:
                return self._redirections.file_input(first, EMPTY)
            return self.block(node)

        return self.apart(run)

    def process(self, node: Node) -> str:
        """Runs the commands of `<(…)` or `>(…)` and returns the path of the pipe."""
        writes = node.children[0].type == ">("
        path = f"/dev/fd/aurora-{node.start_byte}"

        def run() -> Stream:
            self.state.input = NOT_KNOWN if writes else EMPTY
            return self.block(node)

        stream = self.apart(run)
        if not writes:
            self.files.content[path] = stream
        return path
