"""Pages of a board: as many posts as one answer holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.tasks.posts import Post

WAIT_LIMIT_S: Final = 60.0
"""The longest wait for a post; whoever wants more asks again, and so shows that it lives."""
PAGE_POSTS: Final = 100
PAGE_CHARACTERS: Final = 50_000
"""The most that one answer holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some posts of a board, the oldest first."""

    posts: tuple[Post, ...]
    last: int
    """The number behind which to go on reading."""
    more: bool = False
    """True if there are more already."""


def page_of(posts: Sequence[Post], *, end: int) -> Page:
    """Returns the first posts of some, within the limits of an answer; `end` is the number behind all of them."""
    taken: list[Post] = []
    room = PAGE_CHARACTERS
    for post in posts[:PAGE_POSTS]:
        room -= len(post.text)
        if room < 0:
            break
        taken.append(post)
    if len(taken) == len(posts):
        return Page(posts=tuple(taken), last=end)
    return Page(posts=tuple(taken), last=taken[-1].number, more=True)
