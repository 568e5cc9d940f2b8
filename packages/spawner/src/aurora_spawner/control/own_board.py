"""The board of an agent's own run, from inside the agent: reads posts, waits for them, posts, and reads results."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.board.drafts import ALL, checked_text
from aurora_spawner.board.pages import WAIT_LIMIT_S, Page
from aurora_spawner.control.own_run import request_own_run
from aurora_spawner.errors import PostRefusedError, SpawnerError
from aurora_spawner.tasks.posts import Posted, PostKind, post_from_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.tasks.posts import Post

__all__ = [
    "WAIT_LIMIT_S",
    "ResultOfTask",
    "follow_own_board",
    "own_task_result",
    "post_on_own_board",
    "read_own_board",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultOfTask:
    """The result of a task of the run.

    Attributes:
        output: cut in its middle if it is long; None while the task is not settled.
    """

    task: str
    state: str
    agent: str | None
    output: str | None
    error: str | None


def post_on_own_board(
    text: str, *, kind: PostKind = PostKind.FACT, to: str = ALL, environ: Mapping[str, str] = os.environ
) -> Posted:
    """Posts on the board of this agent's run; durable when this returns, and posted once whatever happens meanwhile.

    Args:
        to: `all`, a task of the run, or else one of its agents.

    Raises:
        NotInsideAgentError: this process belongs to no agent of a run.
        PostRefusedError: the board does not take it, or the attempt is not under way any longer.
        SpawnerError: no coordinator can be reached.
    """
    checked_text(text)
    request = {"do": "post", "kind": kind.value, "to": to, "text": text, "key": uuid.uuid4().hex}
    said = _answer(request, what="post", environ=environ)
    changed = said.get("changed") is True
    return Posted(post=post_from_dict(said["post"]), unread=said.get("unread") is True, changed=changed)


def read_own_board(*, after: int = 0, wait_s: float = 0.0, environ: Mapping[str, str] = os.environ) -> Page:
    """Returns the posts that this agent's task may read.

    Args:
        after: the number of a post; only those behind it are returned.
        wait_s: the time to wait for a post of another if there is none, in seconds, at most 60.

    Raises:
        NotInsideAgentError: this process belongs to no agent of a run.
        PostRefusedError: its attempt is not under way any longer.
        SpawnerError: no coordinator can be reached.
    """
    said = _answer({"do": "board", "after": after, "wait_s": wait_s}, what="read its board", environ=environ)
    posts = tuple(post_from_dict(each) for each in said["posts"])
    return Page(posts=posts, last=int(said["last"]), more=said["more"] is True)


def follow_own_board(*, after: int = 0, environ: Mapping[str, str] = os.environ) -> Iterator[Post]:
    """Yields the posts that this agent's task may read as they come, without an end; errors as `read_own_board`."""
    while True:
        page = read_own_board(after=after, wait_s=WAIT_LIMIT_S, environ=environ)
        yield from page.posts
        after = page.last


def own_task_result(task_id: str, *, environ: Mapping[str, str] = os.environ) -> ResultOfTask:
    """Returns the result of a task of this agent's run.

    Raises:
        SpawnerError: the run has no such task; else as for `read_own_board`.
    """
    said = _answer({"do": "result", "task": task_id}, what="read a result of its run", environ=environ)
    return ResultOfTask(
        task=task_id, state=str(said["state"]), agent=said["agent"], output=said["output"], error=said["error"]
    )


def _answer(request: Mapping[str, Any], *, what: str, environ: Mapping[str, str]) -> dict[str, Any]:
    said = request_own_run(request, what=what, environ=environ)
    if said.get("refused"):
        raise PostRefusedError(str(said["refused"]), str(said.get("error")))
    if not said.get("ok"):
        raise SpawnerError(str(said.get("error", "refused")))
    return said
