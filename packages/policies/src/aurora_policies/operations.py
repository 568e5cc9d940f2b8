"""Operations of an agent, and the answer of the policies to one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_policies.schema import Action

__all__ = ["Operation", "OperationType", "PolicyResult"]


class OperationType(StrEnum):
    """The kinds of operation."""

    COMMAND = "command"
    WRITE = "write"
    EDIT = "edit"
    DELETE = "delete"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that an agent is about to do.

    Attributes:
        type: a command line, a change of files, or the call of a tool.
        command: the command line, as a shell would be given it.
        target: the file that is changed (`files` if there are several), or the name of the tool.
        files: the files that are changed; relative ones are in `cwd`.
        lines_changed: the number of lines that the change adds or removes; None if it is not known.
        agent: the name of the agent, which may have a section of its own in the policies.
        cwd: the folder of the operation; the workspace unless given.
        workspace: the folder that the agent works in; the current one unless given.
        home: the user's home; of the current user unless given.
        isolated: the workspace is a worktree of its own, which the agent must not leave.
        controls: absolute paths of further files and folders that keep the agent under control.
    """

    type: OperationType
    command: str = ""
    target: str | None = None
    files: tuple[str, ...] = ()
    lines_changed: int | None = None
    agent: str | None = None
    cwd: Path | None = None
    workspace: Path | None = None
    home: Path | None = None
    isolated: bool = False
    controls: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Takes the name of a type for the type: a command that were none would be judged as an edit of no file.

        Raises:
            ValueError: there is no such type.
        """
        object.__setattr__(self, "type", OperationType(self.type))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """The answer to an operation.

    Attributes:
        action: the strictest of all rules that apply.
        rule: the rule that says so; None if no rule applies. An allowance has one only if it is for a named tool.
        reason: what the operation would do, in words; empty if it is allowed.
        instead: what the agent should do instead, in words for the agent; empty if it is allowed.
    """

    action: Action
    rule: str | None = None
    reason: str = ""
    instead: str = ""
