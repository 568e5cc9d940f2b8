"""The work that tasks have done in worktrees: shown, commented on, chosen, merged, discarded, cleaned up."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from aurora_soar.aurora.parts import ProjectParts
from aurora_soar.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aurora_soar.lessons.lesson import Lesson
    from aurora_soar.lessons.store import LessonStore
    from aurora_soar.taskruns.pull_request import PullRequestPlan, PullRequestReport
    from aurora_spawner.control.candidates import CandidateList, PickReport
    from aurora_spawner.control.comment_file import LineComment
    from aurora_spawner.control.commenting import CommentableWork
    from aurora_spawner.control.discarding import DiscardReport
    from aurora_spawner.control.merging import MergeReport
    from aurora_spawner.control.worktree_cleanup import WorktreeCleanup
    from aurora_spawner.control.worktrees import WorktreeStatus
    from aurora_spawner.gates.tool_calls import Verdict
    from aurora_spawner.workspaces.merge_queue import Check

__all__ = ["RunWork"]


class RunWork(ProjectParts):
    """The part of `Aurora` that deals with the work of runs."""

    def merge(
        self, run_id: str, *, tasks: Collection[str] = (), deliver: bool = True, accept_changes: bool = False
    ) -> MergeReport:
        """Merges the work of a run whose tasks had worktrees; see `aurora_spawner.control.merging.merge_work`.

        The boxes of tasks that are merged are ticked in the task file.

        Args:
            accept_changes: continue although the run's part of the journal was changed, or came from elsewhere.

        Raises:
            JournalChangedError: it was, and `accept_changes` is false.
        """
        from aurora_soar.taskruns.confinement import AgentConfinement
        from aurora_soar.taskruns.merge import merge_taskfile_run

        self._check_unchanged(run_id, accept=accept_changes)
        report = merge_taskfile_run(
            self.project.runs_db,
            run_id,
            tasks=tasks,
            deliver=deliver,
            checks=self.config.check,
            env_pass=self.config.env_pass,
            preparation=self.preparation,
            gate=self.project_agents.merge_gate,
            checked=self._checked,
            confinement=AgentConfinement(
                policies=self.project_agents.policies, backends=self.project_agents.backends
            ),
            notify=self.notify,
        )
        self._clear_pool(run_id)
        return report

    def _clear_pool(self, run_id: str) -> None:
        """Deletes what the repository of a run's pool has and is needed there no longer."""
        if not self.config.pools:
            return
        from aurora_soar.taskruns.pool_refs import clear_pool

        for sentence in clear_pool(self.project.runs_db, run_id, self.config.pools):
            self.notify(Notice(message=sentence, warning=True))

    @property
    def lesson_store(self) -> LessonStore | None:
        """The lessons of this project; None without a home folder."""
        from aurora_soar.lessons.store import LessonStore

        return LessonStore.of(self.project.root, os.environ)

    def lessons_shown(self, run_id: str) -> list[Lesson]:
        """Returns what a run has shown, whether it is kept or not.

        Raises:
            UnknownRunError: the journal has no such run.
        """
        from aurora_soar.lessons.of_project import learnt_in

        return learnt_in(self.project.runs_db, run_id)

    def set_lesson_consent(self, run_id: str, *, given: bool) -> None:
        """Writes into the user's own configuration whether lessons are kept, and with consent keeps those of a run.

        Raises:
            UserOnlyError: an agent wants it.
            ConfigError: the user's configuration is not valid.
        """
        from aurora_core.settings.config import user_config_file
        from aurora_soar.aurora.settings import change_user_setting
        from aurora_soar.lessons.of_project import ProjectLessons

        path, store = user_config_file(os.environ), self.lesson_store
        if path is None or store is None:
            return
        change_user_setting(path, "memory.lessons", ["true" if given else "false"])
        if given:
            lessons = ProjectLessons(store=store, root=self.project.root, notify=self.notify)
            lessons.settle(self.project.runs_db, run_id)

    @cached_property
    def _checked(self) -> dict[str, Check]:
        """Answers of the checks by tree: the delivery after a question does not check the same tree again."""
        return {}

    def judge_merge(self, run_id: str) -> Verdict | None:
        """Returns what the policies say to the delivery of a run's work; None if nothing is to be delivered."""
        from aurora_spawner.control.delivery_permission import judge_merge

        return judge_merge(self.project.runs_db, run_id, self.project_agents.merge_gate)

    def changes_in_the_way(self, run_id: str) -> tuple[str, ...]:
        """Returns the files whose uncommitted changes in the checkout keep a run's work from its target."""
        from aurora_spawner.control.delivery_permission import changes_in_the_way

        return changes_in_the_way(self.project.runs_db, run_id)

    def plan_pull_request(
        self,
        run_id: str,
        *,
        remote: str | None = None,
        target: str | None = None,
        title: str | None = None,
        draft: bool = False,
    ) -> PullRequestPlan:
        """Returns the pull request that could be opened for a run's work; nothing is pushed.

        See `taskruns.pull_request.plan_pull_request` for arguments and errors.
        """
        from aurora_soar.taskruns.pull_request import plan_pull_request

        return plan_pull_request(self.project.runs_db, run_id, remote=remote, target=target, title=title, draft=draft)

    def open_pull_request(self, plan: PullRequestPlan, *, accept_changes: bool = False) -> PullRequestReport:
        """Pushes a run's work and opens the pull request; see `taskruns.pull_request.open_pull_request`.

        Args:
            accept_changes: as for `merge`.
        """
        from aurora_soar.taskruns.pull_request import open_pull_request

        self._check_unchanged(plan.work.run_id, accept=accept_changes)
        return open_pull_request(self.project.runs_db, plan, gate=self.project_agents.merge_gate)

    def diff(
        self,
        run_id: str,
        task_id: str | None = None,
        *,
        stat: bool = False,
        colour: bool = False,
        accept_changes: bool = False,
    ) -> bytes:
        """Returns the change that a task, or a run, has made; see `aurora_spawner.control.diffs.work_diff`.

        Args:
            accept_changes: as for `merge`.
        """
        from aurora_spawner.control.diffs import work_diff

        self._check_unchanged(run_id, accept=accept_changes)
        return work_diff(self.project.runs_db, run_id, task_id, stat=stat, colour=colour)

    def commentable_work(self, run_id: str, task_id: str, *, accept_changes: bool = False) -> CommentableWork:
        """Returns the change of a finished task for comments; see `aurora_spawner.control.commenting`.

        Args:
            accept_changes: as for `merge`.
        """
        from aurora_spawner.control.commenting import commentable_work

        self._check_unchanged(run_id, accept=accept_changes)
        return commentable_work(self.project.runs_db, run_id, task_id)

    def send_comments(
        self, run_id: str, task_id: str, comments: Sequence[LineComment], *, seen: CommentableWork
    ) -> None:
        """Opens a task again with comments for its agent; a resume of the run has them worked in.

        Args:
            seen: the work that they were written on.
        """
        from aurora_spawner.control.commenting import send_comments

        send_comments(self.project.runs_db, run_id, task_id, comments, seen=seen)

    def discard(self, run_id: str, task_id: str, *, accept_changes: bool = False) -> DiscardReport:
        """Moves the work of a task to the attic; see `aurora_spawner.control.discarding.discard_work`.

        Args:
            accept_changes: as for `merge`.
        """
        from aurora_spawner.control.discarding import discard_work

        self._check_unchanged(run_id, accept=accept_changes)
        report = discard_work(self.project.runs_db, run_id, task_id)
        self._clear_pool(run_id)
        return report

    def candidates(self, run_id: str, task_id: str) -> CandidateList:
        """Returns the candidates of a task; see `aurora_spawner.control.candidates.list_candidates`."""
        from aurora_spawner.control.candidates import list_candidates

        return list_candidates(self.project.runs_db, run_id, task_id)

    def pick(self, run_id: str, task_id: str, number: int, *, accept_changes: bool = False) -> PickReport:
        """Takes a candidate of a task; see `aurora_spawner.control.candidates.pick_candidate`.

        Args:
            accept_changes: as for `merge`.
        """
        from aurora_spawner.control.candidates import pick_candidate

        self._check_unchanged(run_id, accept=accept_changes)
        return pick_candidate(self.project.runs_db, run_id, task_id, number)

    def worktrees(self) -> list[WorktreeStatus]:
        """Returns the worktrees of all runs; see `aurora_spawner.control.worktrees.list_worktrees`."""
        from aurora_spawner.control.worktrees import list_worktrees
        from aurora_spawner.rate_limits.gate_store import default_state_dir

        return list_worktrees(self.project.runs_db, self.project.root, state_dir=default_state_dir())

    def clean_worktrees(self, *, ignored_too: bool = False, dry_run: bool = False) -> WorktreeCleanup:
        """Removes worktrees that hold nothing that is not elsewhere; see `clean_worktrees` of the spawner."""
        from aurora_spawner.control.worktree_cleanup import clean_worktrees
        from aurora_spawner.rate_limits.gate_store import default_state_dir

        return clean_worktrees(
            self.project.runs_db,
            self.project.root,
            ignored_too=ignored_too,
            dry_run=dry_run,
            state_dir=default_state_dir(),
        )

    def _check_unchanged(self, run_id: str, *, accept: bool) -> None:
        from aurora_spawner.control.lookup import check_unchanged

        check_unchanged(self.project.runs_db, run_id, accept=accept)
