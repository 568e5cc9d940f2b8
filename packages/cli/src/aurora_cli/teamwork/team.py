"""The work of a session's team, before its talk: each step is in the journal, and a resume goes on with the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aurora_cli import run_progress
from aurora_cli.exits import ExitCode
from aurora_cli.output import emit, note
from aurora_cli.plan_review import reviewed_plan
from aurora_cli.render import preview
from aurora_cli.render.answer import planning_note
from aurora_cli.render.goal_plan import as_text
from aurora_cli.render.index import index_with_progress
from aurora_cli.render.words import one_line
from aurora_cli.teamwork.results import team_answer, team_usage
from aurora_cli.work_options import WorkOptions
from aurora_soar.errors import StartedBeforeError
from aurora_soar.plans.plan import ReviewDecision
from aurora_soar.taskruns.execute import execute_run, resumed_run
from aurora_spawner.control.lookup import find_run
from aurora_spawner.conversations import transcript as notes
from aurora_spawner.conversations.transcript import TEAM, TurnState
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.runs.noted_run import hold_noted_run
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_soar import Aurora
    from aurora_spawner import Run, RunEvent
    from aurora_spawner.conversations.transcript import Draft, Transcript
    from aurora_spawner.runs.noted_run import NotedRun
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["TeamEnd", "work_as_team"]

_MAX_DEFAULT_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamEnd:
    """The end of a team's work.

    Attributes:
        code: DONE if the talk can begin, whatever came of the run; else why not.
        defaults: the number of defaults that were taken.
    """

    code: ExitCode
    defaults: int


def work_as_team(
    aurora: Aurora,
    session_id: str,
    *,
    asks: bool,
    waits: bool,
    resumed: bool,
    tell: Callable[[dict[str, Any]], None] | None,
) -> TeamEnd:
    """Plans with the user and runs the team, as far as that was not done before; holds the session meanwhile.

    Args:
        asks: the user is at this terminal: the plan is reviewed, and what the run asks is asked here. Otherwise the
            plan is taken as it is, and told as a default.
        waits: what the run asks waits for an answer, here or elsewhere; else it gets its default at once.
        resumed: the session was there before.
        tell: writes an event as JSON; None shows it for people.

    Raises:
        RunHeldError: another process works on the session, or on the team's run.
    """
    with hold_noted_run(aurora.project.runs_db, session_id, state_dir=default_state_dir()) as session:
        if tell is not None:
            tell({"event": "session", "id": session_id, "resumed": resumed})
        try:
            team = _Team(aurora, session, asks=asks, waits=waits, tell=tell)
            return TeamEnd(code=team.work(), defaults=team.defaults)
        finally:
            session.end(RunState.SUCCEEDED)


class _Team:
    """One team at work for a session that this process holds."""

    def __init__(
        self,
        aurora: Aurora,
        session: NotedRun,
        *,
        asks: bool,
        waits: bool,
        tell: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.defaults = 0
        self._aurora = aurora
        self._session = session
        self._asks = asks
        self._waits = waits
        self._tell = tell
        self._asked: dict[str, str] = {}
        """The questions of the run, by their ids."""

    def work(self) -> ExitCode:
        """Goes on with the first step that is not done."""
        talk = self._talk()
        if not talk.taskfile and (code := self._plan(talk.goal)) is not ExitCode.DONE:
            return code
        talk = self._talk()
        if not any(turn.agent == TEAM for turn in talk.turns):
            self._keep(notes.turn_said(agent=TEAM, words=talk.goal))
        return self._run(self._talk())

    def _talk(self) -> Transcript:
        return self._aurora.read_session(self._session.run_id).transcript

    def _keep(self, draft: Draft) -> None:
        topic, note_of_it = draft
        self._session.keep(topic, note_of_it)

    # The plan.

    def _plan(self, goal: str) -> ExitCode:
        """Plans the goal with the user; returns why there is no plan, or DONE."""
        aurora = self._aurora
        index_with_progress(aurora.memory)
        if self._tell is None:
            planning_note(aurora.config.tool)
        review = aurora.plan_goal(goal, index=False)
        if review is None:
            note(f"interrupted; nothing was planned; aur interact --resume {self._session.run_id} plans again")
            return ExitCode.INTERRUPTED
        decision = ReviewDecision.PROCEED
        if self._tell is None:
            emit(as_text(review))
        if self._asks:
            review, decision = reviewed_plan(aurora, review)
        else:
            self._default(f"the plan of {len(review.plan.subgoals)} tasks", decision.value)
        if decision is ReviewDecision.ABORT:
            note(f"nothing runs; aur interact --resume {self._session.run_id} plans again")
            return ExitCode.NOT_REACHED
        stored = aurora.write_plan(review, decision)
        self._keep(notes.planned(str(stored.taskfile)))
        self._told({"event": "planned", "taskfile": str(stored.taskfile), "tasks": stored.tasks})
        return ExitCode.DONE

    # The run.

    def _run(self, talk: Transcript) -> ExitCode:
        """Runs the tasks, or goes on with their run; its end is the answer of the team."""
        try:
            self._begin(talk)
        except StartedBeforeError as started:
            self._keep(notes.team_began(started.run_id))
            self._go_on(started.run_id)
        return self._report(self._talk().run_id)

    def _begin(self, talk: Transcript) -> None:
        aurora = self._aurora
        place = _place_of(talk).wanted(aurora.config)
        plan = aurora.plan(talk.taskfile, isolation=place, key=self._session.run_id)
        aurora.check_key_is_free(plan)
        if self._tell is None:
            note(preview.as_text(plan))
        aurora.refresh_memory(plan.agents, index_with_progress)
        with aurora.start_lock(plan) as release:
            run = aurora.new_run(plan)
            self._keep(notes.team_began(run.run_id))
            self._execute(run, plan.file, plan.titles, on_start=release)

    def _go_on(self, run_id: str) -> None:
        if find_run(self._aurora.project.runs_db, run_id)[0].state.settled:
            return
        plan = self._aurora.plan_resume(run_id)
        run = asyncio.run(resumed_run(self._aurora.project_agents, plan))
        self._execute(run, plan.file, plan.titles, on_start=lambda: None)

    def _execute(
        self, run: Run, file: TaskFile | None, titles: Mapping[str, str], *, on_start: Callable[[], None]
    ) -> None:
        self._told({"event": "team", "run": run.run_id})
        if self._asks:
            run_progress.execute(self._aurora, run, file, titles, as_json=False, on_start=on_start)
            return
        if not self._waits:
            run = replace(run, options=replace(run.options, approval_limit_s=0))
        executing = execute_run(
            run, file, titles, on_event=self._follow, on_start=on_start, outbox=self._aurora.outbox
        )
        asyncio.run(executing)

    def _follow(self, event: RunEvent) -> None:
        """Tells what happens in a run that nobody watches."""
        from aurora_cli.attachment.documents import run_event_document

        self._told({**run_event_document(event), "run": event.run_id})
        if isinstance(event, ApprovalAsked):
            self._asked[event.approval] = event.question.subject
        elif isinstance(event, ApprovalSettled) and event.answer is not None and event.answer.by == "limit":
            self._default(self._asked.get(event.approval, event.approval), event.answer.note or "no")

    def _report(self, run_id: str) -> ExitCode:
        run, rows = find_run(self._aurora.project.runs_db, run_id)
        if not run.state.settled:
            note(f"{run_id} is {run.state}; aur interact --resume {self._session.run_id} continues it")
            return ExitCode.INTERRUPTED
        self._keep(notes.piece_said(team_answer(run, rows), read_bytes=None))
        state = TurnState.DONE if run.state is RunState.SUCCEEDED else TurnState.FAILED
        problem = "" if state is TurnState.DONE else f"the run has {run.state}"
        self._keep(notes.turn_ended(state, problem=problem, usage=team_usage(rows), read_bytes=None))
        return ExitCode.DONE

    # What is told.

    def _default(self, subject: str, answer: str) -> None:
        self.defaults += 1
        if self._tell is None:
            note(f"by default: {one_line(subject, _MAX_DEFAULT_CHARS)}: {one_line(answer, _MAX_DEFAULT_CHARS)}")
        self._told({"event": "default", "turn": 1, "subject": subject, "answer": answer})

    def _told(self, event: dict[str, Any]) -> None:
        if self._tell is not None:
            self._tell(event)


def _place_of(talk: Transcript) -> WorkOptions:
    """Returns where the team of a session works, over the configuration."""
    return WorkOptions(isolation=talk.isolation or None, include_dirty=False, merge=None, conflicts=None, yes=False)
