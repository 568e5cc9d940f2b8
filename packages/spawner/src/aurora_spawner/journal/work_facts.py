"""The events of a task's work: the files it claims, its worktree, checks, reviews, merges and delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aurora_spawner.journal.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesClaimed(Fact):
    """A task has claimed files until it is settled: those that it declares, or that it was seen to change."""

    kind = "files_claimed"
    files: list[str]
    """Paths and patterns; for `seen` further paths."""
    seen: bool = False
    """True if its tool calls or its worktree showed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceIntended(Fact):
    """The worktree of a task is about to be made, or to be worked in again."""

    kind = "workspace_intended"
    path: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePrepared(Fact):
    """The worktree of a task has what it has besides its base commit; its set-up has succeeded."""

    kind = "workspace_prepared"
    ports: list[int]
    """The first port of its block and their number; empty without ports."""
    copied: list[str]
    """The first of them; there may be thousands."""
    copies: int
    linked: list[str]
    setup: list[str]
    """The commands."""
    setup_s: list[float]
    """The time that each of them took."""
    put_back: list[str]
    """Tracked files that they had changed, and that are as in the base commit again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksIntended(Fact):
    """The checks of an attempt's work are about to run; further changes in its worktree come from them."""

    kind = "checks_intended"
    number: int
    """Of the attempt."""
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkChecked(Fact):
    """The checks of an attempt's work have run."""

    kind = "work_checked"
    checked: dict[str, Any]
    """A `CheckedWork`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReturned(Fact):
    """The work of an attempt came back to its agent, which goes on in another attempt."""

    kind = "work_returned"
    returned: dict[str, Any]
    """A `Returned`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReviewed(Fact):
    """A reviewer has given its verdict on an attempt's work."""

    kind = "work_reviewed"
    review: dict[str, Any]
    """A `Review`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictForeseen(Fact):
    """The work of a running task conflicts with that of another, as both stand; or does no longer."""

    kind = "conflict_foreseen"
    other: str
    """The id of the other task."""
    files: list[str]
    over: bool = False
    """True if they conflict no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkJudged(Fact):
    """The policies have judged the diff of an attempt's work."""

    kind = "work_judged"
    number: int
    """Of the attempt."""
    agent: str
    base: str
    """The commit that the task started from."""
    commit: str
    findings: list[dict[str, Any]]
    """Their objections, each with `rule`, `denied`, `subject` and `reason`; empty if nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMerged(Fact):
    """The merge of one task's work was tried."""

    kind = "work_merged"
    merge: dict[str, Any]
    """A `TaskMerge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDiscarded(Fact):
    """The user discarded one task's work, which is in the attic now."""

    kind = "work_discarded"
    merge: dict[str, Any]
    """A `TaskMerge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDelivered(Fact):
    """The merged work of a run is on its integration branch, and was brought to the target if that was wanted."""

    kind = "run_delivered"
    delivery: dict[str, Any]
    """A `RunDelivery`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryJudged(Fact):
    """The policies have judged the delivery of a run's merged work to its target."""

    kind = "delivery_judged"
    target: str
    """The branch; after a remote and `/` if it is pushed there."""
    subject: str
    action: str
    """allow, prompt or deny."""
    rule: str
    """"" if no rule applies."""
    reason: str
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPushed(Fact):
    """The merged work of a run was pushed to a remote, because the user asked for a pull request."""

    kind = "work_pushed"
    remote: str
    branch: str
    """Without `refs/heads/`."""
    commit: str
