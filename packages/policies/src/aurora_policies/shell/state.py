"""The state of a shell while a script is followed: folder, variables, functions, aliases and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_policies.shell.stream import EMPTY, Stream
from aurora_policies.shell.words import UNKNOWN

if TYPE_CHECKING:
    from tree_sitter import Node

    from aurora_policies.shell.words import Word

__all__ = ["Files", "State", "Value"]

Value = str | tuple[str, ...]
"""The value of a variable: a text, or the texts of an array; UNKNOWN stands for what is not known."""


@dataclass(slots=True)
class Files:
    """The files that a script has made so far, for all of its shells.

    Attributes:
        made: paths that did not exist before the script.
        content: what the script wrote into a file.
        links: where a symbolic link that the script made leads.
        connection: the target of a redirection that leads to the network, and may be reached by a descriptor.
        sent: paths that a command of the script sends; what is written there later may go the same way.
        perhaps: the number of conditions under which the current statement stands; what it writes, it may not write.
    """

    made: set[str] = field(default_factory=set)
    content: dict[str, Stream] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    connection: Word | None = None
    sent: set[str] = field(default_factory=set)
    perhaps: int = 0


@dataclass(slots=True)
class State:
    """A shell.

    Attributes:
        folder: absolute path of the current folder; None if it is not known.
        variables: values of the variables that the script has set; UNKNOWN where it has set one to an unknown value.
        functions: bodies by name. More than one if branches define it differently; None for "perhaps none".
        aliases: texts by name.
        arguments: the positional parameters; None if they are not known.
        input: standard input.
        branch: the branch that the script has checked out; None if it has not changed it, UNKNOWN if not known.
        remote: the commands run on another machine or in a container, where no path is of the workspace.
    """

    folder: str | None
    variables: dict[str, Value] = field(default_factory=dict)
    functions: dict[str, tuple[Node | None, ...]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] | None = ()
    input: Stream = EMPTY
    branch: str | None = None
    remote: bool = False
    folders: tuple[str | None, ...] = ()
    name: str = "bash"

    def copy(self) -> State:
        """Returns a state that changes apart from this one: a subshell, or a branch."""
        return State(
            folder=self.folder,
            variables=dict(self.variables),
            functions=dict(self.functions),
            aliases=dict(self.aliases),
            arguments=self.arguments,
            input=self.input,
            branch=self.branch,
            remote=self.remote,
            folders=self.folders,
            name=self.name,
        )

    def become(self, other: State) -> None:
        """Takes everything over from another state."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def join(self, other: State, *, keep_folder: bool = False) -> None:
        """Takes over that either this state or the other one is true; what differs is not known any more."""
        for name in self.variables.keys() | other.variables.keys():
            if self.variables.get(name) != other.variables.get(name):
                self.variables[name] = UNKNOWN
        for name in self.functions.keys() | other.functions.keys():
            mine, theirs = self.functions.get(name, (None,)), other.functions.get(name, (None,))
            self.functions[name] = mine + tuple(each for each in theirs if each not in mine)
        self.aliases = {**other.aliases, **self.aliases}
        if not keep_folder and self.folder != other.folder:
            self.folder = None
        if self.branch != other.branch:
            self.branch = UNKNOWN
        if self.arguments != other.arguments:
            self.arguments = None
