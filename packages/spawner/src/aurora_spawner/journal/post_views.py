"""Reads of the posts on the boards of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.journal.approval_facts import BoardPosted
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, read_event, rows_of
from aurora_spawner.tasks.posts import Post, PostedBy, PostKind, Recipient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import EventRow
    from aurora_spawner.tasks.posts import KeyedPost


def load_posts(journal: Journal, run_id: str, *, after: int = 0) -> list[KeyedPost]:
    """Returns the posts of a run with their keys, the oldest first.

    Args:
        after: The number of a post; only those behind it are returned.
    """
    query = """
        SELECT seq, at, task_id, kind, payload FROM events WHERE run_id = ? AND kind = ? AND payload IS NOT NULL
        ORDER BY seq
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, BoardPosted.kind)))
    posts = (each for row in rows for each in _read(read_event(row, journal.path), journal.path))
    return [each for each in posts if each[1].number > after]


def _read(event: EventRow, journal: Path) -> Iterator[KeyedPost]:
    fact = event.fact
    if not isinstance(fact, BoardPosted):
        return
    with as_written(journal, f"event {event.seq}"):
        post = Post(
            number=fact.number,
            at=event.at,
            kind=PostKind(fact.post_kind),
            text=fact.text,
            by=PostedBy(fact.by),
            to=Recipient(task=fact.to_task, agent=fact.to_agent),
            task_id=event.task_id or "",
            attempt=fact.attempt,
            agent=fact.agent,
        )
    yield fact.key, post
