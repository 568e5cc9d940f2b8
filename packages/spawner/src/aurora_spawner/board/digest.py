"""The digest of a board for the prompt of an attempt: the posts that concern its task, bounded, as data."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.prompts import fair_shares, quoted, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.board.board import Board
    from aurora_spawner.tasks.posts import Post

DIGEST_POSTS: Final = 20
"""The most posts in a prompt."""
DIGEST_CHARACTERS: Final = 8_000
"""The most characters of all posts in a prompt together."""
HEADING: Final = "Posts on the board of this run, on which its agents and its user tell each other what they know:"
WAY: Final = "`aur comm` shows the board, and `aur comm send` posts on it."
"""The sentence behind the posts of a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Posts for a prompt, the oldest first."""

    posts: tuple[Post, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardOfTask:
    """The part of a board that an attempt may read."""

    board: Board
    task_id: str
    agent: str
    seen: int = 0
    """The number of the newest post that an earlier attempt had in its prompt."""

    def digest(self, *, continues: bool) -> Digest | None:
        """Returns the posts for the prompt of the attempt; None if there are none.

        Args:
            continues: It goes on in the session of the attempt before, which knows the posts up to `seen`.
        """
        if not self.board.last:
            return None
        posts = self.board.visible(self.task_id, self.agent, after=self.seen if continues else 0)
        if continues:
            posts = [post for post in posts if post.task_id != self.task_id]
        return digest_of(posts, task_id=self.task_id) if posts else None


def digest_of(posts: Sequence[Post], *, task_id: str) -> Digest:
    """Returns the posts that matter most to a task: those for it alone first, then the newest."""
    by_weight = sorted(posts, key=lambda post: (post.to.task == task_id, post.number), reverse=True)
    taken = sorted(by_weight[:DIGEST_POSTS], key=lambda post: post.number)
    return Digest(posts=tuple(taken), left_out=len(posts) - len(taken))


def prompt_with_posts(prompt: str, digest: Digest, *, as_json: bool = False) -> str:
    """Returns a prompt that ends with posts of the board.

    Args:
        as_json: The prompt is a JSON object, and gets them as `board`.
    """
    texts = _bounded([post.text for post in digest.posts])
    if as_json:
        posts = [{**post.to_dict(), "text": text} for post, text in zip(digest.posts, texts, strict=True)]
        board = {"posts": posts, "left_out": digest.left_out}
        return json.dumps({**json.loads(prompt), "board": board}, ensure_ascii=False)
    parts = [(_title(post), text) for post, text in zip(digest.posts, texts, strict=True)]
    left_out = f"{digest.left_out} older posts are left out here. " if digest.left_out else ""
    said = quoted(parts, by="other agents of this run, or by its user,")
    return f"{prompt.rstrip()}\n\n{HEADING}\n{said}\n{left_out}{WAY}\n"


def _bounded(texts: list[str]) -> list[str]:
    if sum(map(len, texts)) <= DIGEST_CHARACTERS:
        return texts
    shares = fair_shares([len(text) for text in texts], DIGEST_CHARACTERS)
    return [shorten(text, share) for text, share in zip(texts, shares, strict=True)]


def _title(post: Post) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(post.at))
    return f"post {post.number}: {post.kind} by {post.author} for {post.to}, {when}"
