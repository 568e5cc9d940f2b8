"""The plan that a model is asked for, as a document."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MAX_DESCRIPTION", "MAX_SUBGOALS", "PLAN_FORM", "SUBGOAL_FORM", "PlannedSubgoal", "PlannedWork"]

MAX_SUBGOALS: Final = 12
MAX_DESCRIPTION: Final = 2_000
Sentence = Annotated[str, Field(min_length=1, max_length=MAX_DESCRIPTION, pattern=r"\S")]


SUBGOAL_FORM: Final = {
    "description": "what is to be done or found out, as one sentence",
    "ideal_agent": "who would do it best, even if not listed above",
    "ideal_agent_desc": "what that one is good at",
    "assigned_agent": "one of the agents listed above",
    "match_quality": "excellent, acceptable or insufficient",
    "source_file": "the file to start from, or null",
    "is_critical": True,
    "depends_on": [],
}
PLAN_FORM: Final = {
    "goal": "the goal in one sentence",
    "subgoals": [SUBGOAL_FORM],
    "execution_order": [{"phase": 1, "parallelizable": [0], "sequential": []}],
    "expected_tools": ["names of tools"],
}
"""The form that a model is shown."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class PlannedSubgoal(_Document):
    """A subgoal as a model plans it; the fields are those of `phases.decompose.Subgoal`."""

    description: Sentence
    ideal_agent: Sentence
    ideal_agent_desc: str = ""
    assigned_agent: Sentence
    match_quality: Annotated[str, Field(pattern="^(excellent|acceptable|insufficient)$")] = "acceptable"
    source_file: str | None = None
    is_critical: bool = True
    depends_on: list[Annotated[int, Field(ge=0)]] = []


class PlannedWork(_Document):
    """A decomposition as a model writes it; the order of execution follows from the dependencies."""

    goal: Sentence
    subgoals: Annotated[list[PlannedSubgoal], Field(min_length=1, max_length=MAX_SUBGOALS)]
    expected_tools: list[str] = []
