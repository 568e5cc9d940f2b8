"""Follows a script as bash would run it, and hands each simple command to the programs that judge it.

Both branches of a condition are followed, and a loop as often as its words are known. What differs between branches
is not known afterwards. The work is bounded: a script that is too long or too deep raises `TooComplex`.
"""

from __future__ import annotations

import posixpath
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from aurora_policies.shell.command import Command, quote
from aurora_policies.shell.expand import Expander, source
from aurora_policies.shell.loops import piles_up
from aurora_policies.shell.parse import TooComplex, parse
from aurora_policies.shell.source import braces_as_commands, prepared
from aurora_policies.shell.state import Files, State, Value
from aurora_policies.shell.stream import EMPTY, NOT_KNOWN, Stream, joined
from aurora_policies.shell.words import UNKNOWN, Word, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tree_sitter import Node

__all__ = ["Programs", "Shell"]

MAX_TEXT: Final = 256_000
MAX_STEPS: Final = 4_000
MAX_DEPTH: Final = 40
MAX_TURNS: Final = 12
"""The words of a loop that are followed one by one."""
_MAX_S: Final = 2.0
MAX_VALUE: Final = 100_000
"""The longest text of a variable that is followed."""
_IGNORED: Final = frozenset({"comment", "heredoc_body", "heredoc_end", "heredoc_start", "file_descriptor"})


class Programs(Protocol):
    """The programs of a machine: what a command does, and what it prints."""

    def run(self, command: Command, shell: Shell) -> Stream:
        """Judges a command and returns its standard output."""

    def read(self, target: Word, shell: Shell) -> Stream:
        """Returns the content of a file that is an input."""

    def write(self, target: Word, content: Stream, shell: Shell, *, append: bool, by: str | None) -> None:
        """Records that a redirection writes a file.

        Args:
            by: the name of the command whose output it is; None for none.
        """

    def assigned(self, name: str, value: Value, shell: Shell) -> None:
        """Records that a variable is set for this command or all later ones."""

    def undecided(self, reason: str) -> None:
        """Records that a part cannot be decided."""

    def fork_bomb(self, name: str) -> None:
        """Records a function that starts itself without end."""

    def piles_up(self) -> None:
        """Records a loop that starts programs without end."""


