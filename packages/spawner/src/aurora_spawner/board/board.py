"""The board of one run, as its coordinator keeps it: a post is durable before anybody sees it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from aurora_spawner.board.pages import page_of
from aurora_spawner.errors import PostRefusedError
from aurora_spawner.journal.approval_facts import BoardPosted
from aurora_spawner.tasks.posts import Post, PostedBy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aurora_spawner.board.drafts import Draft
    from aurora_spawner.board.pages import Page
    from aurora_spawner.tasks.posts import KeyedPost

POSTS_OF_TASK: Final = 100
"""The most posts of one task, all of its attempts together."""
POSTS_OF_OTHERS: Final = 1_000
"""The most posts of the user and of their programs together."""
WAITS_OF_TASK: Final = 20
"""The most waits of one task at the same time."""
POSTS_OF_RUN: Final = 2_000
"""The most posts of all agents of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The author of a post."""

    by: PostedBy
    task_id: str = ""
    attempt: int = 0
    agent: str = ""


@dataclass(slots=True)
class Board:
    """The posts of a run; used from the run's event loop."""

    write: Callable[[str | None, BoardPosted], asyncio.Future[None]]
    """Appends a fact about a task, or of the run, to the journal."""
    _posts: list[Post] = field(default_factory=list)
    _by_key: dict[tuple[str, int, str], tuple[Post, asyncio.Future[None] | None]] = field(default_factory=dict)
    """All posts, those on their way into the journal included, by task, attempt and key."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: dict[str, int] = field(default_factory=dict)
    """The waits for posts that are under way, by task."""

    def restore(self, posts: Sequence[KeyedPost]) -> None:
        """Takes over what earlier coordinators have written down."""
        for key, post in posts:
            self._keep(post, key, None)
            self._posts.append(post)

    @property
    def last(self) -> int:
        """The number of the newest post; 0 without any."""
        return self._posts[-1].number if self._posts else 0

    async def post(self, draft: Draft, author: Author) -> Post:
        """Posts; durable when this returns. A draft with the key of an earlier post of the same attempt is that one.

        Raises:
            PostRefusedError: The author has posted too often.
            JournalError: It could not be written down.
        """
        key = (author.task_id, author.attempt, draft.key)
        if key not in self._by_key:
            self._write(draft, author)
        post, written = self._by_key[key]
        if written is not None:
            await asyncio.shield(written)
        return post

    def _write(self, draft: Draft, author: Author) -> None:
        post = new_post(draft, author, [each for each, _written in self._by_key.values()])
        written = self.write(author.task_id or None, posted_fact(post, draft.key))
        self._keep(post, draft.key, written)
        written.add_done_callback(lambda done: self._publish(post, done))

    def _keep(self, post: Post, key: str, written: asyncio.Future[None] | None) -> None:
        self._by_key[post.task_id, post.attempt, key] = (post, written)

    def _publish(self, post: Post, written: asyncio.Future[None]) -> None:
        """Shows a post that has become durable; writes end in the order in which they began."""
        if written.cancelled() or written.exception() is not None:
            return
        self._posts.append(post)
        self._news.set()
        self._news = asyncio.Event()

    def visible(self, task_id: str, agent: str, *, after: int = 0) -> list[Post]:
        """Returns the posts that a task may read while an agent works on it, the oldest first."""
        newer = list(takewhile(lambda post: post.number > after, reversed(self._posts)))
        return [post for post in reversed(newer) if post.is_for(task_id, agent)]

    def page(self, task_id: str, agent: str, *, after: int) -> Page:
        """Returns the first posts behind a number that a task may read."""
        return page_of(self.visible(task_id, agent, after=after), end=max(self.last, after))

    async def wait_for_news(self, task_id: str, agent: str, *, after: int, wait_s: float) -> None:
        """Waits until another has posted something behind a number that the task may read, or the time is over.

        A task that has many waits under way waits no more, since each keeps a connection open.
        """
        if self._waiting.get(task_id, 0) >= WAITS_OF_TASK:
            return
        self._waiting[task_id] = self._waiting.get(task_id, 0) + 1
        try:
            async with asyncio.timeout(wait_s):
                while not self.has_news(task_id, agent, after=after):
                    await self._news.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[task_id] -= 1

    def has_news(self, task_id: str, agent: str, *, after: int) -> bool:
        """Returns True if another has posted something behind a number that the task may read."""
        return any(post.task_id != task_id for post in self.visible(task_id, agent, after=after))


def new_post(draft: Draft, author: Author, posts: Collection[Post]) -> Post:
    """Returns the next post on a board that has these.

    Raises:
        PostRefusedError: The author has posted too often, or the board is full.
    """
    by_agent = author.by is PostedBy.AGENT
    limit = POSTS_OF_TASK if by_agent else POSTS_OF_OTHERS
    if sum(post.task_id == author.task_id for post in posts) >= limit:
        who = "this task has" if by_agent else "the user and their programs have"
        raise PostRefusedError("too_many", f"{who} made {limit:,} posts, which is the limit")
    if by_agent and sum(bool(post.task_id) for post in posts) >= POSTS_OF_RUN:
        raise PostRefusedError("too_many", f"the board of this run is full: its agents have {POSTS_OF_RUN:,} posts")
    return Post(
        number=max((post.number for post in posts), default=0) + 1,
        at=time.time(),
        kind=draft.kind,
        text=draft.text,
        by=author.by,
        to=draft.to,
        task_id=author.task_id,
        attempt=author.attempt,
        agent=author.agent,
    )


def posted_fact(post: Post, key: str) -> BoardPosted:
    """Returns the fact of a post."""
    return BoardPosted(
        number=post.number,
        by=post.by.value,
        attempt=post.attempt,
        agent=post.agent,
        post_kind=post.kind.value,
        to_task=post.to.task,
        to_agent=post.to.agent,
        text=post.text,
        key=key,
    )
