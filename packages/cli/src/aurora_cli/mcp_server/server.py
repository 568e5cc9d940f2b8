"""Puts the MCP server of a project together: its tools, with what each may change, and the tasks extension."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from aurora_cli.mcp_server.approval_tools import ApprovalTools
from aurora_cli.mcp_server.board_tools import BoardTools
from aurora_cli.mcp_server.memory_tools import MemoryTools
from aurora_cli.mcp_server.plan_tools import PlanTools
from aurora_cli.mcp_server.run_tools import RunTools
from aurora_cli.mcp_server.service import ProjectService
from aurora_cli.mcp_server.task_handles import TaskHandles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["build_server"]

INSTRUCTIONS: Final = (
    "Aurora knows this project and runs coding agents on it. Search its memory before you read files: memory_search "
    "finds places by words, memory_lookup shows a definition and its callers. plan_goal cuts a goal into tasks; "
    "spawn_tasks and spawn_task let agents do the work under the user's policies and budget, in the background: look "
    "at it with run_status. Questions of a run are for the person, not for you: question_answer shows one to them."
)
_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES: Final = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
_STARTS_AGENTS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=True)
_ENDS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


def build_server(folder: Path) -> MCPServer[Any]:
    """Returns the server of the project that a folder belongs to."""
    project = ProjectService(folder=folder)
    server: MCPServer[Any] = MCPServer(
        "aurora",
        title="Aurora",
        description="Memory, plans and runs of coding agents of one project.",
        instructions=INSTRUCTIONS,
        version=version("aurora-aur"),
        extensions=[TaskHandles(project)],
        log_level="WARNING",
    )
    for tool, changes in _tools(project):
        server.add_tool(tool, annotations=changes)
    return server


def _tools(project: ProjectService) -> list[tuple[Callable[..., Any], ToolAnnotations]]:
    memory, plans = MemoryTools(project=project), PlanTools(project=project)
    runs, approvals = RunTools(project=project), ApprovalTools(project=project)
    board = BoardTools(project=project)
    return [
        (memory.memory_search, _READS),
        (memory.memory_lookup, _READS),
        (plans.plan_goal, _WRITES),
        (runs.spawn_task, _STARTS_AGENTS),
        (runs.spawn_tasks, _STARTS_AGENTS),
        (runs.runs_list, _READS),
        (runs.run_status, _READS),
        (runs.run_logs, _READS),
        (runs.run_cancel, _ENDS),
        (board.board_read, _READS),
        (board.board_post, _WRITES),
        (approvals.questions_list, _READS),
        (approvals.answer_tool(), _ENDS),
    ]
