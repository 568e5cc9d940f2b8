"""Brings the work of tasks together on one branch, checks it there, and only then moves the target."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merging import commit_merge, is_ancestor, merge_trees
from aurora_spawner.workspaces.worktrees import BRANCHES, INTEGRATION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TRIES: Final = 5
"""Number of merges into a target that keeps moving; then the work stays on the integration branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The finished work of one task."""

    task_id: str
    commit: str
    branch: str
    """Keeps the commit, whatever becomes of it."""
    agent: str = ""


class Outcome(StrEnum):
    """The end of one task's work."""

    MERGED = "merged"
    """On the integration branch, and the checks passed with it."""
    CONFLICT = "conflict"
    """Git cannot merge it with what is there already."""
    RED = "red"
    """The checks fail with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The outcome of merging one task's work."""

    work: Work
    outcome: Outcome
    files: tuple[str, ...] = ()
    """Files in conflict."""
    clashes_with: str | None = None
    """For a conflict or a failed check: the task that is needed for it to fail; None if it fails alone."""


class Check(StrEnum):
    """The answer of a check."""

    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The outcome of merging the work of several tasks."""

    merged: tuple[Merged, ...]
    flaky: bool = False
    """The check failed once and passed when it was run again on the same commit."""
    base_fails: bool = False
    """The check fails without any of the work; then no task is blamed."""

    @property
    def is_complete(self) -> bool:
        """True if everything is merged."""
        return all(each.outcome is Outcome.MERGED for each in self.merged)


class Delivery(StrEnum):
    """The outcome for the target branch."""

    FAST_FORWARDED = "fast-forwarded"
    MERGED = "merged"
    """The target had moved; the work was merged with its new commits and checked again."""
    UP_TO_DATE = "up to date"
    CONFLICT = "conflict"
    """The target's new commits conflict with the work; the target stays."""
    RED = "red"
    """The checks fail together with the target's new commits; the target stays."""
    CHECKED_OUT = "checked out"
    """The target is checked out, and was not to be updated or has uncommitted changes; the target stays."""
    MOVING = "moving"
    """The target moved at each try; the target stays."""


