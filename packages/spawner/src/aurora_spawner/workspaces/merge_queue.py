"""Brings the work of tasks together on one branch, checks it there, and only then moves the target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.work import BRANCHES, Delivery, MergeOutcome
from aurora_spawner.workspaces.delivery import checkouts_of, fast_forward
from aurora_spawner.workspaces.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merging import Joined, PlainMerger, commit_merge, is_ancestor, merge_parents, one_line
from aurora_spawner.workspaces.names import INTEGRATION, branch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aurora_spawner.tasks.resolved import ResolvedFile
    from aurora_spawner.workspaces.merging import Merger, TreeMerge

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
    resolution: str | None = None
    """A merge of what the integration branch had and this work, made by who resolved its conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The outcome of merging one task's work."""

    work: Work
    outcome: MergeOutcome
    files: tuple[str, ...] = ()
    """Files in conflict."""
    clashes_with: str | None = None
    """For a conflict or a failed check: the task that is needed for it to fail; None if it fails alone."""
    resolved: tuple[ResolvedFile, ...] = ()
    """Files that git alone could not merge, and what merged them."""
    problem: str = ""
    """For a conflict: why the command that makes its files again did not; else empty."""


class Check(StrEnum):
    """The answer of a check."""

    PASSED = "passed"
    FAILED = "failed"


class _Verdict(Enum):
    PASSED = auto()
    FLAKY = auto()
    FAILED = auto()
    BASE_FAILS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The outcome of merging the work of several tasks."""

    merged: tuple[Merged, ...]
    flaky: bool = False
    """The check failed once and passed when it was run again on the same commit."""
    base_fails: bool = False
    """The check fails without any of the work, with the target's newest commits too; then no task is blamed."""

    @property
    def is_complete(self) -> bool:
        """True if everything is merged."""
        return all(each.outcome is MergeOutcome.MERGED for each in self.merged)


