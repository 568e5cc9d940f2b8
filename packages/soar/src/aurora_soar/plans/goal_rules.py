"""Plans without a model: each intent has its own steps from what is there to what is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.model_plans.planned import MAX_SUBGOALS
from aurora_soar.phases.assess import Complexity
from aurora_soar.plans.goal_text import cut, parts_of, title_of
from aurora_soar.question.question import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Step", "steps_for"]

_PART_LENGTH: Final = 300
_LARGE: Final = frozenset({Complexity.COMPLEX, Complexity.CRITICAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a plan.

    Attributes:
        kind: what sort of work it is, in words; who does it best follows from these.
        needs: indexes of the earlier steps whose results it reads.
        looks_up: True if it reads the project only, which the local agent does.
    """

    description: str
    kind: str
    needs: tuple[int, ...] = ()
    is_critical: bool = True
    looks_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row of a table; `after` names the rows that it reads, by their place in the table."""

    words: str
    after: tuple[int, ...] = ()
    is_critical: bool = True
    looks_up: bool = False
    only_large: bool = False
    each_part: bool = False


_FIND: Final = _Row(words="Find the code, the conventions and the tests that this touches: {goal}", looks_up=True)

_TABLE: Final[Mapping[Intent, tuple[_Row, ...]]] = {
    Intent.IMPLEMENT: (
        _FIND,
        _Row(
            words="Design the software architecture of the change, with its interfaces and edge cases: {goal}",
            after=(0,),
            only_large=True,
        ),
        _Row(words="Implement: {part}", after=(0, 1), each_part=True),
        _Row(words="Write tests, with the cases that fail, for: {goal}", after=(2,)),
        _Row(words="Review the code of the change for correctness and security: {goal}", after=(2, 3)),
        _Row(words="Write the documentation of the change for its users: {goal}", after=(2,), is_critical=False),
    ),
    Intent.DEBUG: (
        _FIND,
        _Row(words="Write a test that reproduces the fault: {goal}", after=(0,)),
        _Row(words="Find the cause and fix the bug: {goal}", after=(0, 1)),
        _Row(words="Review the code of the fix for side effects: {goal}", after=(2,)),
    ),
    Intent.REVIEW: (
        _FIND,
        _Row(words="Review the code for correctness and error handling: {goal}", after=(0,)),
        _Row(words="Audit the security of the code: {goal}", after=(0,)),
        _Row(words="Judge which tests are missing: {goal}", after=(0,), is_critical=False),
        _Row(words="Write one report of all findings, the gravest first: {goal}", after=(1, 2, 3)),
    ),
    Intent.PLAN: (
        _FIND,
        _Row(words="Design two software architectures and weigh them against each other: {goal}", after=(0,)),
        _Row(words="Write the steps of the better one, each small enough to be reviewed: {goal}", after=(1,)),
        _Row(words="Review the plan for risks, and say how each step is undone: {goal}", after=(2,)),
    ),
    Intent.EXPLAIN: (
        _FIND,
        _Row(words="Trace how the code works from its entry to its effect: {goal}", after=(0,)),
        _Row(words="Write the documentation that explains it, with file and line: {goal}", after=(0, 1)),
    ),
    Intent.COMPARE: (
        _FIND,
        _Row(words="Compare the sides point by point, with file and line: {goal}", after=(0,)),
        _Row(words="Write a recommendation with its reasons: {goal}", after=(1,)),
    ),
}


def steps_for(goal: str, asked: Intent, complexity: Complexity) -> tuple[Step, ...]:
    """Returns the steps for a goal, each after those that it needs; a list in the goal gives one step an item."""
    title = title_of(goal)
    parts = parts_of(goal)
    # A list of things to do is a request for them, whatever its first words are.
    intent = Intent.IMPLEMENT if parts and asked is Intent.EXPLAIN else asked
    rows = [(at, row) for at, row in enumerate(_TABLE[intent]) if complexity in _LARGE or not row.only_large]
    most = MAX_SUBGOALS - len(rows) + 1
    steps: list[Step] = []
    places: dict[int, tuple[int, ...]] = {}
    for at, row in rows:
        words = _grouped(parts, most) if row.each_part and parts else (title,)
        needs = tuple(place for earlier in row.after for place in places.get(earlier, ()))
        places[at] = tuple(range(len(steps), len(steps) + len(words)))
        steps.extend(
            Step(
                description=row.words.format(goal=title, part=cut(part, _PART_LENGTH)),
                # The goal's own words would make every step of an API's plan one for its developer.
                kind=row.words.format(goal="", part=part),
                needs=needs,
                is_critical=row.is_critical,
                looks_up=row.looks_up,
            )
            for part in words
        )
    return tuple(steps)


def _grouped(parts: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Returns at most so many parts; neighbours are joined if there are more, so that none is lost."""
    if len(parts) <= most:
        return parts
    size = -(-len(parts) // most)
    return tuple("; ".join(parts[start : start + size]) for start in range(0, len(parts), size))
