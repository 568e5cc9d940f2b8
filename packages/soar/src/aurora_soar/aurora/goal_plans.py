"""The plans of a project: made for a goal, reviewed, kept, archived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.aurora.parts import ProjectParts
from aurora_soar.errors import TaskFileInUseError

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_soar.forges import Issue
    from aurora_soar.plans.plan import ReviewDecision
    from aurora_soar.plans.review import DecompositionReview
    from aurora_soar.plans.store import PlanStore, StoredPlan
    from aurora_soar.replanning.record import RunReplan

__all__ = ["GoalPlans"]


class GoalPlans(ProjectParts):
    """The part of `Aurora` that plans goals."""

    def plan_goal(
        self, goal: str, *, index: bool = True, source: str = "", fresh: bool = False
    ) -> DecompositionReview | None:
        """Plans a goal; see `aplan_goal`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(self.aplan_goal(goal, index=index, source=source, fresh=fresh))

    async def aplan_goal(
        self, goal: str, *, index: bool = True, source: str = "", fresh: bool = False
    ) -> DecompositionReview | None:
        """Plans a goal and returns the plan for review; None if a signal ended the planning. Nothing is written.

        With `tool` set that agent plans, else rules do. `write_plan` keeps the plan once it is decided.

        Args:
            index: bring the memory up to date first.
            source: what the goal was taken from, if others wrote it; agents are told to take it as a description.
            fresh: take no plan from the cache.

        Raises:
            EmptyQuestionError: the goal holds no word to look for.
            UnknownAgentError, UntrustedAgentError: `tool` names an agent that is not there, or not trusted.
            OverLimitError: nothing is left of the budget for it.
        """
        from aurora_soar.aurora.changes_meanwhile import achanges_told
        from aurora_soar.aurora.goal_planning import review_goal
        from aurora_soar.plans.goal_text import looked_up
        from aurora_soar.question.question import read_question

        read_question(looked_up(goal))  # an empty one is refused before anything is set up
        self.set_up()
        with self.open_memory() as memory:
            if index:
                await memory.aindex()
            async with achanges_told(self.project.root, self.config.tool, self.notify):
                return await review_goal(self, goal, memory, source=source, fresh=fresh)

    def issue(self, number: int, *, remote: str | None = None) -> Issue:
        """Returns an issue of the project's forge, by `gh` or `glab`.

        Args:
            remote: the remote whose forge has it; the only one, or `origin`, if None.

        Raises:
            ForgeError: there is no remote, its program is missing or not signed in, or there is no such issue.
            WorkspaceError: the project is in no git repository.
        """
        from aurora_soar.taskruns.pull_request import forge_of

        return forge_of(self.project.root, remote)[1].issue(number)

    def plan_folder(self, folder: Path | str, *, index: bool = True) -> DecompositionReview:
        """Plans the tasks of a spec-kit, OpenSpec or Kiro folder as they are, for review; nothing is written.

        Args:
            index: bring the memory up to date first.

        Raises:
            SpecFolderError: it is no such folder, or cannot be taken as it is.
            TaskFileError, GraphError: its tasks cannot be understood; names the file and the line.
        """
        from pathlib import Path

        from aurora_soar.aurora.goal_planning import review_folder
        from aurora_soar.plans.spec_folder import read_spec_folder

        spec = read_spec_folder(Path(folder))  # refused before anything is set up
        self.set_up()
        with self.open_memory() as memory:
            if index:
                memory.index()
            return review_folder(self, spec, memory)

    def edited_review(self, review: DecompositionReview, text: str, path: Path) -> DecompositionReview:
        """Returns the review of a plan whose task file was edited; see `goal_planning.edited_review`."""
        from aurora_soar.aurora.goal_planning import edited_review

        return edited_review(self, review, text, path)

    def taskfile_of(self, review: DecompositionReview) -> str:
        """Returns the task file of a plan that is not written yet."""
        from aurora_soar.aurora.goal_planning import taskfile_of

        return taskfile_of(self, review)

    def write_plan(self, review: DecompositionReview, decision: ReviewDecision) -> StoredPlan:
        """Keeps a reviewed plan in a new folder of `.aurora/plans`.

        Raises:
            ValueError: the decision is to abort.
            PlanFileError, OSError: the folder cannot be written.
        """
        from aurora_soar.aurora.goal_planning import taskfile_of

        return self.plans.write(review.plan, decision, tasks=taskfile_of(self, review, decision))

    def archive_plan(self, name: str) -> StoredPlan:
        """Moves a plan into the archive, unless a run works on its tasks.

        Raises:
            UnknownPlanError: there is no such plan.
            TaskFileInUseError: a run works on it.
            PlanFileError: the archive has another of its name.
        """
        from aurora_soar.taskruns.start import check_not_in_use

        plan = self.plans.get(name)
        try:
            check_not_in_use(self.project, plan.taskfile, force=False, notify=self.notify)
        except TaskFileInUseError as error:
            error.hint = f"wait for it, or cancel it with `aur cancel {error.run_id}`; then archive the plan"
            raise
        return self.plans.archive(plan.id)

    def replan_run(self, run_id: str, *, index: bool = True) -> RunReplan | None:
        """Plans anew what a failed run leaves; see `areplan_run`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(self.areplan_run(run_id, index=index))

    async def areplan_run(self, run_id: str, *, index: bool = True) -> RunReplan | None:
        """Plans anew what a run leaves after a critical task has failed for good; None if a signal ended it.

        With `tool` set that agent plans, else rules do, which only give what failed to another agent. Nothing is
        changed: `accept_replan` makes the plan hold. A call that was cut off goes on, and asks no model again.

        Args:
            index: bring the memory up to date first, if an agent plans.

        Raises:
            UnknownRunError: the journal has no such run.
            NotReplannableError: it is no failed run of a task file, no critical task of it has failed for good, or
                nothing else can be tried.
            ReplannedBeforeError: that was done before; it is done once a run.
            TaskFileError: the file cannot be read, or not be changed line by line.
            RunHeldError: another process plans.
        """
        from aurora_soar.aurora.changes_meanwhile import achanges_told
        from aurora_soar.aurora.run_replanning import replan_rest

        async with achanges_told(self.project.root, self.config.tool, self.notify):
            return await replan_rest(self, run_id, self.open_memory, index=index)

    def is_replan_decided(self, replan: RunReplan) -> bool:
        """Returns True if a plan holds already, and only its file is to be written: a process was killed before."""
        from aurora_soar.aurora.run_replanning import is_decided

        return is_decided(self, replan)

    def accept_replan(self, replan: RunReplan) -> None:
        """Makes a new plan hold: the journal says so first, then the task file is replaced; `resume` goes on with it.

        Raises:
            TaskFileChangedError: the file is not as it was when it was planned.
            ReplannedBeforeError: another plan holds.
            RunHeldError: a process works on the run.
        """
        from aurora_soar.aurora.run_replanning import accept_replan

        accept_replan(self, replan)

    @property
    def plans(self) -> PlanStore:
        """The plans that are kept in the project."""
        from aurora_soar.plans.store import PlanStore

        return PlanStore(self.project)