@dataclass(slots=True)
class MergeQueue:
    """The integration branch of one run.

    The state of the queue is the branch itself: work that its history contains is not merged again, so that a queue
    that was killed continues where it stopped.

    Attributes:
        git: in the user's checkout, and in no repository around it; no file of the checkout changes unless `deliver`
            is called with `update_checkout`.
        run_id: names the branch.
        branches: begins its name.
        target: the branch that the work is for, without `refs/heads/`.
        base: the commit that the integration branch starts from.
        check: says if a commit is good; None takes everything that git can merge. It is asked once about a tree, and
            once more if it fails.
        own_files: files of the checkout whose changes are no reason to leave it as it is; see `fast_forward`.
        merger: merges two commits; git alone, line by line, if None.
    """

    git: Git
    run_id: str
    target: str
    base: str
    branches: str = BRANCHES
    check: Callable[[str], Check] | None = None
    own_files: tuple[str, ...] = ()
    merger: Merger | None = None
    checked: dict[str, Check] = field(default_factory=dict)
    """The last answer of the check for each tree; queues of one execution share it."""
    with_target: TreeMerge | None = None
    """The last merge with the target's new commits; None if none was needed."""
    _merged: list[Work] = field(default_factory=list)
    _author: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if self.git.git_dir is None:
            self.git = Git.of_checkout(self.git.folder)
        self.base = self.git.text("rev-parse", "--verify", f"{self.base}^{{commit}}")  # a branch would move
        self._author = self.git.identity()

    @property
    def branch(self) -> str:
        """The integration branch, without `refs/heads/`."""
        return branch_of(self.branches, self.run_id, INTEGRATION)

    @property
    def head(self) -> str:
        """The commit of the integration branch; the base before anything was merged."""
        return self.git.commit_of(self._ref) or self.base

    def merge(self, works: Sequence[Work]) -> Batch:
        """Merges the work of tasks one by one, checks the result, and leaves out what makes it fail.

        Nothing has moved if the check raises an error, or fails without any of the work.

        Raises:
            ValueError: Two works have one task, or the check answers with no `Check`.
            WorkspaceError: Another process moves the integration branch.
            GitError: Git failed.
        """
        if len({work.task_id for work in works}) < len(works):
            raise ValueError("two works of one task")
        start = base = self.head
        head, answers = self._put_all(base, works)
        verdict = self._judge(base, head)
        if verdict is _Verdict.BASE_FAILS:
            newer = self._newer_base(base)
            if newer is not None:
                base = newer
                head, answers = self._put_all(base, works)
                verdict = self._judge(base, head)
        if verdict is _Verdict.BASE_FAILS:  # what is on the integration branch has passed, always
            answers = {
                task_id: replace(each, outcome=MergeOutcome.UNCHECKED)
                if each.outcome is MergeOutcome.MERGED and not is_ancestor(self.git, each.work.commit, start)
                else each
                for task_id, each in answers.items()
            }
            head = start
        if verdict is _Verdict.FAILED:
            taken = [work for work in works if answers[work.task_id].outcome is MergeOutcome.MERGED]
            head = self._bisect(base, taken, answers)
        self._move(start, head)
        self._merged += [work for work in works if answers[work.task_id].outcome is MergeOutcome.MERGED]
        return Batch(
            merged=tuple(answers[work.task_id] for work in works),
            flaky=verdict is _Verdict.FLAKY,
            base_fails=verdict is _Verdict.BASE_FAILS,
        )

    def deliver(self, *, update_checkout: bool = False) -> Delivery:
        """Moves the target branch to the integrated work; never a push.

        Args:
            update_checkout: Update the files too if the target is checked out once and has no uncommitted changes.

        Raises:
            OverwriteError: Ignored or untracked files of the user stand where the work has files; the target stays.
            WorkspaceError: There is no such branch.
            GitError: Git failed.
        """
        for _ in range(_TRIES):
            target = self.git.commit_of(self._target_ref)
            if not target:
                raise WorkspaceError(
                    self.git.folder, f"there is no branch {self.target}; the work is on {self.branch}"
                )
            head = self.head
            if is_ancestor(self.git, head, target):
                return Delivery.UP_TO_DATE
            if not self._passes(head):  # it was merged with other checks, or without any
                return Delivery.RED
            moved = not is_ancestor(self.git, target, head)
            if moved:
                refused = self._merge_target(head, target)
                if refused is not None:
                    return refused
                head = self.head
            try:
                delivered = self._advance(target, head, update_checkout=update_checkout)
            except GitError:
                if self.git.commit_of(self._target_ref) == target:
                    raise
                continue  # somebody moved it since it was read
            if not delivered:
                return Delivery.CHECKED_OUT
            return Delivery.MERGED if moved else Delivery.FAST_FORWARDED
        return Delivery.MOVING

    def _advance(self, target: str, head: str, *, update_checkout: bool) -> bool:
        """Moves the target, and the files of its checkout; returns False if those must not change."""
        before: list[Path] | None = None
        while (checkouts := checkouts_of(self.git, self._target_ref)) != before:
            if not checkouts:
                self.git.run("update-ref", "-m", f"aurora: {self.run_id}", self._target_ref, head, target)
                return True
            # A second checkout of the branch, or one on a drive that is away, would be left behind.
            if not update_checkout or len(checkouts) > 1 or not checkouts[0].is_dir():
                return False
            if fast_forward(checkouts[0], self._target_ref, target, head, own_files=self.own_files):
                return True
            before = checkouts  # unless the user has just switched to another branch, it stays as it is
        return False

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.branch}"

    @property
    def _target_ref(self) -> str:
        return f"refs/heads/{self.target}"

    @property
    def _using(self) -> Merger:
        return self.merger or PlainMerger(self.git)

    def _put_all(self, base: str, works: Sequence[Work]) -> tuple[str, dict[str, Merged]]:
        """Merges the works one by one; returns the head and the answer for each task."""
        head = base
        taken: list[Work] = []
        answers: dict[str, Merged] = {}
        joined = self._line_from(base, works)
        for work in works:
            head, answer = self._put_on(head, work, taken, joined)
            answers[work.task_id] = answer
            if answer.outcome is MergeOutcome.MERGED:
                taken.append(work)
        return head, answers

    def _judge(self, base: str, head: str) -> _Verdict:
        if head == base or self._passes(head):
            return _Verdict.PASSED
        if self._passes(head, again=True):
            return _Verdict.FLAKY
        return _Verdict.FAILED if self._passes(base) else _Verdict.BASE_FAILS

    def _newer_base(self, base: str) -> str | None:
        """Returns a base that passes, since the target has new commits; None if it fails with them, too."""
        target = self.git.commit_of(self._target_ref)
        if not target or is_ancestor(self.git, target, base):
            return None
        if is_ancestor(self.git, base, target):
            return target if self._passes(target) else None
        merge = self._using.merge(base, target)
        if not merge.is_clean:
            self.with_target = merge
            return None
        message = f"Merge {self.target} into run {self.run_id}\n\nAurora-Run: {self.run_id}\n"
        newer = commit_merge(self.git, merge.tree, (base, target), message)
        if not self._passes(newer):
            return None
        self.with_target = merge
        return newer

    def _line_from(self, base: str, works: Sequence[Work]) -> Joined:
        resolutions = (work.resolution for work in works if work.resolution and self.git.commit_of(work.resolution))
        return Joined(self.git, base, [*(work.commit for work in works), *resolutions])

    def _put_on(self, head: str, work: Work, before: Sequence[Work], joined: Joined) -> tuple[str, Merged]:
        """Returns the new head, and what happened to the work; a conflict leaves the head as it is."""
        if joined.has(work.commit):
            return head, Merged(work=work, outcome=MergeOutcome.MERGED)
        commit = self._resolved(head, work) or work.commit
        merge = self._using.merge(head, commit)
        if not merge.is_clean:
            other = self._conflicting(work, [*self._merged, *before])
            return head, Merged(
                work=work,
                outcome=MergeOutcome.CONFLICT,
                files=merge.conflicts,
                clashes_with=other,
                problem=merge.problem,
            )
        message = f"Merge task {one_line(work.task_id)}\n\n{self._trailers(work)}"
        joined.take(commit)
        new = commit_merge(self.git, merge.tree, (head, commit), message, identity=self._author)
        return new, Merged(work=work, outcome=MergeOutcome.MERGED, resolved=merge.resolved)

    def _resolved(self, head: str, work: Work) -> str | None:
        """Returns the resolution of a work's conflict, unless it holds what the head does not, as work left out."""
        if work.resolution is None or not self.git.commit_of(work.resolution):
            return None
        onto, theirs = merge_parents(self.git, work.resolution) or (None, None)
        fits = theirs == work.commit and onto is not None and is_ancestor(self.git, onto, head)
        return work.resolution if fits else None

    def _trailers(self, work: Work) -> str:
        agent = f"Aurora-Agent: {one_line(work.agent)}\n" if work.agent else ""
        return f"Aurora-Run: {self.run_id}\nAurora-Task: {one_line(work.task_id)}\n{agent}"

    def _conflicting(self, work: Work, others: Sequence[Work]) -> str | None:
        """Returns the task whose work alone conflicts with this one; None if several or the base conflict."""
        for other in others:
            if not self._using.preview(other.commit, work.commit).is_clean:
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
            answers[culprit.task_id] = Merged(work=culprit, outcome=MergeOutcome.RED, clashes_with=partner)
            left.remove(culprit)
            for work in [each for each in left if is_ancestor(self.git, culprit.commit, each.commit)]:
                answers[work.task_id] = Merged(work=work, outcome=MergeOutcome.RED, clashes_with=culprit.task_id)
                left.remove(work)  # it stands on the culprit's commits
        return start

    def _report_left_out(self, head: str, works: Sequence[Work], answers: dict[str, Merged]) -> None:
        """Reports work that merged only because of other work, which is now left out."""
        for work in works:
            if not is_ancestor(self.git, work.commit, head):
                files = self._using.preview(head, work.commit).conflicts
                answers[work.task_id] = Merged(work=work, outcome=MergeOutcome.CONFLICT, files=files)

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
        head, joined = start, self._line_from(start, works)
        for work in works:
            head, _ = self._put_on(head, work, (), joined)
        return head

    def _passes(self, commit: str, *, again: bool = False) -> bool:
        """Checks a commit; asks only once about the same tree, unless it is asked again."""
        if self.check is None:
            return True
        tree = self.git.text("rev-parse", "--verify", f"{commit}^{{tree}}")
        if again or tree not in self.checked:
            self.checked[tree] = Check(self.check(commit))
        return self.checked[tree] is Check.PASSED

    def _move(self, old: str, new: str) -> None:
        if new == old and self.git.commit_of(self._ref):
            return
        there = self.git.commit_of(self._ref)
        if there and there != old:
            raise WorkspaceError(self.git.folder, f"another process moved {self.branch}; merge again")
        self.git.run("update-ref", self._ref, new, there or "0" * len(new))

    def _merge_target(self, head: str, target: str) -> Delivery | None:
        """Merges the target's new commits into the integration branch; returns the reason if that is not possible."""
        self.with_target = merge = self._using.merge(target, head)
        if not merge.is_clean:
            return Delivery.CONFLICT
        message = f"Merge run {self.run_id} into {self.target}\n\nAurora-Run: {self.run_id}\n"
        merged = commit_merge(self.git, merge.tree, (target, head), message)
        if not self._passes(merged):
            return Delivery.RED
        self._move(head, merged)
        return None
