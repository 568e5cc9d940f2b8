"""Requests to the board of a run: by its agents, each known by the token of its attempt, and by its user."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.board.board import Author
from aurora_spawner.board.drafts import Addresses, read_draft
from aurora_spawner.board.pages import WAIT_LIMIT_S
from aurora_spawner.errors import PostRefusedError, SpawnerError, UnknownLineageError
from aurora_spawner.runs.agent_questions import KNOWN_WITHIN_S
from aurora_spawner.tasks.posts import PostedBy
from aurora_spawner.tasks.prompts import shorten
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.board.pages import Page
    from aurora_spawner.runs.callers import Caller
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.approvals import AskingAttempt
    from aurora_spawner.tasks.posts import Post

UNKNOWN_AFTER_S: Final = 0.5
"""The time after which a token is wrong if no attempt is just beginning, or being found again after a restart."""
_PAUSE_S: Final = 0.05
RESULT_CHARACTERS: Final = 50_000
"""The most of a result that an agent is given at once."""


async def post(run: RunContext, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """Posts for an agent, or without a token for the user; returns the post once it is durable.

    Raises:
        PostRefusedError: It is no post, or nobody of the run posts it.
        JournalError: It could not be written down.
    """
    author = await _author(run, request, caller)
    draft = read_draft(request, Addresses(tasks=run.tasks.tasks, agents=run.backends))
    posted = await run.board.post(draft, author)
    return {"post": posted.to_dict(), "unread": _unread(run, posted), "changed": posted.text != request.get("text")}


async def read(run: RunContext, request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the posts that an agent may read; waits for one of another if it is asked to and there is none.

    An agent that waits has given back its slot, so that the one it waits for can start; its time goes on.

    Raises:
        PostRefusedError: No attempt of the run reads.
        SpawnerError: The request is none.
    """
    task_id, attempt = await _attempt(run, request)
    after, wait_s = request.get("after", 0), request.get("wait_s", 0)
    if type(after) is not int or after < 0 or not _is_wait(wait_s):
        raise SpawnerError(f"after is the number of a post, wait_s a number of seconds up to {WAIT_LIMIT_S:g}")
    if wait_s and not run.board.has_news(task_id, attempt.agent, after=after):
        await _wait(run, task_id, attempt.agent, after=after, wait_s=wait_s)
    return _page(run.board.page(task_id, attempt.agent, after=after))


async def result(run: RunContext, request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the result of another task of an agent's run; a long output is cut in its middle.

    Raises:
        PostRefusedError: No attempt of the run asks.
        SpawnerError: The run has no such task.
    """
    await _attempt(run, request)
    task_id = str(request.get("task"))
    if task_id not in run.tasks.tasks:
        raise SpawnerError(f"the run has no task {task_id}")
    found = run.tasks.results.get(task_id)
    state = run.scheduler.states[task_id]
    if found is None:
        return {"task": task_id, "state": str(state), "agent": None, "output": None, "error": None}
    output = shorten(found.shown, RESULT_CHARACTERS)
    return {"task": task_id, "state": str(state), "agent": found.agent, "output": output, "error": found.error}


def _is_wait(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= WAIT_LIMIT_S  # type: ignore[arg-type, operator]


async def _wait(run: RunContext, task_id: str, agent: str, *, after: int, wait_s: float) -> None:
    run.scheduler.suspend(task_id)
    run.dispatch()
    try:
        await run.board.wait_for_news(task_id, agent, after=after, wait_s=wait_s)
    finally:
        run.scheduler.continue_task(task_id)


async def _author(run: RunContext, request: Mapping[str, Any], caller: Caller) -> Author:
    if "token" in request:
        task_id, attempt = await _attempt(run, request)
        return Author(by=PostedBy.AGENT, task_id=task_id, attempt=attempt.number, agent=attempt.agent)
    if await _is_agent(caller):
        raise PostRefusedError("no_attempt", "an agent posts under its own name, with the token of its attempt")
    return Author(by=PostedBy.CLIENT if request.get("by") == PostedBy.CLIENT else PostedBy.USER)


async def _is_agent(caller: Caller) -> bool:
    """Returns True for a process of an agent, and for one of which nobody can tell."""
    try:
        return await caller.attempt() is not None
    except UnknownLineageError:
        return True


async def _attempt(run: RunContext, request: Mapping[str, Any]) -> tuple[str, AskingAttempt]:
    """Returns the task and the attempt of a token.

    Raises:
        PostRefusedError: No attempt that runs now has it: it is wrong, or its attempt has ended.
    """
    token, since = str(request.get("token")), time.monotonic()
    while (found := run.tasks.asking(token)) is None:
        limit_s = KNOWN_WITHIN_S if _some_begin(run) else UNKNOWN_AFTER_S
        if time.monotonic() - since >= limit_s:
            raise PostRefusedError("no_attempt", "no attempt of this run that is under way has this token")
        await asyncio.sleep(_PAUSE_S)
    return found


def _some_begin(run: RunContext) -> bool:
    """Returns True if a task has an attempt whose process may run before it is known here."""
    return any(
        state is TaskState.RUNNING and run.tasks.running(task_id) is None
        for task_id, state in run.scheduler.states.items()
    )


def _unread(run: RunContext, posted: Post) -> bool:
    """Returns True if a post is for a task that has ended, so that nobody will read it."""
    return posted.to.task is not None and run.scheduler.states[posted.to.task].settled


def _page(page: Page) -> dict[str, Any]:
    return {"posts": [each.to_dict() for each in page.posts], "last": page.last, "more": page.more}
