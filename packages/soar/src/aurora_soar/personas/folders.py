"""The folders in which other tools keep their agents, below a project and below a home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["AGENT_FOLDERS", "AgentFolder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFolder:
    """The folders of one tool.

    Attributes:
        project: below the project's root, the most specific first.
        home: below the user's home.
    """

    tool: str
    project: tuple[str, ...]
    home: tuple[str, ...]


def _dotted(tool: str, folder: str = "", *, below: str = "agents") -> AgentFolder:
    path = f"{folder or '.' + tool}/{below}"
    return AgentFolder(tool=tool, project=(path,), home=(path,))


AGENT_FOLDERS: Final[tuple[AgentFolder, ...]] = (
    _dotted("aurora"),
    _dotted("claude"),
    _dotted("codex"),
    _dotted("gemini"),
    AgentFolder(
        tool="opencode",
        project=(".opencode/agent", ".opencode/agents"),
        home=(".config/opencode/agent", ".config/opencode/agents", ".opencode/agents"),
    ),
    _dotted("qwen"),
    AgentFolder(tool="copilot", project=(".github/agents", ".github/chatmodes"), home=(".copilot/agents",)),
    _dotted("aider"),
    _dotted("cline"),
    _dotted("cursor"),
    _dotted("windsurf"),
    _dotted("roo"),
    AgentFolder(tool="kilocode", project=(".kilocode/agents", ".kilo/agents"), home=(".kilocode/agents",)),
    AgentFolder(
        tool="amazonq", project=(".amazonq/cli-agents", ".amazonq/agents"), home=(".aws/amazonq/cli-agents",)
    ),
    _dotted("factory", below="droids"),
    _dotted("kiro"),
    _dotted("continue"),
    _dotted("augment"),
    _dotted("trae"),
    _dotted("junie"),
    AgentFolder(tool="amp", project=(".amp/agents",), home=(".config/amp/agents",)),
    AgentFolder(tool="goose", project=(".goose/agents",), home=(".config/goose/agents",)),
    AgentFolder(tool="crush", project=(".crush/agents",), home=(".config/crush/agents",)),
    _dotted("rovodev", below="subagents"),
    _dotted("iflow"),
    _dotted("codebuddy"),
    _dotted("agents", ".agents"),
)
"""If two files define the same id, the folder that is earlier here wins. For a tool that documents no folder for
agents, the folder `agents` in its own folder is read."""
