"""Tool calls as the journal has them, to judge them again by other policies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurora_spawner.gates.tool_calls import ToolCall, ToolUse, UseKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def call_to_json(call: ToolCall) -> dict[str, Any] | None:
    """Returns the effects of a call and its places; None if people see only a part of it, or with keys masked."""
    if call.subject != call.words:
        return None
    uses = [{name: value for name, value in asdict(use).items() if value} for use in call.uses]
    return {"uses": uses, "cwd": str(call.cwd), "workspace": str(call.workspace), "isolated": call.isolated}


def call_from_json(stored: Mapping[str, Any], *, task_id: str, agent: str, tool: str) -> ToolCall:
    """Reads what `call_to_json` has written.

    Raises:
        ValueError: It is something else.
    """
    try:
        return ToolCall(
            task_id=task_id,
            agent=agent,
            tool=tool,
            uses=tuple(map(_use, stored["uses"])),
            cwd=Path(stored["cwd"]),
            workspace=Path(stored["workspace"]),
            isolated=bool(stored["isolated"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no tool call: {error}") from error


def _use(stored: Mapping[str, Any]) -> ToolUse:
    return ToolUse(**{**stored, "kind": UseKind(stored["kind"]), "files": tuple(stored.get("files", ()))})