@dataclass(slots=True)
class MergeQueue:
    """The integration branch of one run.

    The state of the queue is the branch itself: work that its history contains is not merged again, so that a queue
    that was killed continues where it stopped.

    Attributes:
        git: in the user's checkout; no file of it changes unless `deliver` is called with `update_checkout`.
        run_id: names the branch.
        target: the branch that the work is for, without `refs/heads/`.
        base: the commit that the integration branch starts from.
        check: says if a commit is good; None takes everything that git can merge.
    """

    git: Git
    run_id: str
    target: str
    base: str
    check: Callable[[str], Check] | None = None
    _merged: list[Work] = field(default_factory=list)

    @property
    def branch(self) -> str:
        """The integration branch, without `refs/heads/`."""
        return f"{BRANCHES}/{self.run_id}/{INTEGRATION}"

    @property
    def head(self) -> str:
        """The commit of the integration branch; the base before anything was merged."""
        return self._commit_of(self._ref) or self.base

    def merge(self, works: Sequence[Work]) -> Batch:
        """Merges the work of tasks one by one, checks the result, and leaves out what makes it fail.

        Raises:
            WorkspaceError: Another process moves the integration branch.
            GitError: Git failed.
        """
        start = head = self.head
        taken: list[Work] = []
        answers: dict[str, Merged] = {}
        for work in works:
            head, answer = self._put_on(head, work, taken)
            answers[work.task_id] = answer
            if answer.outcome is Outcome.MERGED:
                taken.append(work)
        flaky = base_fails = False
        if self.check is not None and head != start and self.check(head) is Check.FAILED:
            if self.check(head) is Check.PASSED:
                flaky = True
            elif self.check(start) is Check.FAILED:
                base_fails = True
            else:
                head = self._bisect(start, taken, answers)
        self._move(start, head)
        self._merged += [work for work in taken if answers[work.task_id].outcome is Outcome.MERGED]
        return Batch(merged=tuple(answers[work.task_id] for work in works), flaky=flaky, base_fails=base_fails)

    def deliver(self, *, update_checkout: bool = False) -> Delivery:
        """Moves the target branch to the integrated work; never a push.

        Args:
            update_checkout: Update the files too if the target is checked out and has no uncommitted changes.

        Raises:
            WorkspaceError: There is no such branch.
            GitError: Git failed.
        """
        for _ in range(_TRIES):
            target = self._commit_of(self._target_ref)
            if not target:
                raise WorkspaceError(
                    self.git.folder, f"there is no branch {self.target}; the work is on {self.branch}"
                )
            head = self.head
            if is_ancestor(self.git, head, target):
                return Delivery.UP_TO_DATE
            moved = not is_ancestor(self.git, target, head)
            if moved:
                refused = self._merge_target(head, target)
                if refused is not None:
                    return refused
                head = self.head
            checkout = self._checkout_of_target()
            if checkout is not None:
                if not (update_checkout and _is_clean(checkout)):
                    return Delivery.CHECKED_OUT
                Git(checkout).run("merge", "--ff-only", "--quiet", head)
                return Delivery.MERGED if moved else Delivery.FAST_FORWARDED
            try:
                self.git.run("update-ref", "-m", f"aurora: {self.run_id}", self._target_ref, head, target)
            except GitError:
                if self._commit_of(self._target_ref) == target:
                    raise
                continue  # somebody moved it since it was read
            return Delivery.MERGED if moved else Delivery.FAST_FORWARDED
        return Delivery.MOVING

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.branch}"

    @property
    def _target_ref(self) -> str:
        return f"refs/heads/{self.target}"

    def _commit_of(self, ref: str) -> str:
        """Returns the commit of a ref; empty if there is no such ref."""
        return self.git.run("rev-parse", "--verify", "--quiet", ref, accepted=(0, 1)).text

    def _put_on(self, head: str, work: Work, before: Sequence[Work]) -> tuple[str, Merged]:
        """Returns the new head, and what happened to the work; a conflict leaves the head as it is."""
        if is_ancestor(self.git, work.commit, head):
            return head, Merged(work=work, outcome=Outcome.MERGED)
        merge = merge_trees(self.git, head, work.commit)
        if not merge.is_clean:
            other = self._conflicting(work, [*self._merged, *before])
            return head, Merged(work=work, outcome=Outcome.CONFLICT, files=merge.conflicts, clashes_with=other)
        message = f"Merge task {work.task_id}\n\n{self._trailers(work)}"
        return commit_merge(self.git, merge.tree, (head, work.commit), message), Merged(
            work=work, outcome=Outcome.MERGED
        )

    def _trailers(self, work: Work) -> str:
        agent = f"Aurora-Agent: {work.agent}\n" if work.agent else ""
        return f"Aurora-Run: {self.run_id}\nAurora-Task: {work.task_id}\n{agent}"

    def _conflicting(self, work: Work, others: Sequence[Work]) -> str | None:
        """Returns the task whose work alone conflicts with this one; None if several or the base conflict."""
        for other in others:
            if not merge_trees(self.git, other.commit, work.commit).is_clean:
                return other.task_id
        return None

    def _bisect(self, start: str, taken: Sequence[Work], answers: dict[str, Merged]) -> str:
        """Leaves out the work that makes the check fail, until the rest passes; returns the head of the rest."""
        left = list(taken)
        while left:
            head = self._joined(start, left)
            if head == start or self._passes(head):
                self._report_left_out(head, left, answers)
                return head
            culprit = left[self._first_failing(start, left) - 1]
            partner = self._partner(start, left[: left.index(culprit)], culprit)
            answers[culprit.task_id] = Merged(work=culprit, outcome=Outcome.RED, clashes_with=partner)
            left.remove(culprit)
            for work in [each for each in left if is_ancestor(self.git, culprit.commit, each.commit)]:
                answers[work.task_id] = Merged(work=work, outcome=Outcome.RED, clashes_with=culprit.task_id)
                left.remove(work)  # it stands on the culprit's commits
        return start

    def _report_left_out(self, head: str, works: Sequence[Work], answers: dict[str, Merged]) -> None:
        """Reports work that merged only because of other work, which is now left out."""
        for work in works:
            if not is_ancestor(self.git, work.commit, head):
                files = merge_trees(self.git, head, work.commit).conflicts
                answers[work.task_id] = Merged(work=work, outcome=Outcome.CONFLICT, files=files)

    def _first_failing(self, start: str, works: Sequence[Work]) -> int:
        """Returns how many of the works, in their order, it takes for the check to fail; all together fail."""
        low, high = 0, len(works)
        while high - low > 1:
            middle = (low + high) // 2
            if self._passes(self._joined(start, works[:middle])):
                low = middle
            else:
                high = middle
        return high

    def _partner(self, start: str, earlier: Sequence[Work], culprit: Work) -> str | None:
        """Returns the earlier task that the culprit fails with; None if the culprit fails alone."""
        if not self._passes(self._joined(start, [culprit])):
            return None
        low, high = 0, len(earlier)
        while high - low > 1:
            middle = (low + high) // 2
            if self._passes(self._joined(start, [*earlier[:middle], culprit])):
                low = middle
            else:
                high = middle
        return earlier[high - 1].task_id if earlier else None

    def _joined(self, start: str, works: Sequence[Work]) -> str:
        head = start
        for work in works:
            head, _ = self._put_on(head, work, ())
        return head

    def _passes(self, commit: str) -> bool:
        return self.check is None or self.check(commit) is Check.PASSED

    def _move(self, old: str, new: str) -> None:
        if new == old and self._commit_of(self._ref):
            return
        there = self._commit_of(self._ref)
        if there and there != old:
            raise WorkspaceError(self.git.folder, f"another process moved {self.branch}; merge again")
        self.git.run("update-ref", self._ref, new, there or "0" * len(new))

    def _merge_target(self, head: str, target: str) -> Delivery | None:
        """Merges the target's new commits into the integration branch; returns the reason if that is not possible."""
        merge = merge_trees(self.git, target, head)
        if not merge.is_clean:
            return Delivery.CONFLICT
        message = f"Merge run {self.run_id} into {self.target}\n\nAurora-Run: {self.run_id}\n"
        merged = commit_merge(self.git, merge.tree, (target, head), message)
        if not self._passes(merged):
            return Delivery.RED
        self._move(head, merged)
        return None

    def _checkout_of_target(self) -> Path | None:
        path = None
        for line in self.git.run("worktree", "list", "--porcelain", "-z").fields:
            word, _, rest = line.partition(" ")
            if word == "worktree":
                path = Path(rest)
            elif word == "branch" and rest == self._target_ref:
                return path
        return None


def _is_clean(checkout: Path) -> bool:
    question = ("status", "--porcelain=v1", "-z", "--untracked-files=all")
    return not Git(checkout).run(*question, environment={"GIT_OPTIONAL_LOCKS": "0"}).fields
