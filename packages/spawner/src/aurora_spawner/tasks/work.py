"""The work of tasks in a git repository: what each has changed, and what became of it at the merge."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.storage.stored_values import Reader, StoredValueError, count, document, read_fields, text
from aurora_spawner.tasks.resolved import ResolvedFile, resolved_files

if TYPE_CHECKING:
    from collections.abc import Mapping


CommitId = str
"""The name of a commit: hexadecimal digits. A journal can come from a stranger, and git takes texts for options."""
BranchName = str
"""The name of a branch of ours, without `refs/heads/`."""
AtticRef = str
"""The full name of a ref of the attic."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
BRANCHES: Final = "aurora/"
"""Begins the name of every branch of a run that was given no other beginning."""
_BRANCH: Final = re.compile(
    r"(?:aurora/[A-Za-z0-9][\w.-]*|(?:[A-Za-z0-9][\w.-]*/)+[A-Za-z0-9][\w.-]*-\d{13})/[a-z0-9][a-z0-9-]*", re.ASCII
)
"""Behind a beginning of the user's own, only the moment at the end of a run's name tells it from their branches."""


class MergeOutcome(StrEnum):
    """The end of one task's work."""

    MERGED = "merged"
    """On the integration branch, and the checks passed with it."""
    CONFLICT = "conflict"
    """Git cannot merge it with what is there already."""
    RED = "red"
    """The checks fail with it."""
    UNCHECKED = "unchecked"
    """The checks fail without any work, too, so that nothing is known of this work; nothing was merged."""
    DISCARDED = "discarded"
    """The user did not want it; the attic has it for a while."""


