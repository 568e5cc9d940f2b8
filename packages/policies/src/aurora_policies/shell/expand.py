"""Expands the words of a script as bash does: quotes, escapes, variables, substitutions, braces and tildes."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final, Protocol

from aurora_policies.shell.words import LOOSE, TAINT, UNKNOWN, Word, decoded, finish, quoted, spread, unquoted_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tree_sitter import Node

    from aurora_policies.shell.state import State, Value
    from aurora_policies.shell.stream import Stream

__all__ = ["Expander", "Substitutes", "source"]

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE_IN_QUOTES: Final = re.compile(r"\\([$`\"\\])")
_ANSI: Final = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|c(.))",
    re.DOTALL,
)
_ANSI_CHARACTERS: Final = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))
_FIXED: Final = {"IFS": " \t\n", "BASH": "/bin/bash", "SHELL": "/bin/bash", "$": "4242", "-": "hB"}
_PARAMETERS: Final = frozenset({'"$@"', '"${@}"'})
_TRIMS: Final = frozenset({"#", "##", "%", "%%"})
_DEFAULTS: Final = frozenset({":-", "-", ":=", "=", ":+", "+", ":?", "?"})
_GLOB_CHARACTERS: Final = re.compile(r"[*?\[]")


class Substitutes(Protocol):
    """The shell, as an expansion that stands in it needs it."""

    state: State
    home: str

    def substitution(self, node: Node) -> Stream:
        """Runs the commands of `$(…)` and returns what they print."""

    def process(self, node: Node) -> str:
        """Runs the commands of `<(…)` or `>(…)` and returns the path of the pipe."""

    def undecided(self, reason: str) -> None:
        """Records that a part of the script cannot be decided."""


class Expander:
    """Expands the nodes of one shell."""

    def __init__(self, shell: Substitutes) -> None:
        self._shell = shell
        self._readers_alike: Final[Mapping[str, Callable[[Node], str]]] = {
            "extglob_pattern": source,
            "regex": source,
            "string": self._string,
            "ansi_c_string": self._ansi,
            "process_substitution": self._process,
            "arithmetic_expansion": self._arithmetic,
            "array": lambda _node: LOOSE,
        }
        self._readers: Final[Mapping[str, Callable[[Node, bool], str]]] = {
            "word": self._plain,
            "number": self._plain,
            "variable_name": self._plain,
            "test_operator": self._plain,
            "special_variable_name": self._plain,
            "command_name": self._children,
            "concatenation": self._children,
            "raw_string": self._raw,
            "translated_string": self._children,
            "simple_expansion": self._simple,
            "expansion": self._expansion,
            "command_substitution": self._substitution,
            "brace_expression": self._plain,
        }

    def words(self, node: Node) -> list[Word]:
        """Returns the words that a node becomes: none, one or many."""
        return finish(self.encoded(node), self._shell.home)

    def text(self, node: Node | None) -> str:
        """Returns the text of a node that is one word whatever is in it, such as the value of an assignment."""
        if node is None:
            return ""
        return decoded(self.encoded(node), self._shell.home)

    def target(self, node: Node) -> Word:
        """Returns the target of a redirection."""
        words = self.words(node)
        return words[0] if len(words) == 1 else Word(UNKNOWN)

    def encoded(self, node: Node, *, in_quotes: bool = False) -> str:
        """Returns a node's text with the marks of a word that is being built."""
        read = self._readers.get(node.type)
        if read is not None:
            return read(node, in_quotes)
        read_alike = self._readers_alike.get(node.type)
        if read_alike is not None:
            return read_alike(node)
        if not node.is_named:
            return source(node)
        for child in node.named_children:
            self.encoded(child)
        return LOOSE

    def between(self, node: Node, *, skip: str) -> str:
        """Returns the text of a node that is text with expansions in it: a string, a here-document.

        Args:
            skip: the type of the quotes at both ends.
        """
        content = node.text or b""
        start, at, out = node.start_byte, node.start_byte, []
        for child in node.children:
            if child.type in {"string_content", "heredoc_content"}:
                continue
            out.append(_in_quotes(content[at - start : child.start_byte - start]))
            if child.type != skip:
                out.append(self.encoded(child, in_quotes=True) if child.is_named else quoted(source(child)))
            at = child.end_byte
        out.append(_in_quotes(content[at - start :]))
        return "".join(out)

    def _plain(self, node: Node, in_quotes: bool) -> str:
        text = source(node)
        if in_quotes:
            return quoted(text)
        if "\\" not in text:
            return text
        return _ESCAPE.sub(lambda match: quoted(match[1]), text)

    def _children(self, node: Node, in_quotes: bool) -> str:
        return "".join(self.encoded(child, in_quotes=in_quotes) for child in node.children)

    def _string(self, node: Node) -> str:
        if source(node) in _PARAMETERS:
            return self._listed(self._shell.state.arguments, joined=False, in_quotes=True)
        return self.between(node, skip='"') + quoted("")

    def _raw(self, node: Node, in_quotes: bool) -> str:
        text = source(node)
        return quoted(text if in_quotes else text[1:-1])

    def _ansi(self, node: Node) -> str:
        return quoted(_ANSI.sub(_ansi_character, source(node)[2:-1]))

    def _simple(self, node: Node, in_quotes: bool) -> str:
        name = source(node)[1:]
        if name in {"@", "*"}:
            return self._listed(self._shell.state.arguments, joined=name == "*", in_quotes=in_quotes)
        return _value(self._variable(name), in_quotes)

    def _variable(self, name: str) -> Value:
        state = self._shell.state
        if name in state.variables:
            return state.variables[name]
        if name.isdigit():
            return self._argument(int(name))
        if name == "#":
            return UNKNOWN if state.arguments is None else str(len(state.arguments))
        if name == "HOME":
            return self._shell.home
        if name == "PWD":
            return UNKNOWN if state.folder is None else state.folder
        return _FIXED.get(name, UNKNOWN)

    def _argument(self, number: int) -> str:
        arguments = self._shell.state.arguments
        if number == 0:
            return self._shell.state.name
        if arguments is None:
            return UNKNOWN
        return arguments[number - 1] if number <= len(arguments) else ""

    def _listed(self, values: tuple[str, ...] | None, *, joined: bool, in_quotes: bool) -> str:
        if values is None:
            return LOOSE
        if not in_quotes:
            return unquoted_value(" ".join(values))
        return quoted(" ".join(values)) if joined else spread(values)

    def _expansion(self, node: Node, in_quotes: bool) -> str:
        parts = [child for child in node.children if child.type not in {"${", "}"}]
        for child in parts:  # `${X:-$(rm y)}` runs what it holds, whatever X is
            _run_inside(self, child)
        if parts and parts[0].type == "subscript":
            return self._subscript(parts, in_quotes)
        if not parts or parts[0].type not in {"variable_name", "special_variable_name"}:
            return UNKNOWN if in_quotes else LOOSE
        name = source(parts[0])
        if len(parts) == 1:
            if name in {"@", "*"}:
                return self._listed(self._shell.state.arguments, joined=name == "*", in_quotes=in_quotes)
            return _value(self._variable(name), in_quotes)
        return _value(self._operated(name, parts[1:]), in_quotes)

    def _subscript(self, parts: list[Node], in_quotes: bool) -> str:
        name = parts[0].child_by_field_name("name")
        index = parts[0].child_by_field_name("index")
        value = self._shell.state.variables.get(source(name) if name else "", UNKNOWN)
        if len(parts) > 1 or index is None or value == UNKNOWN:
            return UNKNOWN if in_quotes else LOOSE
        values = value if isinstance(value, tuple) else (value,)
        at = source(index)
        if at in {"@", "*"}:
            return self._listed(values, joined=at == "*", in_quotes=in_quotes)
        if not at.isdigit():
            return UNKNOWN if in_quotes else LOOSE
        return _value(values[int(at)] if int(at) < len(values) else "", in_quotes)

    def _operated(self, name: str, parts: list[Node]) -> Value:
        """Returns the value of `${name<operator>word}`."""
        value = self._variable(name)
        operator = source(parts[0])
        operand = "".join(self.text(child) if child.is_named else source(child) for child in parts[1:])
        if operator in _DEFAULTS:
            return self._default(name, value, operator, operand)
        if not isinstance(value, str) or UNKNOWN in value or UNKNOWN in operand:
            return UNKNOWN
        if operator in _TRIMS:
            return _trimmed(value, operator, operand)
        numbers = [int(source(child)) for child in parts[1:] if source(child).isdigit()]
        return _changed(value, operator, operand, numbers)

    def _default(self, name: str, value: Value, operator: str, operand: str) -> Value:
        """Returns the value of `${X:-word}` and its like; an X that the script has not set may have any value."""
        is_set = name in self._shell.state.variables or value != UNKNOWN
        if "+" in operator:
            return operand if is_set and value not in {"", UNKNOWN} else UNKNOWN if not is_set else ""
        if "?" in operator:
            return value
        if not is_set:
            return UNKNOWN  # the word, or what the environment holds
        if value == "" and not operator.startswith(":") and operand:
            return UNKNOWN  # it may be empty, or not set
        found = operand if value == "" and operator.startswith(":") else value
        if "=" in operator:
            self._shell.state.variables[name] = found
        return found

    def _substitution(self, node: Node, in_quotes: bool) -> str:
        stream = self._shell.substitution(node)
        text = UNKNOWN if stream.text is None else stream.text.rstrip("\n")
        if stream.secret:
            text += UNKNOWN + TAINT
        return _value(text, in_quotes)

    def _process(self, node: Node) -> str:
        return quoted(self._shell.process(node))

    def _arithmetic(self, node: Node) -> str:
        for child in node.named_children:
            _run_inside(self, child)
        return UNKNOWN  # a number: it never becomes several words

    def array(self, node: Node) -> Value:
        """Returns the values of `(a b c)`."""
        found: list[str] = []
        for child in node.named_children:
            for word in self.words(child):
                if word.glob or word.splits:
                    return UNKNOWN
                found.append(word.text)
        return tuple(found)


