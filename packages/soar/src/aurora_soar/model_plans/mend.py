"""Makes a plan that can be used of the subgoals that a model named, and names everything that was lost or guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.model_plans.links import in_order, resolve
from aurora_soar.model_plans.planned import MAX_DESCRIPTION, MAX_SUBGOALS, SUBGOAL_FORM, PlannedSubgoal, PlannedWork
from aurora_soar.model_plans.shapes import DESCRIPTION_KEYS, one_line, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.model_plans.shapes import Found

__all__ = ["Mended", "mend"]

_ASSIGNED_KEYS: Final = ("assigned_agent", "agent", "assignee", "assigned_to", "assigned", "agent_id", "owner")
_IDEAL_KEYS: Final = ("ideal_agent", "ideal", "best_agent")
_NEEDS_KEYS: Final = ("depends_on", "dependencies", "depends", "dependsOn", "deps", "needs", "requires", "after")
_ID_KEYS: Final = ("id", "key", "number", "index", "step_id", "task_id")
_QUALITIES: Final = ("excellent", "acceptable", "insufficient")
_NO: Final = frozenset({"false", "no", "0", "n", "optional"})
_LONGEST_NAME: Final = 200
_FORM: Final = frozenset(text for text in SUBGOAL_FORM.values() if isinstance(text, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A plan made of what a model named.

    Attributes:
        plan: valid, with agents that exist, each subgoal after those that it needs; None if nothing was named.
        complaints: what was lost or guessed, with its field; empty if the plan is what the model meant.
    """

    plan: PlannedWork | None
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    description: str
    assigned: str
    ideal: str
    item: Mapping[str, object]
    names: frozenset[str]


def mend(found: Found, agents: Sequence[str], goal: str) -> Mended:
    """Returns the plan of the subgoals that were found.

    Args:
        agents: ids that subgoals may be assigned to; those without a valid one go to the first.
        goal: the goal, if the answer does not name it.
    """
    complaints: list[str] = []
    if found.others:
        complaints.append(f"subgoals: {found.others} of them have no description")
    items = [item for item in found.items if text_of(item) not in _FORM]
    if not items:
        return Mended(plan=None, complaints=("subgoals: they repeat the form instead of a plan",))
    rows = [_row(index, item, agents, complaints) for index, item in enumerate(items)]
    links = resolve([_first(row.item, _NEEDS_KEYS) for row in rows], [row.names for row in rows])
    order, links = in_order(links)
    complaints.extend(links.complaints)
    kept = _without_repeats(rows, order)
    if len(set(kept.values())) > MAX_SUBGOALS:
        complaints.append(f"subgoals: {len(set(kept.values()))} of them; there may be at most {MAX_SUBGOALS}")
    subgoals = _subgoals(rows, order, links.needs, kept)
    plan = PlannedWork(
        goal=(found.goal or goal)[:MAX_DESCRIPTION], subgoals=subgoals, expected_tools=list(found.tools)
    )
    return Mended(plan=plan, complaints=tuple(complaints))


def _row(index: int, item: object, agents: Sequence[str], complaints: list[str]) -> _Row:
    fields: Mapping[str, object] = item if isinstance(item, Mapping) else {}
    description = text_of(item)
    if len(description) > MAX_DESCRIPTION:
        complaints.append(f"subgoals.{index}.description: {len(description)} characters; at most {MAX_DESCRIPTION}")
        description = description[: MAX_DESCRIPTION - 1] + "…"
    ideal = _name(_first(fields, _IDEAL_KEYS))
    named = _name(_first(fields, _ASSIGNED_KEYS)) or _agent_anywhere(fields, agents)
    assigned = _known(named, agents)
    if assigned is None:
        reason = f"there is no {named!r}" if named else "it is missing"
        complaints.append(f"subgoals.{index}.assigned_agent: {reason}; the agents are {', '.join(agents)}")
    given = assigned or _known(ideal, agents) or agents[0]
    return _Row(
        description=description,
        assigned=given,
        ideal=_known(ideal, agents) or ideal or named or given,
        item=fields,
        names=frozenset(_names(fields, description)),
    )


def _names(fields: Mapping[str, object], description: str) -> list[str]:
    ids = [fields.get(key) for key in _ID_KEYS]
    texts = [fields.get(key) for key in DESCRIPTION_KEYS]
    given = [str(each) for each in ids if isinstance(each, str | int) and not isinstance(each, bool)]
    return [
        one_line(each).lower() for each in (*given, *(t for t in texts if isinstance(t, str)), description) if each
    ]


def _without_repeats(rows: Sequence[_Row], order: Sequence[int]) -> dict[int, int]:
    """Returns, for each subgoal, the earlier one that says the same, or itself."""
    first: dict[str, int] = {}
    return {index: first.setdefault(rows[index].description.casefold(), index) for index in order}


def _subgoals(
    rows: Sequence[_Row], order: Sequence[int], needs: Sequence[tuple[int, ...]], kept: Mapping[int, int]
) -> list[PlannedSubgoal]:
    place: dict[int, int] = {}
    for index in order:
        if kept[index] == index and len(place) < MAX_SUBGOALS:
            place[index] = len(place)
    return [
        _planned(rows[index], sorted({place[kept[n]] for n in needs[index] if place[kept[n]] < place[index]}))
        for index in place
    ]


def _planned(row: _Row, depends_on: list[int]) -> PlannedSubgoal:
    quality = row.item.get("match_quality")
    word = quality.strip().lower() if isinstance(quality, str) else ""
    source = row.item.get("source_file")
    described = row.item.get("ideal_agent_desc")
    fallback = "acceptable" if row.ideal == row.assigned else "insufficient"
    return PlannedSubgoal(
        description=row.description,
        ideal_agent=row.ideal,
        ideal_agent_desc=one_line(described) if isinstance(described, str) else "",
        assigned_agent=row.assigned,
        match_quality=word if word in _QUALITIES else fallback,
        source_file=source if isinstance(source, str) else None,
        is_critical=str(row.item.get("is_critical", True)).strip().lower() not in _NO,
        depends_on=depends_on,
    )


def _first(fields: Mapping[str, object], keys: Sequence[str]) -> object:
    """Returns the value of the first key that is there; dependencies may be a list of numbers under any key."""
    known = next((fields[key] for key in keys if fields.get(key) is not None), None)
    if known is None and keys is _NEEDS_KEYS:
        return next((each for each in fields.values() if _numbers(each)), None)
    return known


def _numbers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) is int for each in value)


def _name(value: object) -> str:
    """Returns the name of an agent as a model may give it: a text, a mapping with one, or a list of one."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("id", "name", "agent") if isinstance(value.get(key), str)), None)
    return one_line(value).strip("@`* ")[:_LONGEST_NAME] if isinstance(value, str) else ""


def _known(name: str, agents: Sequence[str]) -> str | None:
    return next((agent for agent in agents if agent.lower() == name.lower()), None)


def _agent_anywhere(fields: Mapping[str, object], agents: Sequence[str]) -> str:
    """Returns the agent's name in whatever field holds one, since keys may be in another language."""
    names = (_name(value) for key, value in fields.items() if key not in _IDEAL_KEYS)
    return next((name for name in names if _known(name, agents)), "")