class Delivery(StrEnum):
    """The outcome for the target branch."""

    FAST_FORWARDED = "fast-forwarded"
    MERGED = "merged"
    """The target had moved; the work was merged with its new commits and checked again."""
    UP_TO_DATE = "up to date"
    CONFLICT = "conflict"
    """The target's new commits conflict with the work; the target stays."""
    RED = "red"
    """The checks fail with the work, or together with the target's new commits; the target stays."""
    CHECKED_OUT = "checked out"
    """The target is checked out, and was not to be updated or has uncommitted changes; the target stays."""
    MOVING = "moving"
    """The target moved at each try; the target stays."""
    REFUSED = "refused"
    """The policies deny it, or a person has not approved it; the target stays."""

    @property
    def arrived(self) -> bool:
        """True if the target has the work."""
        return self in (Delivery.FAST_FORWARDED, Delivery.MERGED, Delivery.UP_TO_DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWork:
    """The work of one task, on a branch of its own."""

    branch: BranchName
    """Without `refs/heads/`."""
    base: CommitId
    """The commit that the task started from."""
    commit: CommitId | None = None
    """None if the agent changed nothing."""
    path: str = ""
    """The folder of its worktree."""
    files: int = 0
    """The number of changed files."""
    insertions: int = 0
    """Lines; those of binary files do not count."""
    deletions: int = 0
    out_of_scope: tuple[str, ...] = ()
    """Changed files that the task did not declare; empty if it declared none."""
    protected: tuple[str, ...] = ()
    """Changed files that checks rest on, by the patterns of the run."""

    @property
    def head(self) -> str:
        """The commit that holds everything the task rests on."""
        return self.commit or self.base

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMerge:
    """The merge of one task's work."""

    task_id: str
    branch: BranchName
    commit: CommitId
    outcome: MergeOutcome
    files: tuple[str, ...] = ()
    """Files in conflict."""
    clashes_with: str | None = None
    """For a conflict or a failed check: the task that is needed for it to fail; None if it fails alone."""
    attic: AtticRef | None = None
    """For discarded work: the ref that has it."""
    resolved: tuple[ResolvedFile, ...] = ()
    """Files that git alone could not merge, and what merged them."""
    problem: str = ""
    """For a conflict: why the command that makes its files again did not; else empty."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        resolved = [each.to_json() for each in self.resolved]
        return {**asdict(self), "outcome": self.outcome.value, "resolved": resolved}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDelivery:
    """The state of a run's integration branch."""

    branch: BranchName
    """The integration branch, without `refs/heads/`."""
    commit: CommitId
    target: str | None
    """The branch that the work is for; None if none was checked out when the run was made."""
    outcome: Delivery | None = None
    """None if the target was not to be changed."""
    flaky: bool = False
    """A check failed once and passed when it was run again on the same commit."""
    base_fails: bool = False
    """A check fails without any of the work; then no task is blamed."""
    problem: str | None = None
    """The reason for which the merge was not finished."""
    check_output: str = ""
    """The end of the output of the first check that failed."""
    refusal: str = ""
    """The reason for which the merge gate keeps the work from the target, and what to do; "" if it does not."""
    files: tuple[str, ...] = ()
    """Files in which the target's new commits conflict with the work."""
    files_problem: str = ""
    """The reason for which the command that makes these files again did not; else empty."""
    resolved: tuple[ResolvedFile, ...] = ()
    """Files that git alone could not merge with the target's new commits, and what merged them."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        resolved = [each.to_json() for each in self.resolved]
        return {**asdict(self), "outcome": self.outcome.value if self.outcome else None, "resolved": resolved}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMerge:
    """The merge of the work of a run's tasks."""

    tasks: Mapping[str, TaskMerge]
    """By id; tasks that changed nothing are left out."""
    delivery: RunDelivery

    @property
    def unmerged(self) -> tuple[TaskMerge, ...]:
        """The work that is on its own branch only."""
        done = (MergeOutcome.MERGED, MergeOutcome.DISCARDED)
        return tuple(each for each in self.tasks.values() if each.outcome not in done)

    @property
    def ok(self) -> bool:
        """True if everything is merged, the checks pass, and the target has it or was not to get it."""
        delivered = self.delivery.outcome is None or self.delivery.outcome.arrived
        failed = self.delivery.problem is not None or self.delivery.base_fails
        return delivered and not self.unmerged and not failed


def commit_id(value: object) -> CommitId:
    """Returns a stored value if it is the name of a commit.

    Raises:
        StoredValueError: It is not.
    """
    if not _COMMIT.fullmatch(text(value)):
        raise StoredValueError(f"must be the name of a commit, not {ascii(value)[:60]}")
    return text(value)


def is_branch_of_run(name: str) -> bool:
    """Returns True if a branch, without `refs/heads/`, can be one of a run's, by its name alone."""
    return _BRANCH.fullmatch(name) is not None


def _branch_name(value: object) -> BranchName:
    if not is_branch_of_run(text(value)):
        raise StoredValueError(f"must be a branch of a run, not {ascii(value)[:60]}")
    return text(value)


def _attic_ref(value: object) -> AtticRef:
    if not text(value).startswith("refs/aurora/attic/"):
        raise StoredValueError(f"must be a ref of the attic, not {ascii(value)[:60]}")
    return text(value)


_READERS: Final[Mapping[str, Reader]] = {
    "int": count,
    "CommitId": commit_id,
    "BranchName": _branch_name,
    "AtticRef": _attic_ref,
    "MergeOutcome": MergeOutcome,
    "Delivery": Delivery,
    "tuple[ResolvedFile, ...]": resolved_files,
}


def work_from_json(stored: object) -> TaskWork:
    """Returns the work that `TaskWork.to_json` stored.

    Raises:
        StoredValueError: The value is no stored work.
    """
    return TaskWork(**read_fields(TaskWork, stored, _READERS))


def merge_from_text(stored: object) -> TaskMerge:
    """Returns the merge that the journal has as JSON text.

    Raises:
        StoredValueError: The value is no stored merge.
    """
    return TaskMerge(**read_fields(TaskMerge, document(stored), _READERS))


def delivery_from_text(stored: object) -> RunDelivery:
    """Returns the delivery that the journal has as JSON text.

    Raises:
        StoredValueError: The value is no stored delivery.
    """
    return RunDelivery(**read_fields(RunDelivery, document(stored), _READERS))
