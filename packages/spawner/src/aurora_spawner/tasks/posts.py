"""Posts on the board of a run, as plain data: who wrote them, for whom, and when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class PostKind(StrEnum):
    """The kind of a post."""

    FACT = "fact"
    DECISION = "decision"
    QUESTION = "question"
    HANDOVER = "handover"


class PostedBy(StrEnum):
    """The kind of author of a post."""

    AGENT = "agent"
    USER = "user"
    CLIENT = "client"
    """A program of the user's, such as another agent that steers Aurora by MCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a post is for; without a task and an agent, it is for all."""

    task: str | None = None
    agent: str | None = None

    def __str__(self) -> str:
        if self.task is not None:
            return f"task {self.task}"
        return "all" if self.agent is None else f"agent {self.agent}"


EVERYBODY = Recipient()


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post as the journal has it."""

    number: int
    """Its number on the board of its run, from 1."""
    at: float
    """Unix time."""
    kind: PostKind
    text: str
    by: PostedBy
    to: Recipient = EVERYBODY
    task_id: str = ""
    """The task of the agent that wrote it; "" for one that no agent of the run wrote."""
    attempt: int = 0
    """The number of that attempt; 0 if there is none."""
    agent: str = ""

    @property
    def author(self) -> str:
        """The author in words."""
        if self.by is PostedBy.AGENT:
            return f"task {self.task_id} (agent {self.agent}, attempt {self.attempt})"
        return "the user" if self.by is PostedBy.USER else "a program of the user's"

    def is_for(self, task_id: str, agent: str) -> bool:
        """Returns True if a task that an agent works on may read it: it is for them or for all, or by the task."""
        if self.to.task is not None:
            return task_id in (self.to.task, self.task_id)
        return self.to.agent in (None, agent) or task_id == self.task_id

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "kind": self.kind.value, "by": self.by.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A post that was posted just now."""

    post: Post
    unread: bool = False
    """True if the task that it is for has ended, so that nobody will read it."""
    changed: bool = False
    """True if it is not kept word for word: keys are masked, and control characters spelt out."""
    running: bool = True
    """True if a coordinator has taken it; False if a resume of the run will show it to agents."""


def post_from_dict(stored: dict[str, Any]) -> Post:
    """Returns the post that `to_dict` gave.

    Raises:
        ValueError, TypeError, KeyError: It is none.
    """
    return Post(
        **{
            **stored,
            "kind": PostKind(stored["kind"]),
            "by": PostedBy(stored["by"]),
            "to": Recipient(**stored["to"]),
        }
    )


KeyedPost = tuple[str, Post]
"""A post and the key that its sender gave it."""
