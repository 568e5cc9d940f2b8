"""Asks the policies about the call of a tool as the hook of an agent would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aurora_soar.taskruns.gate import PolicyGate
from aurora_spawner.gates.reading import read_call
from aurora_spawner.gates.tool_calls import ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_policies import PoliciesEngine, PolicyResult

__all__ = ["answer_to_tool"]


def answer_to_tool(
    policies: PoliciesEngine, tool: str, arguments: Mapping[str, Any], *, agent: str, cwd: Path, workspace: Path
) -> PolicyResult:
    """Returns what the policies say to the call of a tool; nothing is run.

    Raises:
        UnreadableCallError: the arguments cannot be understood; the hook would deny the call.
    """
    reported = read_call(json.dumps({"tool_name": tool, "tool_input": arguments, "cwd": str(cwd)}).encode())
    call = ToolCall(
        task_id="",
        agent=agent,
        tool=reported.tool,
        uses=reported.uses,
        cwd=reported.cwd or cwd,
        workspace=workspace,
        isolated=False,
    )
    return PolicyGate(policies=policies).answer(call)
