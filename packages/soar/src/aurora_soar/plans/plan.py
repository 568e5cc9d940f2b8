"""A plan of a goal as data: its subgoals, who does them, and where no agent fits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from aurora_soar.phases.assess import Complexity
    from aurora_soar.phases.decompose import MatchQuality

__all__ = ["AgentGap", "GoalPlan", "GoalSubgoal", "MemoryFile", "ReviewDecision", "SpecSource"]


class ReviewDecision(StrEnum):
    """The user's answer to a plan.

    PROCEED gives each gap to an agent that works as the ideal one would; FALLBACK gives it to the default agent as it
    is; ABORT writes nothing.
    """

    PROCEED = "proceed"
    FALLBACK = "fallback"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentGap:
    """A subgoal whose ideal agent is not there.

    Attributes:
        subgoal_id: for example "sg-2".
        assigned_agent: does it instead.
    """

    subgoal_id: str
    ideal_agent: str
    ideal_agent_desc: str
    assigned_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalSubgoal:
    """A subgoal of a plan; it becomes a task.

    Attributes:
        number: its place, from 1; the id of its task.
        description: one line.
        agent: the persona or the backend that does it.
        is_persona: True if `agent` is a persona.
        source_file: the file to start from; None if the memory knows none.
        needs: numbers of the subgoals whose results it reads.
        task: the id of its task in the file of a spec tool; "" if `number` is.
    """

    number: int
    description: str
    ideal_agent: str
    ideal_agent_desc: str
    agent: str
    is_persona: bool
    match_quality: MatchQuality
    source_file: str | None
    is_critical: bool
    needs: tuple[int, ...]
    task: str = ""

    @property
    def id(self) -> str:
        """Its name in `goals.json`."""
        return f"sg-{self.number}"

    @property
    def is_gap(self) -> bool:
        """True if its ideal agent is not the one that does it."""
        return self.ideal_agent != self.agent


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFile:
    """A file that the memory named for the goal.

    Attributes:
        relevance: the best score of its chunks, as a share of the best of all.
    """

    file: str
    relevance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecSource:
    """The folder of a spec tool that a plan was made of.

    Attributes:
        documents: what agents should read, as they see it from the project's folder.
        notes: what is missing, left open, or does not run.
        tasks: the text of its tasks.md.
    """

    tool: str
    folder: Path
    documents: tuple[str, ...]
    notes: tuple[str, ...]
    tasks: str

    @property
    def taskfile(self) -> Path:
        """The file of its tasks, which stays as it is."""
        return self.folder / "tasks.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalPlan:
    """The plan of one goal.

    Attributes:
        title: the goal on one line, cut.
        goal: the goal as it was given.
        source: the issue of a forge that the goal is, written by others; "" for the user's own words.
        planned_by: the model or the spec tool whose plan it is; None if rules planned.
        score: of the verification, 0 to 1.
        issues: what the verification found weak.
        note: what became of a model's plan, or where it comes from; "" if nothing is to be said.
        spec: where the tasks come from, if a spec tool made them.
    """

    title: str
    goal: str
    source: str
    created_at: datetime
    complexity: Complexity
    planned_by: str | None
    score: float
    issues: tuple[str, ...]
    note: str
    memory_context: tuple[MemoryFile, ...]
    subgoals: tuple[GoalSubgoal, ...]
    spec: SpecSource | None = None

    @property
    def gaps(self) -> tuple[AgentGap, ...]:
        """The subgoals without their ideal agent, in order."""
        return tuple(
            AgentGap(
                subgoal_id=each.id,
                ideal_agent=each.ideal_agent,
                ideal_agent_desc=each.ideal_agent_desc,
                assigned_agent=each.agent,
            )
            for each in self.subgoals
            if each.is_gap
        )
