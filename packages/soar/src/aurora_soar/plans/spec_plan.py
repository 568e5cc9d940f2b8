"""The plan of a spec tool's folder: its own tasks, each with the agent or persona that fits it best."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import SpecFolderError
from aurora_soar.evidence.evidence import Aspect
from aurora_soar.phases.assess import assess
from aurora_soar.phases.decompose import Decomposition, MatchQuality, Subgoal, layers, query_hash
from aurora_soar.phases.retrieve import retrieve
from aurora_soar.phases.verify import quality_of
from aurora_soar.plans.goal_text import clean, looked_up, task_words, title_of
from aurora_soar.plans.make import memory_files
from aurora_soar.plans.plan import GoalPlan, GoalSubgoal, SpecSource
from aurora_soar.question.focus import Focus
from aurora_soar.question.question import read_question
from aurora_spawner.taskfiles.model import LineState
from aurora_spawner.taskfiles.read import parse_taskfile

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_core import Memory
    from aurora_soar.plans.make import PlanningAgents
    from aurora_soar.plans.spec_folder import SpecFolder
    from aurora_spawner.taskfiles.model import TaskFile, TaskLine

__all__ = ["plan_spec_folder"]

_STATES: Final = {
    LineState.HELD: "their box, or that of their group, is neither open nor done",
    LineState.WAITING: "they depend on a task that does not run",
    LineState.OPTIONAL: "they are optional: aur spawn --optional runs them",
}


def plan_spec_folder(spec: SpecFolder, memory: Memory, agents: PlanningAgents) -> GoalPlan:
    """Returns the plan of a folder; no model is asked, for the tasks are there.

    Raises:
        TaskFileError, GraphError: the tasks cannot be understood; names the file and the line.
        EmptyQuestionError: nothing in the goal can be looked up.
    """
    file = parse_taskfile(spec.tasks, spec.taskfile)
    question = read_question(looked_up(spec.goal))
    focus = Focus.of(memory, question.terms)
    assessment = assess(question)
    context = retrieve(memory, question, focus, assessment.complexity)
    open_lines = [line for line in file.lines if line.state is LineState.OPEN]
    if not open_lines:
        raise SpecFolderError(spec.taskfile, "has no open task that runs; its boxes are done or held")
    subgoals = _subgoals(file, open_lines, agents)
    quality = quality_of(_decomposition(subgoals, query_hash(question), spec.goal), focus, context)
    return GoalPlan(
        title=title_of(spec.title),
        goal=spec.goal,
        source="",
        created_at=datetime.now(UTC).replace(microsecond=0),
        complexity=assessment.complexity,
        planned_by=spec.tool,
        score=quality.score,
        issues=quality.issues,
        note="",
        memory_context=memory_files(context),
        subgoals=subgoals,
        spec=SpecSource(
            tool=spec.tool,
            folder=spec.folder,
            documents=tuple(_shown(spec.folder / name, agents.root) for name in spec.documents),
            notes=(*spec.notes, *_task_notes(file)),
            tasks=spec.tasks,
        ),
    )


def _shown(path: Path, root: Path) -> str:
    """Returns the path as agents see it that work in the project's folder."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _task_notes(file: TaskFile) -> list[str]:
    """Returns what of the tasks does not run, and what in the file was not understood."""
    notes = [f"tasks.md, {note}" for note in file.notes]
    if file.done:
        notes.append(f"done before, and kept: {_listed(file.done)}")
    for state, why in _STATES.items():
        if tasks := file.in_state(state):
            notes.append(f"not run, because {why}: {_listed(tasks)}")
    return [clean(note) for note in notes]


def _listed(tasks: tuple[str, ...]) -> str:
    shown = ", ".join(tasks[:20])
    return shown if len(tasks) <= 20 else f"{shown} and {len(tasks) - 20} more"


def _subgoals(file: TaskFile, lines: list[TaskLine], agents: PlanningAgents) -> tuple[GoalSubgoal, ...]:
    needs = {task.id: task.depends_on for task in file.tasks}
    numbers = {line.id: number for number, line in enumerate(lines, start=1)}
    return tuple(
        _subgoal(line, number, tuple(numbers[each] for each in needs[line.id]), agents)
        for number, line in enumerate(lines, start=1)
    )


def _subgoal(line: TaskLine, number: int, needs: tuple[int, ...], agents: PlanningAgents) -> GoalSubgoal:
    agent, ideal, description = _agent_of(line, agents)
    return GoalSubgoal(
        number=number,
        description=task_words(line.title),
        ideal_agent=clean(ideal),
        ideal_agent_desc=clean(description),
        agent=agent,
        is_persona=agent in agents.personas and agent != agents.default_agent,
        match_quality=MatchQuality.EXCELLENT if agent == ideal else MatchQuality.INSUFFICIENT,
        source_file=None,
        is_critical=line.task.critical,
        needs=needs,
        task=line.id,
    )


def _agent_of(line: TaskLine, agents: PlanningAgents) -> tuple[str, str, str]:
    """Returns a task's agent, its ideal agent, and what that does; an agent that the file names is the ideal one."""
    if line.task.agent:
        named = line.task.agent.removeprefix("@")
        return named, named, agents.personas[named].goal if named in agents.personas else ""
    match = agents.matcher.match(line.title)
    if not match.is_gap and match.assigned is not None:
        return match.ideal, match.ideal, match.ideal_description
    return agents.default_agent, match.ideal, match.ideal_description


def _decomposition(subgoals: tuple[GoalSubgoal, ...], hashed: str, goal: str) -> Decomposition:
    """Returns the tasks in the form that is verified, without their order, which is that of the file."""
    plain = tuple(
        Subgoal(
            description=each.description,
            focus="",
            aspect=Aspect.REPORT,
            ideal_agent=each.ideal_agent,
            ideal_agent_desc=each.ideal_agent_desc,
            assigned_agent=each.agent,
            match_quality=each.match_quality,
            source_file=None,
            is_critical=each.is_critical,
            depends_on=(),
        )
        for each in subgoals
    )
    return Decomposition(
        goal=goal, subgoals=plain, execution_order=layers(plain), expected_tools=(), query_hash=hashed
    )
