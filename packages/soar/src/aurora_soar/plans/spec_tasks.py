"""The tasks of a spec tool as the tasks of a plan: the file as it is, with agent and goal added below each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_soar.plans.documents import role_of
from aurora_soar.plans.goal_text import clean, cut
from aurora_soar.plans.plan import ReviewDecision
from aurora_soar.registry import LOCAL_AGENT
from aurora_spawner.errors import SpawnerError
from aurora_spawner.taskfiles.lines import LINE_END, Kind, read_outline
from aurora_spawner.taskfiles.model import LineState
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.taskfiles.recipes import unfilled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_soar.plans.plan import GoalPlan, GoalSubgoal, SpecSource
    from aurora_spawner.taskfiles.lines import Entry
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["spec_tasks"]

_GOAL: Final = 300
"""Characters of the goal in each task's prompt; the documents say the rest."""


def spec_tasks(plan: GoalPlan, spec: SpecSource, decision: ReviewDecision, *, default_agent: str | None) -> str:
    """Returns the text of tasks.md: that of the tool, and below each task that runs its agent, goal and documents.

    If the additions would change anything else of a task, the text stays as it is.

    Args:
        default_agent: left out, so that the one at the time of the run does its tasks; None names all agents.
    """
    file = parse_taskfile(spec.tasks, spec.taskfile)
    by_task = {each.task: each for each in plan.subgoals}
    entries = {entry.line: entry for entry in read_outline(spec.tasks).entries}
    added: dict[int, list[str]] = {}
    for line in file.lines:
        entry, subgoal = entries.get(line.line), by_task.get(line.id)
        if entry is not None and subgoal is not None and line.state is not LineState.DONE:
            named = line.task.agent is not None
            said = _additions(plan, spec, subgoal, decision, default_agent, named=named)
            last, indent = _end_of(entry)
            added[last] = [f"{' ' * indent}- {unfilled(each)}" for each in said]
    text = _with_lines(spec.tasks, added)
    return text if _is_same_work(file, text, spec.taskfile) else spec.tasks


def _additions(
    plan: GoalPlan,
    spec: SpecSource,
    subgoal: GoalSubgoal,
    decision: ReviewDecision,
    default_agent: str | None,
    *,
    named: bool,
) -> Iterator[str]:
    if not named and subgoal.is_persona:
        yield f"Agent: @{subgoal.agent}"
    elif not named and subgoal.agent != default_agent:
        yield f"Agent: {subgoal.agent}"
    if subgoal.agent == LOCAL_AGENT and not subgoal.is_gap:
        return  # the local agent looks its whole prompt up in the memory
    goal = ": ".join(plan.goal.split("\n\n"))
    yield f"This is a part of a larger goal: {cut(clean(goal), _GOAL)}"
    yield f"Read what the task needs of {clean(', '.join(spec.documents))}"
    if subgoal.is_gap and decision is ReviewDecision.PROCEED:
        yield role_of(subgoal.ideal_agent, subgoal.ideal_agent_desc)


def _end_of(entry: Entry) -> tuple[int, int]:
    """Returns the last line of a task's own text, and the indentation of its bullets."""
    bullets = [each.indent for each in entry.body if each.kind is Kind.BULLET]
    own = 2 if entry.ordinal is None else len(str(entry.ordinal)) + 2
    last = max((each.line for each in entry.body), default=0)
    return max(entry.line, last), bullets[0] if bullets else entry.indent + own


def _with_lines(text: str, added: dict[int, list[str]]) -> str:
    """Returns a text with lines inserted below others; its line ends stay as they are."""
    end = match[0] if (match := LINE_END.search(text)) else "\n"
    whole = text if text.endswith(("\n", "\r")) else text + end
    parts, at = [], 0
    for number, line_end in enumerate(LINE_END.finditer(whole), start=1):
        parts.append(whole[at : line_end.end()])
        parts.extend(f"{each}{end}" for each in added.get(number, ()))
        at = line_end.end()
    return "".join(parts)


def _is_same_work(before: TaskFile, text: str, path: Path) -> bool:
    """Returns True if a text has the same tasks in the same order and state, and says all that was said before."""
    try:
        after = parse_taskfile(text, path)
    except SpawnerError:
        return False
    return len(before.lines) == len(after.lines) and all(
        (old.id, old.title, old.state, old.task.depends_on, old.task.files)
        == (new.id, new.title, new.state, new.task.depends_on, new.task.files)
        and set(old.task.prompt.splitlines()) <= set(new.task.prompt.splitlines())
        for old, new in zip(before.lines, after.lines, strict=True)
    )
