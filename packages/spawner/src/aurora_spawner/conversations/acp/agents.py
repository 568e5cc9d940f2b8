"""The CLIs that speak ACP: this table holds all differences between them, each seen with the real program.

The versions are those of docs/agents.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class AcpAgent:
    """One agent, as it behaves in ACP."""

    start: tuple[str, ...]
    """The arguments that start it in ACP mode, in place of those of a task."""
    asks: str = "about what it chooses to"
    """The calls about which it asks in its asking mode, in words for the user."""
    ask_env: Mapping[str, str] = field(default_factory=dict)
    """Variables that make it ask, if that is not its default."""
    ask_mode: str = ""
    """The mode of its session in which it asks, if that is not its default."""
    hooks: bool = False
    """True if its hooks run in ACP mode as they do in a task."""
    ends_turn_when_denied: bool = False
    """True if a call that is denied ends its turn; else the turn goes on with a failed call."""
    loads: bool = True
    """True if it can load a session that an earlier process had."""
    model_by_option: bool = False
    """True if its model is chosen in the session, since its ACP mode has no argument for it."""


ANY: Final = AcpAgent(start=())
"""A program of the user's own: what it can do, it says itself."""
_ASK_ALL: Final = json.dumps(
    dict.fromkeys(("bash", "edit", "webfetch", "external_directory"), "ask"), separators=(",", ":")
)

ACP_AGENTS: Final[Mapping[str, AcpAgent]] = {
    "gemini": AcpAgent(start=("--acp",), asks="before commands and edits", loads=False),
    "opencode": AcpAgent(
        start=("acp",),
        asks="before commands, edits and fetches, because Aurora has set it so",
        ask_env={"OPENCODE_PERMISSION": _ASK_ALL},
        ends_turn_when_denied=True,
        model_by_option=True,
    ),
    "qwen": AcpAgent(
        start=("--acp",),
        asks="before commands and edits",
        ask_mode="default",
        hooks=True,
        ends_turn_when_denied=True,
    ),
    "copilot": AcpAgent(start=("--acp",), asks="before commands and edits", hooks=True, ends_turn_when_denied=True),
}
"""By kind of backend."""
