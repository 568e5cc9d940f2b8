"""The events of what was asked and told in a run: tool calls, approvals, grants, and posts on the board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aurora_spawner.journal.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallJudged(Fact):
    """A tool call of an agent was judged, before it happened."""

    kind = "tool_call_judged"
    agent: str
    tool: str
    subject: str
    """The call in words, cut to a few hundred characters."""
    action: str
    """The policies' answer: allow, prompt or deny."""
    allowed: bool
    """True if it may happen: the policies allow it, or somebody has consented."""
    rule: str
    """"" if no rule applies."""
    reason: str
    answered_by: str
    """The source of the answer to a prompt, as in `ApprovalAnswer`; "" if nobody was asked."""
    approval: str = ""
    """The id of the question, whose answer is used by this; "" if there was none, and in runs of earlier versions."""
    call: dict[str, Any] | None = None
    """`call_to_json`; None if the subject is only a part of it, and in runs of earlier versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Fact):
    """A person is asked to approve something; until then it does not happen."""

    kind = "approval_requested"
    approval: str
    """The id of the question."""
    number: int
    """Of the attempt; 0 if there is none."""
    agent: str
    gate: str
    """live, after, merge, push or agent."""
    subject: str
    rule: str
    reason: str
    shape: str
    """The range of an approval for the whole run; "" if it cannot be given."""
    limit_s: float | None
    """Time for the answer; then it is no. None for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswered(Fact):
    """A question has its answer; a later one does not change it."""

    kind = "approval_answered"
    approval: str
    approved: bool
    by: str
    """user, limit (nobody answered in time), or grant (an earlier approval for the whole run)."""
    note: str
    user: str = ""
    """The name of the user, if somebody who has signed in answered; "" for whoever runs Aurora."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWithdrawn(Fact):
    """A question needs no answer any longer."""

    kind = "approval_withdrawn"
    approval: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRefused(Fact):
    """A process that is not the user's wanted what is for the user alone, such as an answer; nothing changed."""

    kind = "answer_refused"
    approval: str
    """The question that it named; of anything else, the act in words, such as "a take-over"."""
    pid: int
    """0 if it is not known."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserActed(Fact):
    """Somebody who has signed in to the dashboard wants to act on the run; what came of it is in the events after it.

    The event's task is the one that the act names.
    """

    kind = "user_acted"
    act: str
    """As the page names it: pause, cancel, approve, say, …"""
    user: str
    role: str
    issuer: str
    """The provider that vouches for the user; "" if the user signed in with the password of the dashboard."""
    subject: str
    """The provider's own id of the user, which stays when a name changes."""
    approval: str
    """The question that the act answers; "" if it answers none."""
    refused: str
    """The reason why it was not done; "" if it was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSeen(Fact):
    """Somebody has signed in to the dashboard or out of it, or was refused. It belongs to no run."""

    kind = "sign_in"
    outcome: str
    """in, out or refused."""
    user: str
    """ "" for one who was refused and not known."""
    role: str
    issuer: str
    """The provider that vouches for the user; "" if it was the password of the dashboard."""
    subject: str
    """The provider's own id of the user."""
    why: str
    """The reason of a refusal."""
    unrecorded: int
    """Refusals since the last recorded one that were not written down, since there were too many in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantStored(Fact):
    """The user approves, for the rest of the run, everything of one shape that one rule asks about."""

    kind = "grant_stored"
    approval: str
    """The question with whose answer it was given; the grant has its id, too."""
    rule: str
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRevoked(Fact):
    """The user has taken back a grant; what it has approved stays approved."""

    kind = "grant_revoked"
    approval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPosted(Fact):
    """Somebody has posted on the board of the run; the task of the event is that of the agent that did."""

    kind = "board_posted"
    number: int
    """Of the post, on this board."""
    by: str
    """agent, user or client."""
    attempt: int
    """0 if no agent of the run posted it."""
    agent: str
    post_kind: str
    """fact, decision, question or handover."""
    to_task: str | None
    to_agent: str | None
    """None, and no task either, if it is for all."""
    text: str
    key: str
    """The name that its sender gave it, by which it is posted once."""