def source(node: Node) -> str:
    """Returns the text of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def _run_inside(expander: Expander, node: Node) -> None:
    """Runs the substitutions in a part of an expansion whose own value does not matter."""
    if node.type in {"command_substitution", "process_substitution"}:
        expander.encoded(node)
        return
    for child in node.named_children:
        _run_inside(expander, child)


def _value(value: Value, in_quotes: bool) -> str:
    if isinstance(value, tuple):
        value = value[0] if value else ""
    return quoted(value) if in_quotes else unquoted_value(value)


def _in_quotes(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return quoted(_ESCAPE_IN_QUOTES.sub(r"\1", text)) if "\\" in text else text and quoted(text)


def _ansi_character(match: re.Match[str]) -> str:
    simple, byte, short, long, octal, control = match.groups()
    if simple:
        return _ANSI_CHARACTERS[simple]
    if octal:
        return chr(int(octal, 8) & 0xFF)
    if control:
        return chr(ord(control) & 0x1F)
    code = int(byte or short or long, 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else UNKNOWN


def _trimmed(value: str, operator: str, pattern: str) -> str:
    """Returns the value without the shortest or longest part at one end that fits the pattern."""
    ends = range(len(value) + 1)
    if operator[0] == "#":
        cuts = ends if operator == "#" else reversed(ends)
        return next((value[cut:] for cut in cuts if fnmatch.fnmatchcase(value[:cut], pattern)), value)
    cuts = reversed(ends) if operator == "%" else ends
    return next((value[:cut] for cut in cuts if fnmatch.fnmatchcase(value[cut:], pattern)), value)


def _changed(value: str, operator: str, operand: str, numbers: list[int]) -> str:
    """Returns the value of a replacement, a change of case or a part; UNKNOWN for what is not followed."""
    if operator in {"/", "//"} and not _GLOB_CHARACTERS.search(operand):
        old, _, new = operand.partition("/")
        return value.replace(old, new, -1 if operator == "//" else 1) if old else value
    if operator in {",,", "^^"}:
        return value.lower() if operator == ",," else value.upper()
    if operator == ":" and 0 < len(numbers) <= 2:
        return value[numbers[0] :][: numbers[1] if len(numbers) > 1 else None]
    return UNKNOWN
