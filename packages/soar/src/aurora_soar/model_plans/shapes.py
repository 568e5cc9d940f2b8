"""Finds the list of subgoals in a value, whatever its keys are called and however deep it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Found", "find_subgoals", "is_subgoal", "one_line", "text_of"]

DESCRIPTION_KEYS: Final = (
    "description",
    "subgoal",
    "task",
    "what",
    "summary",
    "text",
    "content",
    "objective",
    "action",
    "instruction",
    "prompt",
    "title",
    "name",
    "goal",
    "step",
)
_LIST_KEYS: Final = frozenset(
    {"subgoals", "sub_goals", "subGoals", "goals", "tasks", "subtasks", "sub_tasks", "steps", "parts", "plan"}
)
_NO_LIST_KEYS: Final = frozenset(
    {"depends_on", "dependencies", "expected_tools", "tools", "files", "tags", "risks", "notes", "assumptions"}
)
_GOAL_KEYS: Final = ("goal", "objective", "title", "summary", "ziel")
_SHORTEST: Final = 6
_MOST_VALUES: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A list of subgoals in a value.

    Attributes:
        items: the members of the list that describe something, mappings or texts.
        goal: the text beside the list that names the goal; None if there is none.
        tools: the texts of `expected_tools`.
        others: members of the list that describe nothing.
    """

    items: tuple[object, ...]
    goal: str | None
    tools: tuple[str, ...]
    others: int


def find_subgoals(value: object) -> Found | None:
    """Returns the list that looks most like subgoals; None if nothing does."""
    best: tuple[tuple[bool, bool, int], Found] | None = None
    for key, members, holder in _lists(value):
        items = tuple(member for member in members if describes(member))
        if not items or not ((named := key in _LIST_KEYS) or _like_subgoals(members, items)):
            continue
        rank = (named, isinstance(items[0], Mapping), len(items))
        if best is None or rank > best[0]:
            best = rank, _found(items, len(members) - len(items), holder)
    return best[1] if best else None


def describes(member: object) -> bool:
    """Tells if a member of a list says what is to be done."""
    return len(text_of(member)) >= _SHORTEST


def is_subgoal(value: object) -> bool:
    """Tells if a value that stands alone is a subgoal: a mapping with a description and an agent."""
    return isinstance(value, Mapping) and describes(value) and any("agent" in key.lower() for key in value)


def text_of(member: object) -> str:
    """Returns the description in a member on one line: of a known key, else the longest text; "" without one."""
    if isinstance(member, str):
        return one_line(member)
    if not isinstance(member, Mapping):
        return ""
    known = (one_line(_joined(member.get(key))) for key in DESCRIPTION_KEYS)
    if text := next((text for text in known if text), ""):
        return text
    texts = [one_line(each) for key, each in member.items() if isinstance(each, str) and "agent" not in key.lower()]
    return max(texts, key=len, default="")


def one_line(text: str) -> str:
    """Returns a text with each run of blanks as one space, and without characters that are none."""
    return " ".join(text.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8").split())


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""


def _like_subgoals(members: list[object], items: tuple[object, ...]) -> bool:
    """Tells if a list under an unknown key holds subgoals: mostly mappings with a text, or sentences."""
    if 2 * len(items) < len(members):
        return False
    if isinstance(items[0], Mapping):
        return True
    return len(items) > 1 and all(isinstance(item, str) and (" " in item or not item.isascii()) for item in items)


def _found(items: tuple[object, ...], others: int, holder: Mapping[str, object]) -> Found:
    goals = (holder.get(key) for key in _GOAL_KEYS)
    goal = next((one_line(each) for each in goals if isinstance(each, str) and each.strip()), None)
    tools = holder.get("expected_tools")
    texts = tuple(each for each in tools if isinstance(each, str)) if isinstance(tools, list) else ()
    return Found(items=items, goal=goal, tools=texts, others=others)


def _lists(value: object) -> Iterator[tuple[str, list[object], Mapping[str, object]]]:
    """Yields every list with its key and the mapping around it; a mapping of mappings is a list too."""
    todo: list[tuple[str, object, Mapping[str, object]]] = [("", value, {})]
    seen = 0
    while todo and seen < _MOST_VALUES:
        key, current, holder = todo.pop()
        seen += 1
        if isinstance(current, list):
            yield key, current, holder
            todo.extend((key, each, holder) for each in current if isinstance(each, Mapping | list))
        elif isinstance(current, Mapping):
            members = list(current.values())
            if members and all(isinstance(each, Mapping) for each in members):
                yield key, members, holder
            todo.extend((name, each, current) for name, each in current.items() if name not in _NO_LIST_KEYS)
