"""Plans the rest of a failed run anew with a project's parts, and writes what was decided into its task file."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aurora_soar.aurora.question_orchestrator import model_parts, settle_parts
from aurora_soar.errors import NotReplannableError, PlanFileError, ReplannedBeforeError, TaskFileChangedError
from aurora_soar.models.recorded_model import RecordedModel
from aurora_soar.plans.goal_text import looked_up
from aurora_soar.plans.make import PlanningAgents
from aurora_soar.plans.store import PlanStore
from aurora_soar.question.question import read_question
from aurora_soar.registry import LOCAL_AGENT
from aurora_soar.replanning.by_model import ModelRevision, revised_by_model
from aurora_soar.replanning.by_rules import revised_by_rules
from aurora_soar.replanning.record import (
    REPLAN_RUN,
    RunReplan,
    decide,
    decided,
    find_record,
    keep_plan,
    planned_in,
    recorded,
    stored_plan,
)
from aurora_soar.replanning.remaining import remaining_work
from aurora_soar.replanning.rewrite import rewritten
from aurora_soar.run_options import project_run_options
from aurora_soar.taskruns.backends import missing_program
from aurora_soar.taskruns.resume import find_taskfile, taskfile_of
from aurora_soar.taskruns.run_kinds import TASKFILE_RUN
from aurora_spawner.control.lookup import attempts_of, find_run
from aurora_spawner.errors import UnknownRunError
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.runs.noted_run import hold_noted_run
from aurora_spawner.taskfiles.lines import read_outline
from aurora_spawner.taskfiles.reading import read_text
from aurora_spawner.taskfiles.writing import replace_text
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from aurora_core import Memory
    from aurora_soar.aurora.parts import ProjectParts
    from aurora_soar.replanning.remaining import RemainingWork
    from aurora_soar.replanning.revision import Revision
    from aurora_soar.resumption.record import QuestionRecord
    from aurora_spawner.journal.views import RunRow
    from aurora_spawner.runs.run_options import RunOptions

__all__ = ["accept_replan", "is_decided", "replan_rest"]


async def replan_rest(
    parts: ProjectParts, run_id: str, open_memory: Callable[[], AbstractContextManager[Memory]], *, index: bool
) -> RunReplan | None:
    """Returns the new plan of what a run leaves, for review; None if a signal ended the planning. See `Aurora`.

    A plan that an earlier process has made for the run and the file is returned again, and so are the answers of its
    model.
    """
    journal = parts.project.runs_db
    run, rows = find_run(journal, run_id)
    path = _taskfile_of(run)
    before = read_text(path)
    if (holds := decided(journal, run_id)) is not None:
        return _unwritten(journal, run_id, holds, path, before)
    file = find_taskfile(run)
    assert file is not None, "its path was found"
    work = remaining_work(run, rows, attempts_of(journal, run_id), file)
    tool = parts.config.tool
    if (record_id := find_record(journal, run_id, tool, before)) is not None:
        await settle_parts(parts.project_agents, record_id)
    with recorded(journal, run_id, record_id, _options(parts, tool), tool=tool, before=before) as record:
        if (known := planned_in(record)) is not None:
            return known
        goal = _goal_of(parts, work, path, before)
        revision = await _revise(parts, work, goal, record, open_memory=open_memory, index=index)
        if revision is None:
            return None
        result = rewritten(before, path, revision, default_agent=run.default_agent)
        replan = RunReplan(
            record_id=record.query_id,
            taskfile=str(path),
            before=before,
            after=result.text,
            lost=result.lost,
            revision=revision,
        )
        keep_plan(record, replan)
        return replan


def _unwritten(journal: Path, run_id: str, holds: Mapping[str, Any], path: Path, text: str) -> RunReplan:
    """Returns the plan that holds for a run, and whose process was killed before it had written the file.

    Raises:
        ReplannedBeforeError: the file was written, or the user has changed it since.
    """
    try:
        plan = stored_plan(journal, holds["record"])
    except UnknownRunError:  # a clean-up has removed it
        plan = None
    if plan is None or plan.before != text:
        raise ReplannedBeforeError(run_id, holds["by"], path)
    return plan


def is_decided(parts: ProjectParts, replan: RunReplan) -> bool:
    """Returns True if the user has agreed to a plan before, and only its file is still to be written."""
    note = decided(parts.project.runs_db, replan.run_id)
    return note is not None and note["record"] == replan.record_id


def accept_replan(parts: ProjectParts, replan: RunReplan) -> None:
    """Journals that a plan holds, then writes its task file; see `Aurora.accept_replan`."""
    journal = parts.project.runs_db
    if read_text(replan.path) != replan.before:
        raise TaskFileChangedError(replan.path)
    if not is_decided(parts, replan):
        decide(journal, replan)
    replace_text(replan.path, replan.after, problem="the new tasks could not be written")
    state_dir = default_state_dir()
    with hold_noted_run(journal, replan.record_id, state_dir=state_dir) as held:
        held.end(RunState.SUCCEEDED)


def _taskfile_of(run: RunRow) -> Path:
    if run.kind != TASKFILE_RUN:
        raise NotReplannableError(run.run_id, "it is no run of a task file")
    path = taskfile_of(run)
    if path is None or not path.is_file():
        raise NotReplannableError(run.run_id, f"its task file {path or ''} is gone", "put it back")
    return path


def _options(parts: ProjectParts, tool: str | None) -> RunOptions:
    return project_run_options(
        parts.project,
        kind=REPLAN_RUN,
        default_agent=tool or LOCAL_AGENT,
        timeout_s=None,
        recovery=None,
        executor=None,
        state_dir=default_state_dir(),
        gate={},
    )


async def _revise(
    parts: ProjectParts,
    work: RemainingWork,
    goal: tuple[str, str],
    record: QuestionRecord,
    *,
    open_memory: Callable[[], AbstractContextManager[Memory]],
    index: bool,
) -> Revision | None:
    """Returns the model's revision if there is a model, else that of the rules; None if a signal ended it.

    Args:
        goal: its text, and what it was taken from.

    Raises:
        NotReplannableError: no plan comes out of either.
    """
    others = _others(parts, work)
    said = ModelRevision(revision=None)
    if with_model := model_parts(parts.project_agents, detached=True):
        question = read_question(looked_up(goal[0]))
        agents = _planning(parts, work, others)
        with open_memory() as memory:
            if index:
                await memory.aindex()
            model = RecordedModel(with_model.model, record)
            said = await revised_by_model(work, question, memory, agents, model, source=goal[1])
    if said.interrupted or said.revision is not None:
        return replace(said.revision, goal=goal[0]) if said.revision is not None else None
    by_rules = revised_by_rules(work, goal[0], others, note=said.note)
    if by_rules is None:
        why = f"{said.note}; " if said.note else ""
        raise NotReplannableError(
            work.run_id,
            f"{why}rules only give a task to another agent, and none is left",
            "let an agent plan: --tool NAME; or configure another agent",
        )
    return by_rules


def _goal_of(parts: ProjectParts, work: RemainingWork, path: Path, text: str) -> tuple[str, str]:
    """Returns the goal of a task file, and what it was taken from: its plan's, else its heading or its tasks."""
    plans = PlanStore(parts.project)
    if path.parent.parent in (plans.folder, plans.folder / "archive"):
        try:
            document = plans.document(plans.get(path.parent.name))
        except PlanFileError:  # its tasks are enough
            document = {}
        if isinstance(goal := document.get("goal"), str) and goal.strip():
            return goal, str(document.get("source") or "")
    headings = [each.text for each in read_outline(text).headings[:1]]
    return ": ".join([*headings, "; ".join(each.words for each in work.tasks)]), ""


def _others(parts: ProjectParts, work: RemainingWork) -> tuple[str, ...]:
    """Returns the agents that may get a task: the default ones and those that the user has configured."""
    agents = parts.project_agents
    named = dict.fromkeys([work.default_agent, agents.default_agent, *agents.config.backends])
    there = (name for name in named if name in agents.backends and name != LOCAL_AGENT)
    return tuple(name for name in there if missing_program(agents.backends[name], os.environ) is None)


def _planning(parts: ProjectParts, work: RemainingWork, others: tuple[str, ...]) -> PlanningAgents:
    agents = parts.project_agents
    personas = {name: each for name, each in parts.personas.by_id.items() if name not in agents.backends}
    return PlanningAgents(
        root=parts.project.root,
        personas=personas,
        default_agent=work.default_agent,
        others=tuple(each for each in others if each != work.default_agent),
    )
