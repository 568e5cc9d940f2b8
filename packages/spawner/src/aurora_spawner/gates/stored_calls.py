"""Tool calls as the journal has them, to judge them again by other policies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.gates.masking import masked
from aurora_spawner.gates.tool_calls import SUBJECT_LIMIT, ToolCall, ToolUse, UseKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_FOLDER: Final = 4_096
"""Characters of a folder that systems open; an agent can name a longer one."""


def call_to_json(call: ToolCall) -> dict[str, Any] | None:
    """Returns the effects of a call and its places; None if people see only a part of it, or with keys masked."""
    folder = str(call.cwd)
    short = len(call.words) <= SUBJECT_LIMIT and len(folder) <= _LONGEST_FOLDER
    if not short or call.subject != call.words or masked(folder) != folder:
        return None
    uses = [{name: value for name, value in asdict(use).items() if value not in ("", (), None)} for use in call.uses]
    return {"uses": uses, "cwd": folder, "workspace": str(call.workspace), "isolated": call.isolated}


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
            cwd=_folder(stored["cwd"]),
            workspace=_folder(stored["workspace"]),
            isolated=bool(stored["isolated"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no tool call: {error}") from error


def _use(stored: Mapping[str, Any]) -> ToolUse:
    use = ToolUse(**{**stored, "kind": UseKind(stored["kind"]), "files": tuple(stored.get("files", ()))})
    if not (
        all(isinstance(each, str) for each in (use.command, use.url, *use.files))
        and (use.lines_changed is None or type(use.lines_changed) is int)
    ):
        raise TypeError("a value is of another type")
    return use


def _folder(stored: str) -> Path:
    if "\0" in stored or not (folder := Path(stored)).is_absolute():
        raise TypeError("a folder is no absolute path")
    return folder
