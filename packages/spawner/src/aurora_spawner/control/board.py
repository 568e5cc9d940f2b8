"""The board of a run from outside: shows its posts, follows them, and posts for the user."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Final

from aurora_spawner.board.board import Author, new_post, posted_fact
from aurora_spawner.board.drafts import ALL, Addresses, checked_text, read_draft
from aurora_spawner.control.audit import check_not_gone, existing_journal
from aurora_spawner.control.lookup import find_run, is_held, open_journal
from aurora_spawner.control.unattended import append_unattended, steered
from aurora_spawner.errors import PostRefusedError
from aurora_spawner.journal.post_views import load_posts
from aurora_spawner.journal.views import list_runs
from aurora_spawner.supervision.belonging import own_attempt
from aurora_spawner.tasks.posts import Posted, PostedBy, PostKind, post_from_dict
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from aurora_spawner.board.drafts import Draft
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.store import Journal
    from aurora_spawner.tasks.posts import Post

__all__ = ["follow_posts", "newest_run", "post_from_outside", "posts_of"]

FOLLOW_PERIOD_S: Final = 0.3


def posts_of(journal: Path, run_id: str, *, after: int = 0) -> list[Post]:
    """Returns the posts of a run, the oldest first.

    Args:
        after: the number of a post; only those behind it are returned.

    Raises:
        UnknownRunError: the journal has no such run.
    """
    find_run(journal, run_id)
    with open_journal(journal, run_id) as store:
        return [post for _key, post in load_posts(store, run_id, after=after)]


def follow_posts(journal: Path, run_id: str, *, after: int = 0) -> Iterator[Post]:
    """Yields the posts of a run as they come, until no process works on it; errors as `posts_of`."""
    while True:
        over = not is_held(journal, run_id)  # asked first: the last posts follow it
        for post in posts_of(journal, run_id, after=after):
            yield post
            after = post.number
        if over:
            return
        time.sleep(FOLLOW_PERIOD_S)


def newest_run(journal: Path, *, kinds: Collection[str]) -> str | None:
    """Returns the newest run of these kinds that has not ended, else the newest of them all; None without any.

    Raises:
        JournalError: The journal cannot be read, or one that the state folder knows is gone.
    """
    with existing_journal(journal) as store:
        runs = [] if store is None else list_runs(store, limit=100, kinds=kinds)
    if not runs:
        check_not_gone(journal)
    open_runs = (run for run in runs if not run.state.settled)
    found = next(open_runs, runs[0] if runs else None)
    return None if found is None else found.run_id


def post_from_outside(
    journal: Path,
    run_id: str,
    text: str,
    *,
    kind: PostKind = PostKind.FACT,
    to: str = ALL,
    by: PostedBy = PostedBy.USER,
) -> Posted:
    """Posts on the board of a run for the user, or for a program of theirs; durable when this returns.

    Args:
        to: `all`, a task of the run, or else one of its agents.

    Raises:
        PostRefusedError: the board does not take it, the run has succeeded, so that nobody would read it, or this
            process belongs to an agent.
        UnknownRunError: the journal has no such run.
        NoAnswerError: the coordinator lives and does not answer.
        RunHeldError: the run belongs to a process that cannot be reached.
        UnknownLineageError: nobody can tell if this process belongs to an agent.
    """
    if own_attempt() is not None:
        raise PostRefusedError(
            "no_attempt", "this process belongs to an agent, which posts on the board of its own run"
        )
    changed = checked_text(text) != text
    request = {"do": "post", "kind": kind.value, "to": to, "text": text, "by": by.value, "key": uuid.uuid4().hex}

    def by_coordinator(said: Mapping[str, Any]) -> Posted:
        return Posted(post=post_from_dict(said["post"]), unread=said.get("unread") is True, changed=changed)

    def without_coordinator() -> Posted:
        run, rows = find_run(journal, run_id)
        if not rows:
            raise PostRefusedError("no_board", f"{run_id} has no tasks, so it has no board")
        if run.state is RunState.SUCCEEDED:
            raise PostRefusedError("over", f"run {run_id} has succeeded, so no agent would read it")
        agents = {row.task.agent or run.default_agent for row in rows}
        draft = read_draft(request, Addresses(tasks=[row.task_id for row in rows], agents=agents))
        with open_journal(journal, run_id) as store:
            return Posted(post=_append(store, run_id, draft, by), changed=changed, running=False)

    return steered(journal, run_id, request, by_coordinator, without_coordinator)


def _append(store: Journal, run_id: str, draft: Draft, by: PostedBy) -> Post:
    """Writes a post without a coordinator; one that has died since may have written it already."""
    there: list[Post] = []

    def facts_now() -> list[tuple[str | None, Fact]]:
        posts = load_posts(store, run_id)
        there.extend(post for key, post in posts if key == draft.key and not post.task_id)
        if there:
            return []
        there.append(new_post(draft, Author(by=by), [post for _key, post in posts]))
        return [(None, posted_fact(there[0], draft.key))]

    append_unattended(store, run_id, facts_now)
    return there[0]