class Shell:
    """A shell that follows scripts."""

    def __init__(self, programs: Programs, *, state: State, home: str) -> None:
        self.state = state
        self.home = home
        self.files = Files()
        self.programs = programs
        self._expander = Expander(self)
        self._steps = 0
        self._end = time.monotonic() + _MAX_S
        self._depth = 0
        self._calls: list[str] = []
        self._locals: list[dict[str, Value | None]] = []
        """For each function that is running, the outer values of the variables that it has made its own."""
        self._waiting: dict[int, Sequence[Node]] = {}
        """Redirections of a pipeline or a list, by the id of its last command."""
        self._behind: tuple[Node, ...] = ()
        """Words of the next command that stand behind its redirections."""
        self._statements: Final[Mapping[str, Callable[[Node], Stream]]] = {
            "program": self._block,
            "command": self._command,
            "list": self._list,
            "pipeline": self._pipeline,
            "redirected_statement": self._redirected,
            "subshell": self._subshell,
            "compound_statement": self._compound,
            "do_group": self._block,
            "negated_command": self._block,
            "if_statement": self._if,
            "elif_clause": self._block,
            "else_clause": self._block,
            "for_statement": self._for,
            "c_style_for_statement": self._loop,
            "while_statement": self._loop,
            "case_statement": self._case,
            "function_definition": self._function,
            "variable_assignment": self._assignment,
            "variable_assignments": self._assignments,
            "declaration_command": self._declaration,
            "unset_command": self._unset,
            "test_command": self._test,
            "ERROR": self._block,
        }

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
        return self._deeper(self._block, root)

    def run_words(self, words: Sequence[Word], *, stdin: Stream | None = None, plain: bool = True) -> Stream:
        """Follows a command that another one starts, such as `sudo`."""
        if not words:
            return EMPTY
        self.step()
        command = Command(words=tuple(words), input=self.state.input if stdin is None else stdin, plain=plain)
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise TooComplex
            return self.dispatch(command)
        finally:
            self._depth -= 1

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

    # -- statements ---------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Counts a statement, or a look at the disk.

        Raises:
            TooComplex: There are too many, or they take too long.
        """
        self._steps += 1
        if self._steps > MAX_STEPS or (self._steps % 32 == 0 and time.monotonic() > self._end):
            raise TooComplex

    def _deeper(self, run: Callable[[Node], Stream], node: Node) -> Stream:
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise TooComplex
            return run(node)
        finally:
            self._depth -= 1

    def statement(self, node: Node) -> Stream:
        """Follows one statement."""
        self.step()
        redirections = self._waiting.pop(node.id, None)
        if redirections is not None:
            return self._with_redirections(node, redirections)
        run = self._statements.get(node.type)
        if run is not None:
            return self._deeper(run, node)
        if node.type in _IGNORED or not node.is_named:
            return EMPTY
        if node.type in {"word", "number", "string", "raw_string", "concatenation", "command_name", "variable_name"}:
            self._expander.words(node)  # the rest of a script that the parser refused
        else:
            self._inside(node)
        return EMPTY

    def _inside(self, node: Node) -> None:
        """Runs the substitutions of a node that is no command: an arithmetic or a test."""
        for child in node.named_children:
            self._expander.encoded(child) if child.type in {
                "command_substitution",
                "process_substitution",
            } else self._inside(child)

    def _block(self, node: Node) -> Stream:
        children = node.children
        out = []
        for index, child in enumerate(children):
            if not child.is_named:
                continue
            background = index + 1 < len(children) and children[index + 1].type == "&"
            if background and self._calls:
                self._starts_itself(child)
            stream = self.in_copy(partial(self.statement, child)) if background else self.statement(child)
            if stream is not EMPTY:
                out.append(stream)
        return joined(out)

    def _compound(self, node: Node) -> Stream:
        if node.children and node.children[0].type == "((":
            self._inside(node)
            for child in node.named_children:
                self._forget(child)
            return EMPTY
        return self._block(node)

    def _forget(self, node: Node) -> None:
        """Marks the variables of an arithmetic as not known."""
        if node.type in {"variable_name", "word"} and source(node).isidentifier():
            self.state.variables[source(node)] = UNKNOWN
        for child in node.named_children:
            self._forget(child)

    def _subshell(self, node: Node) -> Stream:
        return self.in_copy(lambda: self._block(node))

    def _list(self, node: Node) -> Stream:
        spine = []  # `a && b || c` leans to the left, as deep as it is long
        while node.type == "list":
            operator = next((child.type for child in node.children if child.type in {"&&", "||"}), "&&")
            parts = node.named_children
            spine.append((operator, parts[1:]))
            if not parts:
                return EMPTY
            node = parts[0]
        out = [self.statement(node)]
        for operator, parts in reversed(spine):
            before = self.state.copy()
            out.extend(self._perhaps(part) for part in parts)
            if operator == "||" and parts and _leaves(parts[-1]):
                self.state.become(before)
            else:
                self.state.join(before, keep_folder=operator == "&&")
        return joined([each for each in out if each is not EMPTY])

    def _perhaps(self, node: Node) -> Stream:
        """Follows a statement that may not run, so that what was true before it may still be."""
        self.files.perhaps += 1
        try:
            return self.statement(node)
        finally:
            self.files.perhaps -= 1

    def _pipeline(self, node: Node) -> Stream:
        return self._piped(node.named_children, self.state.input)

    def _piped(self, parts: Sequence[Node], first: Stream) -> Stream:
        if len(parts) > 1 and self._calls:
            for part in parts:
                self._starts_itself(part)
        stream = first
        for part in parts:
            stream = self._with_input(part, stream)
        return stream

    def _with_input(self, node: Node, stream: Stream) -> Stream:
        def run() -> Stream:
            self.state.input = stream
            return self.statement(node)

        return self.in_copy(run)

    def _starts_itself(self, node: Node) -> None:
        """Looks for a function that starts itself in a pipeline or in the background: a fork bomb."""
        name = node.child_by_field_name("name") if node.type == "command" else None
        if name is not None and source(name) in self._calls:
            self.programs.fork_bomb(source(name))
        elif node.type in {"pipeline", "list", "redirected_statement", "subshell", "compound_statement"}:
            for child in node.named_children:
                self._starts_itself(child)

    def _if(self, node: Node) -> Stream:
        """Follows the condition, then each branch from the state after it."""
        branches: list[list[Node]] = [[]]
        out = []
        for index, child in enumerate(node.children):
            if node.field_name_for_child(index) == "condition":
                out.append(self.statement(child))
            elif child.type in {"elif_clause", "else_clause"}:
                branches.append([child])
            elif child.is_named:
                branches[0].append(child)
        complete = any(branch and branch[0].type == "else_clause" for branch in branches)
        return joined([*out, *self._branches(branches, complete=complete)])

    def _branches(self, branches: Sequence[Sequence[Node]], *, complete: bool) -> list[Stream]:
        """Follows alternatives.

        Args:
            complete: one of them is taken in any case.
        """
        before = self.state.copy()
        ends: list[State] = [] if complete else [before.copy()]
        out: list[Stream] = []
        for branch in branches:
            self.state.become(before.copy())
            out.extend(self._perhaps(child) for child in branch)
            if not (branch and _leaves(branch[-1])):
                ends.append(self.state.copy())
        if ends:
            self.state.become(ends[0])
            for end in ends[1:]:
                self.state.join(end)
        streams = [each for each in out if each is not EMPTY]
        return streams if complete and len(streams) < 2 else [*streams, NOT_KNOWN] if streams else []

    def _case(self, node: Node) -> Stream:
        value = node.child_by_field_name("value")
        if value is not None:
            self._expander.words(value)
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
            self._inside_values(item)
        return joined(self._branches(bodies, complete=False))

    def _inside_values(self, item: Node) -> None:
        for index, child in enumerate(item.children):
            if item.field_name_for_child(index) == "value":
                self._inside(child)

    def _for(self, node: Node) -> Stream:
        name = node.child_by_field_name("variable")
        body = node.child_by_field_name("body")
        values: list[Word] = []
        given = False
        for index, child in enumerate(node.children):
            if node.field_name_for_child(index) == "value":
                given = True
                values.extend(self._expander.words(child))
        if name is None or body is None:
            return EMPTY
        if not given:
            values = [Word(each) for each in self.state.arguments] if self.state.arguments is not None else [_ANY]
        known = len(values) <= MAX_TURNS and not any(word.glob or word.splits for word in values)
        if known and node.children[0].type == "for":
            return self._turns(source(name), [word.text for word in values], body)
        pattern = values[0].text if len(values) == 1 and values[0].glob else UNKNOWN
        self.state.variables[source(name)] = UNKNOWN + pattern.replace("*", UNKNOWN).replace("?", UNKNOWN)
        return self._twice([body])

    def _turns(self, name: str, values: Sequence[str], body: Node) -> Stream:
        before = self.state.copy()
        out = []
        for value in values:
            self.state.variables[name] = value
            out.append(self.statement(body))
        if values:
            before.variables[name] = values[-1]
            self.state.join(before)
        return joined([each for each in out if each is not EMPTY])

    def _loop(self, node: Node) -> Stream:
        if piles_up(node):
            self.programs.piles_up()
        for child in node.named_children:
            if child.type in {"variable_assignment", "postfix_expression", "binary_expression", "unary_expression"}:
                self._inside(child)
                self._forget(child)
        return self._twice(
            [
                child
                for child in node.named_children
                if child.type in self._statements and child.type != "variable_assignment"
            ]
        )

    def _twice(self, parts: Sequence[Node]) -> Stream:
        """Follows the body of a loop from the state before it, and once more from any state that it may lead to."""
        before = self.state.copy()
        first = [self.statement(part) for part in parts]
        if before.variables != self.state.variables or before.folder != self.state.folder:
            self.state.join(before)
            for part in parts:
                self.statement(part)
            self.state.join(before)
        return NOT_KNOWN if any(each is not EMPTY for each in first) else EMPTY

    def _function(self, node: Node) -> Stream:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self.state.functions[source(name)] = (node,)
            if source(name) in _HANDLERS:  # bash calls it whenever a program is not found
                self._deeper(lambda _node: self.in_copy(lambda: self.statement(body)), node)
        return EMPTY

    # -- variables ----------------------------------------------------------------------------------------------

    def _assignment(self, node: Node) -> Stream:
        for name, value in self._assigned(node).items():
            self.state.variables[name] = value
            self.programs.assigned(name, value, self)
        return EMPTY

    def _assigned(self, node: Node) -> dict[str, Value]:
        target, value_node = node.child_by_field_name("name"), node.child_by_field_name("value")
        if target is None:
            return {}
        if target.type == "subscript":
            self._inside(target)
            inner = target.child_by_field_name("name")
            self._value_of(value_node)
            return {source(inner): UNKNOWN} if inner is not None else {}
        name = source(target)
        value = self._value_of(value_node)
        if any(child.type == "+=" for child in node.children):
            before = self.state.variables.get(name, UNKNOWN)
            short = isinstance(before, str) and isinstance(value, str) and len(before) + len(value) <= MAX_VALUE
            value = f"{before}{value}" if short else UNKNOWN
        return {name: value}

    def _value_of(self, node: Node | None) -> Value:
        if node is None:
            return ""
        if node.type == "array":
            return self._expander.array(node)
        text = self._expander.text(node)
        return text if len(text) <= MAX_VALUE else UNKNOWN

    def _assignments(self, node: Node) -> Stream:
        for child in node.named_children:
            self._assignment(child)
        return EMPTY

    def _declaration(self, node: Node) -> Stream:
        keyword = node.children[0].type if node.children else "declare"
        words = [Word(keyword)]
        values: dict[str, Value] = {}
        for child in node.named_children:
            if child.type == "variable_assignment":
                found = self._assigned(child)
                if "," in source(child) and "{" in source(child):
                    found = dict.fromkeys(found, UNKNOWN)  # its braces are expanded, into several assignments
                values |= found
                words.extend(map(Word, found))
            else:
                words.extend(self._expander.words(child))
        if self._locals and keyword in {"local", "declare", "typeset"} and Word("-g") not in words:
            for name in (word.text for word in words[1:] if word.text.isidentifier()):
                self._locals[-1].setdefault(name, self.state.variables.get(name))
        if any(re.fullmatch(r"-\w*n\w*", word.text) for word in words):  # names for other variables
            values = dict.fromkeys((*values, *(str(each) for each in values.values())), UNKNOWN)
        for name, value in values.items():
            self.state.variables[name] = value
            self.programs.assigned(name, value, self)
        return self.programs.run(Command(words=tuple(words), input=self.state.input), self)

    def _unset(self, node: Node) -> Stream:
        words = [word for child in node.named_children for word in self._expander.words(child)]
        return self.programs.run(Command(words=(Word("unset"), *words), input=self.state.input), self)

    def _test(self, node: Node) -> Stream:
        self._inside(node)
        if _INDEX_COMMAND.search(source(node)) and "'" in source(node):
            self.undecided("a test may run a command in the index of a variable")
        return EMPTY

    # -- simple commands ----------------------------------------------------------------------------------------

    def _command(self, node: Node) -> Stream:
        behind, self._behind = self._behind, ()
        words: list[Word] = []
        assignments: dict[str, Value] = {}
        stdin = self.state.input
        outputs: list[Node] = []
        for child in node.children:
            if child.type == "variable_assignment":
                assignments |= self._assigned(child)
            elif child.type == "herestring_redirect":
                stdin = Stream(self._here_string(child))
            elif child.type == "file_redirect":
                stdin = self._file_input(child, stdin)
                outputs.append(child)
            elif child.is_named:
                words.extend(self._expander.words(child))
            elif child.type not in {"(", ")"}:
                words.append(Word(source(child)))
        for extra in (*(each for output in outputs for each in _words_behind(output)), *behind):
            words.extend(self._expander.words(extra))
        for name, value in assignments.items():
            self.programs.assigned(name, value, self)
        if not words:
            self.state.variables.update(assignments)
            return self._outputs(outputs, EMPTY, by=None)
        stream = self.dispatch(Command(words=tuple(words), assignments=assignments, input=stdin))
        return self._outputs(outputs, stream, by=words[0].text) if outputs else stream

    def _here_string(self, node: Node) -> str:
        content = next(iter(node.named_children), None)
        return self._expander.text(content) + "\n"

    def dispatch(self, command: Command) -> Stream:
        """Runs a command: an alias, a function, or else a program."""
        name = command.words[0].text
        if not command.plain:
            alias = self.state.aliases.get(name)
            if alias is not None and f"alias {name}" not in self._calls:
                self._aliased(name, alias, command)
            bodies = self.state.functions.get(name)
            if bodies:
                out = [self._called(name, body, command) for body in bodies if body is not None]
                if None in bodies:
                    out.append(self.programs.run(command, self))
                return joined(out)
        return self.programs.run(command, self)

    def _aliased(self, name: str, alias: str, command: Command) -> None:
        """Follows what an alias stands for; a shell that is not interactive may ignore it, so both are judged."""
        rest = " ".join(quote(word.text) for word in command.words[1:])
        self._calls.append(f"alias {name}")
        try:
            self.in_copy(lambda: self.run_text(f"{alias} {rest}"))
        finally:
            self._calls.pop()

    def _called(self, name: str, definition: Node, command: Command) -> Stream:
        depth = self._calls.count(name)
        if depth >= 2:
            return NOT_KNOWN
        body = definition.child_by_field_name("body")
        if body is None:
            return EMPTY
        before = self.state.arguments, self.state.input
        loose = any(word.splits or word.glob for word in command.words[1:])
        self.state.arguments = None if depth or loose else tuple(word.text for word in command.words[1:])
        self.state.input = command.input
        self._calls.append(name)
        self._locals.append({})
        try:
            stream = self.statement(body)
            redirects = [child for child in definition.children if child.type == "file_redirect"]
            return self._outputs(redirects, stream, by=name)
        finally:
            self._calls.pop()
            for variable, value in self._locals.pop().items():
                if value is None:
                    self.state.variables.pop(variable, None)
                else:
                    self.state.variables[variable] = value
            self.state.arguments, self.state.input = before

    # -- redirections -------------------------------------------------------------------------------------------

    def _redirected(self, node: Node) -> Stream:
        body = node.child_by_field_name("body")
        return self._with_redirections(
            body, [child for child in node.children if body is None or child.id != body.id]
        )

    def _with_redirections(self, body: Node | None, redirections: Sequence[Node]) -> Stream:
        """Follows a statement with its redirections; those of a pipeline or a list belong to its last command."""
        if body is not None and body.type in {"pipeline", "list", "negated_command"} and body.named_children:
            self._waiting[body.named_children[-1].id] = redirections
            return self._deeper(self._statements[body.type], body)
        outputs: list[Node] = []
        after: list[Node] = []
        pipes: list[Node] = []
        behind: list[Node] = []
        stdin = self.state.input
        for child in redirections:
            if child.type == "file_redirect":
                stdin = self._file_input(child, stdin)
                outputs.append(child)
                behind.extend(_words_behind(child))
            elif child.type == "herestring_redirect":
                stdin = Stream(self._here_string(child))
            elif child.type == "heredoc_redirect":
                stdin = self._heredoc(child, outputs, pipes, after)
                behind.extend(child.children_by_field_name("argument"))
            elif child.type == "ERROR":
                self._block(child)
        stream = self._program(behind, stdin) if body is None else self._fed(body, stdin, behind)
        stream = self._outputs(outputs, stream, by=_name_of(body) if body is not None else None)
        if pipes:
            stream = self._piped(pipes, stream)
        for each in after:
            self.statement(each)
        return stream if not after else NOT_KNOWN

    def _program(self, nodes: Sequence[Node], stdin: Stream) -> Stream:
        """Follows a command whose words all stand behind a redirection."""
        words = tuple(word for node in nodes for word in self._expander.words(node))
        return self.dispatch(Command(words=words, input=stdin)) if words else EMPTY

    def _fed(self, node: Node, stdin: Stream, behind: Sequence[Node]) -> Stream:
        """Follows a statement with another standard input, and further words, in this shell."""
        if behind and node.type in {"variable_assignment", "variable_assignments"}:
            self.statement(node)  # `A=1 >log rm x`
            return self._program(behind, stdin)
        if behind and node.type != "command":
            self.undecided("words behind a redirection cannot be followed")
        self._behind = tuple(behind) if node.type == "command" else ()
        before = self.state.input
        self.state.input = stdin
        try:
            return self.statement(node)
        finally:
            self.state.input = before

    def _heredoc(self, node: Node, outputs: list[Node], pipes: list[Node], after: list[Node]) -> Stream:
        """Returns the text of a here-document; what stands behind it in its line is sorted into the three lists."""
        start = next((child for child in node.children if child.type == "heredoc_start"), None)
        data = start is not None and source(start) != source(start).translate(_NO_QUOTES)
        content = Stream("")
        for index, child in enumerate(node.children):
            if child.type == "heredoc_body":
                content = Stream(source(child) if data else decoded(self._expander.between(child, skip="")))
            elif child.type == "file_redirect":
                outputs.append(child)
            elif child.type == "pipeline":
                pipes.extend(child.named_children)
            elif node.field_name_for_child(index) == "right":
                after.append(child)
            elif child.type in self._statements:
                self.undecided("what stands behind a here-document cannot be followed")
                self.statement(child)
        return content

    def _file_input(self, node: Node, stdin: Stream) -> Stream:
        target = node.child_by_field_name("destination")
        if target is None:
            return stdin
        if any(child.type == "<" for child in node.children):
            return self.programs.read(self._expander.target(target), self)
        if any(child.type == "<&" for child in node.children) and not any(
            child.type == "file_descriptor" for child in node.children
        ):  # what a descriptor holds that was opened before is not followed
            return stdin if source(target) == "0" else NOT_KNOWN
        return stdin

    def _outputs(self, redirects: Sequence[Node], stream: Stream, *, by: str | None) -> Stream:
        """Writes the files that the output goes to; returns what is left for the pipe."""
        left = stream
        for node in redirects:
            operator = next((child.type for child in node.children if not child.is_named), "<")
            target_node = node.child_by_field_name("destination")
            if operator.startswith("<") and operator != "<>":
                continue
            descriptor = next((source(child) for child in node.children if child.type == "file_descriptor"), "1")
            if target_node is None:
                continue
            target = self._expander.target(target_node)
            content = left if descriptor == "1" else Stream(None)
            if operator in {">&", "<&", ">&-", "<&-"} and re.fullmatch(r"\d*-?", target.text):
                if self.files.connection is None or target.text in {"1", "2", "-"} or descriptor != "1":
                    continue
                target = self.files.connection  # one of the open descriptors leads to the network
            elif target.text.startswith(_NETWORK):
                self.files.connection = target
            self.programs.write(target, content, self, append=">>" in operator, by=by)
            if descriptor == "1" and target.text not in {"/dev/stdout", "/dev/stderr", "/dev/fd/1"}:
                left = EMPTY
        return left

    # -- substitutions ------------------------------------------------------------------------------------------

    def substitution(self, node: Node) -> Stream:
        """Runs the commands of `$(…)` and returns what they print."""

        def run() -> Stream:
            self.state.input = EMPTY
            first = next(iter(node.named_children), None)
            if first is not None and first.type == "file_redirect" and node.named_child_count == 1:
                return self._file_input(first, EMPTY)
            return self._block(node)

        return self._deeper(lambda _node: self.in_copy(run), node)

    def process(self, node: Node) -> str:
        """Runs the commands of `<(…)` or `>(…)` and returns the path of the pipe."""
        writes = node.children[0].type == ">("
        path = f"/dev/fd/aurora-{node.start_byte}"

        def run() -> Stream:
            self.state.input = NOT_KNOWN if writes else EMPTY
            return self._block(node)

        stream = self._deeper(lambda _node: self.in_copy(run), node)
        if not writes:
            self.files.content[path] = stream
        return path


def _words_behind(redirect: Node) -> list[Node]:
    """Returns the words behind the target of a redirection, which the grammar takes for further targets."""
    return redirect.children_by_field_name("destination")[1:]


_HANDLERS: Final = frozenset({"command_not_found_handle", "command_not_found_handler"})
_NETWORK: Final = ("/dev/tcp/", "/dev/udp/")
_ANY: Final = Word(UNKNOWN, splits=True)
_INDEX_COMMAND: Final = re.compile(r"-[vR]\s.*\[[^\]]*(\$\(|`)", re.DOTALL)
_NO_QUOTES: Final = {ord(character): None for character in "\\'\""}
_LEAVING: Final = frozenset({"exit", "return", "continue", "break"})


def _leaves(node: Node) -> bool:
    """Tells whether a branch certainly ends the script or the function, so that nothing follows it."""
    if node.type in {"compound_statement", "else_clause", "elif_clause", "subshell"} and node.named_children:
        return node.type != "subshell" and _leaves(node.named_children[-1])
    return _name_of(node) in _LEAVING


def _name_of(node: Node) -> str | None:
    name = node.child_by_field_name("name") if node.type == "command" else None
    if name is None and node.type == "redirected_statement":
        body = node.child_by_field_name("body")
        return _name_of(body) if body is not None else None
    return source(name) if name is not None else (node.type if node.type != "command" else None)
