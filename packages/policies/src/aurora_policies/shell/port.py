"""The shell as the programs that it runs see it, and as its own parts do; and the programs as the shell sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tree_sitter import Node

    from aurora_policies.shell.command import Command
    from aurora_policies.shell.expand import Expander
    from aurora_policies.shell.state import Files, State, Value
    from aurora_policies.shell.stream import Stream
    from aurora_policies.shell.words import Word

__all__ = ["Programs", "Shell", "Walking"]


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


class Shell(Protocol):
    """A shell, as a program that it runs sees it."""

    state: State
    home: str
    files: Files

    def run_text(self, text: str) -> Stream:
        """Follows a script in this shell and returns what it prints.

        Raises:
            TooComplex: It is too long or nested too deeply.
        """

    def run_words(self, words: Sequence[Word], *, stdin: Stream | None = None, plain: bool = True) -> Stream:
        """Follows a command that another one starts, such as `sudo`."""

    def in_copy(self, action: Callable[[], Stream]) -> Stream:
        """Runs something in a subshell: what it changes does not stay."""

    def path(self, text: str) -> str | None:
        """Returns the absolute path of a text; None if the folder is not known."""

    def step(self) -> None:
        """Counts a statement, or a look at the disk.

        Raises:
            TooComplex: There are too many, or they take too long.
        """


class Walking(Shell, Protocol):
    """A shell, as the parts of it see it that follow one kind of statement each."""

    programs: Programs
    expander: Expander

    @property
    def statements(self) -> Collection[str]:
        """The types of nodes that are followed."""

    def statement(self, node: Node) -> Stream:
        """Follows one statement."""

    def follow(self, node: Node) -> Stream:
        """Follows a statement that has been counted, without the redirections around it."""

    def block(self, node: Node) -> Stream:
        """Follows the statements of a node, one after the other."""

    def piped(self, parts: Sequence[Node], first: Stream) -> Stream:
        """Follows the commands of a pipe, of which the first has an input."""

    def apart(self, action: Callable[[], Stream]) -> Stream:
        """Runs something in a subshell, one level deeper."""

    def inside(self, node: Node) -> None:
        """Runs the substitutions of a node that is no command: an arithmetic or a test."""

    def dispatch(self, command: Command) -> Stream:
        """Runs a command: an alias, a function, or else a program."""
