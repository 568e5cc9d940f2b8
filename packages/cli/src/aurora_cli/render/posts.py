"""Text and JSON of the posts on a board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.moments import to_the_second
from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.tasks.posts import Post, Posted

__all__ = ["board_document", "post_lines", "posted_document", "posted_line"]


def post_lines(post: Post) -> Iterator[str]:
    """Yields a post: a line about it, and its text indented, so that no text can pass for such a line."""
    when = to_the_second(post.at)
    yield f"{post.number}  {when}  {post.kind} by {one_line(post.author)} for {one_line(str(post.to))}"
    for line in printable(post.text).splitlines():
        yield f"    {line}"


def board_document(run_id: str | None, posts: Sequence[Post], *, last: int, more: bool) -> dict[str, object]:
    """Returns posts as data for `--json`; `last` is the number behind which to go on reading."""
    return {"run_id": run_id, "posts": [post.to_dict() for post in posts], "last": last, "more": more}


def posted_document(posted: Posted) -> dict[str, object]:
    """Returns a post that was posted as data for `--json`."""
    return {
        "post": posted.post.to_dict(),
        "unread": posted.unread,
        "changed": posted.changed,
        "running": posted.running,
    }


def posted_line(posted: Posted) -> str:
    """Returns what came of a post, in one line."""
    post = posted.post
    said = f"post {post.number} for {one_line(str(post.to))}"
    if posted.changed:
        said += "; keys in it are masked, and characters that cannot be seen are spelt out"
    if posted.unread:
        said += "; that task has ended, so no agent will read it"
    return said if posted.running else f"{said}; no process works on the run, and agents have it after a resume"
