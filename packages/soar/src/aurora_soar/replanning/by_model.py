"""A revision by a model: its new plan of what is left, in which tasks with the same words are the same tasks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from aurora_soar.model_plans.planned import MAX_SUBGOALS
from aurora_soar.phases.assess import assess
from aurora_soar.phases.decompose_with_model import ask_for_plan
from aurora_soar.phases.prompts import retask_request
from aurora_soar.phases.retrieve import retrieve
from aurora_soar.plans.goal_text import clean, sentence
from aurora_soar.question.focus import Focus
from aurora_soar.replanning.revision import Change, RevisedTask, Revision, fresh_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aurora_core import Memory
    from aurora_soar.models.language_model import LanguageModel
    from aurora_soar.phases.decompose import Decomposition, Subgoal
    from aurora_soar.plans.make import PlanningAgents
    from aurora_soar.question.question import Question
    from aurora_soar.replanning.remaining import OpenTask, RemainingWork

__all__ = ["PROMPT", "ModelRevision", "revised", "revised_by_model"]

PROMPT: Final = "retask"
"""The name of the prompt, and the purpose that the model is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRevision:
    """The answer of a model.

    Attributes:
        revision: None if nothing in its answers is a plan.
        note: what became of its plan; "" if nothing is to be said.
        interrupted: True if a signal ended the planning.
    """

    revision: Revision | None
    note: str = ""
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replaces:
    """Facts about the tasks whose place new ones take: the finished tasks that they read, and why they failed."""

    needs: tuple[str, ...]
    failures: str


async def revised_by_model(
    work: RemainingWork,
    question: Question,
    memory: Memory,
    agents: PlanningAgents,
    model: LanguageModel,
    *,
    source: str = "",
) -> ModelRevision:
    """Asks a model for the plan of what is left.

    Args:
        question: the goal of the run.
        source: what the goal was taken from, if others wrote it.
    """
    focus = Focus.of(memory, question.terms)
    context = retrieve(memory, question, focus, assess(question).complexity)
    registry = agents.registry(question.text)
    request = retask_request(
        question,
        context.code,
        registry,
        done=[(f"{each.id} {each.words} ({each.agent})", each.answer) for each in work.done],
        failed=[(f"{each.words} ({each.agent})", each.reason) for each in work.failed],
        waiting=[each.words for each in work.waiting],
        source=source,
        most=MAX_SUBGOALS,
    )
    asked = await ask_for_plan(question, request, context, registry, model, title=PROMPT)
    if any(call.interrupted for call in asked.calls):
        return ModelRevision(revision=None, interrupted=True)
    if asked.plan is None:
        return ModelRevision(revision=None, note=asked.note)
    revision = revised(work, question.text, asked.plan, agents, planned_by=model.name, note=asked.note)
    return ModelRevision(revision=revision, note=asked.note)


def revised(
    work: RemainingWork,
    goal: str,
    plan: Decomposition,
    agents: PlanningAgents,
    *,
    planned_by: str,
    note: str = "",
) -> Revision:
    """Returns a plan as a revision of the tasks that are left.

    A subgoal with the words of a task is that task. The others take the ids of tasks that are left out, so that what
    depends on these waits for them; if there are no more, they get fresh ones. They read all that is done and that
    the tasks whose place they take were to read.
    """
    same = _same_words(plan.subgoals, work.tasks)
    replaced = [each for each in work.tasks if each not in same.values()]
    reused = iter(replaced)
    fresh = fresh_ids(work.ids, work.tasks[-1].id)
    ids: list[str] = []
    taken: dict[int, OpenTask] = {}
    for at, _subgoal in enumerate(plan.subgoals):
        task = same.get(at) or next(reused, None)
        if task is not None:
            taken[at] = task
        ids.append(task.id if task is not None else next(fresh))
    replaces = _Replaces(
        needs=_done_needs(replaced, {each.id for each in work.done}),
        failures="; ".join(f"{each.words}: {each.reason}" for each in replaced if each.reason),
    )
    tasks = tuple(
        _kept(same[at], subgoal, ids, work, agents)
        if at in same
        else _new(subgoal, ids[at], _needs(subgoal, ids), replaces, agents)
        for at, subgoal in enumerate(plan.subgoals)
    )
    given_up = tuple(each for each in work.tasks if each not in taken.values())
    return Revision(
        run_id=work.run_id,
        goal=goal,
        failed=work.failed,
        tasks=tasks,
        given_up=given_up,
        planned_by=planned_by,
        note=note,
    )


def _same_words(subgoals: Sequence[Subgoal], tasks: Sequence[OpenTask]) -> Mapping[int, OpenTask]:
    """Returns the task of each subgoal that has a task's words, by its index; each task once."""
    left = list(tasks)
    found: dict[int, OpenTask] = {}
    for at, subgoal in enumerate(subgoals):
        words = _compared(subgoal.description)
        task = next((each for each in left if _compared(each.words) == words), None)
        if task is not None:
            left.remove(task)
            found[at] = task
    return found


def _compared(words: str) -> str:
    return " ".join(sentence(words).casefold().split()).rstrip(".")


def _done_needs(replaced: Iterable[OpenTask], done: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in chain.from_iterable(t.needs for t in replaced) if each in done))


def _kept(
    task: OpenTask, subgoal: Subgoal, ids: Sequence[str], work: RemainingWork, agents: PlanningAgents
) -> RevisedTask:
    """Returns a task that stays, with what it waits for in the new plan; one that failed is told why."""
    done = {each.id for each in work.done}
    agent = subgoal.assigned_agent
    return RevisedTask(
        id=task.id,
        words=task.words,
        agent=agent,
        is_persona=_is_persona(agent, agents),
        needs=tuple(dict.fromkeys([*(each for each in task.needs if each in done), *_needs(subgoal, ids)])),
        is_critical=task.is_critical,
        change=Change.KEPT if agent == task.agent and not task.reason else Change.HANDED_OVER,
        failure=task.reason,
    )


def _new(
    subgoal: Subgoal, task_id: str, needs: Sequence[str], replaces: _Replaces, agents: PlanningAgents
) -> RevisedTask:
    agent = subgoal.assigned_agent
    return RevisedTask(
        id=task_id,
        words=sentence(subgoal.description),
        agent=agent,
        is_persona=_is_persona(agent, agents),
        needs=tuple(dict.fromkeys([*replaces.needs, *needs])),
        is_critical=subgoal.is_critical,
        change=Change.NEW,
        failure=replaces.failures,
        source_file=subgoal.source_file,
        ideal_agent=clean(subgoal.ideal_agent),
        ideal_agent_desc=clean(subgoal.ideal_agent_desc),
    )


def _needs(subgoal: Subgoal, ids: Sequence[str]) -> list[str]:
    return [ids[each] for each in subgoal.depends_on]


def _is_persona(agent: str, agents: PlanningAgents) -> bool:
    return agent in agents.personas and agent != agents.default_agent
