"""Tool calls of agents, verdicts on them, and the port to who judges: the spawner itself knows no policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.gates.masking import masked, masked_end

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT_LIMIT: Final = 500
"""Characters of a tool call that people and the journal see."""

MASKED_WINDOW: Final = 4_000
"""Characters at each end of a call in which keys are looked for."""


class UseKind(StrEnum):
    """The kinds of effect that a tool call can have."""

    COMMAND = "command"
    WRITE = "write"
    DELETE = "delete"
    FETCH = "fetch"
    TYPED = "typed in part"
    """It types a part of a line into a program that runs."""
    UNSEEN = "unseen"
    """It destroys something, as its name says, and what that is cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """An effect of a tool call."""

    kind: UseKind
    command: str = ""
    """The command line, as a shell would be given it."""
    files: tuple[str, ...] = ()
    """Absolute, or relative to the call's folder."""
    lines_changed: int | None = None
    """The number of lines that are added and removed; None if it is not known."""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool call that an agent is about to make."""

    task_id: str
    agent: str
    tool: str
    """The tool's name as its CLI has it."""
    uses: tuple[ToolUse, ...]
    """Its effects; none for a tool that only reads."""
    cwd: Path
    """The folder that it counts from."""
    workspace: Path
    """The folder that the agent works in."""
    isolated: bool
    """True if the workspace is a worktree that the agent must not leave."""

    @property
    def subject(self) -> str:
        """The call in words, with keys and passwords masked: at most `SUBJECT_LIMIT` characters.

        A longer one is shown by its start and its end, with a digest of the whole, so that no two calls look alike.
        """
        return _shortened(self.words)

    @property
    def words(self) -> str:
        """The whole call in words, keys included."""
        return "; ".join(map(_words, self.uses)) or self.tool


class GateAction(StrEnum):
    """Answers to a tool call."""

    ALLOW = "allow"
    PROMPT = "prompt"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to a tool call."""

    action: GateAction
    rule: str = ""
    """The rule that says so; "" if none applies."""
    reason: str = ""
    """The effect that the rule objects to."""
    instead: str = ""
    """The better way, in words for the agent."""
    shape: str = ""
    """The form of the call that a consent may be remembered for; "" if it has none."""


class ToolCallGate(Protocol):
    """Judges tool calls; several threads may call it at the same time."""

    def judge(self, call: ToolCall) -> Verdict:
        """Returns the verdict; whatever the call holds, this raises nothing."""
        ...

    def hints(self, agent: str, text: str, workspace: Path) -> tuple[str, ...]:
        """Returns what an agent should know before it works on a task of this text; this raises nothing."""
        ...


def _shortened(text: str) -> str:
    # Masked in windows, since a call may have megabytes; what is shown is far from where the first one ends.
    shown = masked(text[:MASKED_WINDOW])
    if len(text) <= MASKED_WINDOW and len(shown) <= SUBJECT_LIMIT:
        return shown
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    mark = f" … [{len(text)} characters in all, digest {digest}] … "
    end = masked_end(text[-MASKED_WINDOW:])
    kept = SUBJECT_LIMIT - len(mark)
    return shown[: kept * 2 // 3] + mark + end[-(kept // 3) :]


def _words(use: ToolUse) -> str:
    if use.kind is UseKind.COMMAND:
        return use.command
    return f"{use.kind} {use.url or ' '.join(use.files)}".strip()
