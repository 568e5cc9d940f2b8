"""The tasks extension of MCP (SEP-2663, `io.modelcontextprotocol/tasks`): a run is a task of the client.

A client that knows the extension gets a handle when it starts a run. The handle is the run's id, and the journal is
its store, so it outlives client and server. Questions of the run are the task's input requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from mcp.server.elicitation import render_elicitation_schema
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
    TextContent,
)
from pydantic import BaseModel, ValidationError

from aurora_cli.mcp_server.approval_tools import Decision, answer_in, question_text
from aurora_cli.mcp_server.run_tools import STARTING, run_document
from aurora_core.settings.problem_words import problem_words
from aurora_spawner.control.lookup import find_run
from aurora_spawner.errors import UnknownRunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from aurora_cli.mcp_server.documents import Question, Run
    from aurora_cli.mcp_server.service import ProjectService
    from aurora_soar.aurora.root import Aurora

__all__ = ["TaskHandles"]

IDENTIFIER: Final = "io.modelcontextprotocol/tasks"
VERSIONS: Final = frozenset({"2026-07-28"})
POLL_MS: Final = 2_000
QUIET_POLL_MS: Final = 30_000
"""For a run that no process works on: only a person can change that."""
_Answer = TypeVar("_Answer")
OVER: Final = frozenset({"succeeded", "failed", "unmerged"})


class TaskParams(RequestParams):
    """The parameters of `tasks/get` and `tasks/cancel`."""

    task_id: str


class UpdateParams(TaskParams):
    """The parameters of `tasks/update`: the person's answers, by the id of the question."""

    input_responses: dict[str, InputResponse]


class InputResponse(BaseModel):
    """The answer to a form."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None


UpdateParams.model_rebuild()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    created_at: float
    updated_at: float


class TaskHandles(Extension):
    """Serves runs as tasks of the client."""

    identifier = IDENTIFIER

    def __init__(self, project: ProjectService) -> None:
        self._project = project

    def methods(self) -> list[MethodBinding]:
        """Returns the three methods of the extension."""
        handlers = (
            ("tasks/get", TaskParams, self._get),
            ("tasks/update", UpdateParams, self._update),
            ("tasks/cancel", TaskParams, self._cancel),
        )
        return [
            MethodBinding(method=name, params_type=params, handler=handler, protocol_versions=VERSIONS)
            for name, params, handler in handlers
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Turns the result of a tool that starts a run into a handle, for clients that know the extension."""
        waits = bool((params.arguments or {}).get("wait_s"))
        result = await call_next(ctx)
        if params.name not in STARTING or waits or ctx.protocol_version not in VERSIONS or not _knows_tasks(ctx):
            return result
        if not isinstance(result, CallToolResult) or result.is_error or not result.structured_content:
            return result
        return {"resultType": "task"} | await self._state(str(result.structured_content["run_id"]))

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
        _check_knows_tasks(ctx)
        return {"resultType": "complete"} | await self._state(params.task_id)

    async def _update(self, ctx: ServerRequestContext[Any, Any], params: UpdateParams) -> dict[str, Any]:
        _check_knows_tasks(ctx)
        run, _ = await self._run(params.task_id)
        open_ids = {each.id for each in run.questions}
        for approval, response in params.input_responses.items():
            if approval in open_ids and response.action == "accept":
                await self._call(partial(answer_in, approval=approval, decision=_decision(response)))
        return {"resultType": "complete"}

    async def _cancel(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
        _check_knows_tasks(ctx)
        await self._run(params.task_id)
        await self._call(lambda aurora: aurora.cancel(params.task_id))
        return {"resultType": "complete"}

    async def _run(self, run_id: str) -> tuple[Run, _Times]:
        return await self._call(partial(_run_and_times, run_id=run_id))

    async def _call(self, work: Callable[[Aurora], _Answer]) -> _Answer:
        try:
            return await self._project.call(work)
        except ToolError as error:
            code = INVALID_PARAMS if isinstance(error.__cause__, UnknownRunError) else -32603
            raise MCPError(code=code, message=str(error)) from error

    async def _state(self, run_id: str) -> dict[str, Any]:
        run, times = await self._run(run_id)
        return _task(run, times)


def _task(run: Run, times: _Times) -> dict[str, Any]:
    """Returns a run as the extension's `DetailedTask`."""
    found: dict[str, Any] = {
        "taskId": run.run_id,
        "status": _status(run),
        "statusMessage": _message(run),
        "createdAt": _iso(times.created_at),
        "lastUpdatedAt": _iso(times.updated_at),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS if run.state == "running" else QUIET_POLL_MS,
    }
    if found["status"] == "input_required":
        found["inputRequests"] = {each.id: _input_request(each) for each in run.questions}
    if found["status"] == "completed":
        found["result"] = _result(run).model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def _status(run: Run) -> str:
    if run.state in OVER:
        return "completed"
    if run.state == "cancelled":
        return "cancelled"
    return "input_required" if run.questions else "working"


def _message(run: Run) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in run.counts.items())
    if run.state in ("crashed", "interrupted", "paused"):
        return f"{run.state}: {counts}; no process works on it until `aur resume {run.run_id}`"
    return f"{run.state}: {counts}"


def _result(run: Run) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=run.model_dump_json(indent=2))],
        structured_content=run.model_dump(mode="json"),
        is_error=run.state != "succeeded",
    )


def _input_request(question: Question) -> dict[str, Any]:
    return {
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": question_text(question),
            "requestedSchema": render_elicitation_schema(Decision),
        },
    }


def _decision(response: InputResponse) -> Decision:
    try:
        return Decision.model_validate(response.content or {})
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, each['loc']))}: {problem_words(each)}" for each in error.errors())
        raise MCPError(code=INVALID_PARAMS, message=f"the answer does not fit the form: {problem}") from error


def _run_and_times(aurora: Aurora, *, run_id: str) -> tuple[Run, _Times]:
    row, rows = find_run(aurora.project.runs_db, run_id)
    moments = [moment for each in rows for moment in (each.started_at, each.ended_at) if moment is not None]
    updated = max([row.created_at, *moments, *([row.ended_at] if row.ended_at else [])])
    return run_document(aurora, run_id=run_id), _Times(created_at=row.created_at, updated_at=updated)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _knows_tasks(ctx: ServerRequestContext[Any, Any]) -> bool:
    declared = ctx.session.client_capabilities
    return declared is not None and IDENTIFIER in (declared.extensions or {})


def _check_knows_tasks(ctx: ServerRequestContext[Any, Any]) -> None:
    if not _knows_tasks(ctx):
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="Missing required client capability",
            data={"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}},
        )
