"""Which tasks of a file are for a persona, and the same file with each given to an agent that takes its part."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_soar.personas import Persona, Roster
    from aurora_spawner import Backend, TaskFile, TaskLine
    from aurora_spawner.journal.views import TaskRow

__all__ = ["Casting", "cast_file", "keep_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """A task file whose tasks name backends only.

    Attributes:
        personas: by task, the id of the persona whose part is taken.
        made_up: tasks whose persona was made up, because nobody of the right kind is there.
        known: every persona that could have been named.
    """

    file: TaskFile
    personas: Mapping[str, str] = field(default_factory=dict)
    made_up: frozenset[str] = frozenset()
    known: tuple[str, ...] = ()


def cast_file(
    file: TaskFile, roster: Roster, *, backends: Mapping[str, Backend], default_agent: str, match: bool = False
) -> Casting:
    """Gives every task that names a persona to the default agent; one that names neither stays as it is.

    Args:
        match: also find a persona for tasks that name no agent, or make one up where none is of the right kind.
    """
    from aurora_soar.personas import cast

    parts = {line.id: roster.get(line.task.agent or "") for line in file.lines if line.task.agent not in backends}
    found = _matched(file, roster) if match else {}
    taken = {task: persona for task, persona in {**parts, **found}.items() if persona}
    lines = [
        replace(line, task=cast(line.task, taken[line.id], agent=None, speaks=default_agent))
        if line.id in taken
        else line
        for line in file.lines
    ]
    return Casting(
        file=replace(file, lines=tuple(lines)),
        personas={task: persona.id for task, persona in taken.items()},
        made_up=frozenset(task for task, persona in taken.items() if not persona.source_file),
        known=tuple(roster.by_id),
    )


def _matched(file: TaskFile, roster: Roster) -> dict[str, Persona]:
    from aurora_soar.personas import Matcher, adhoc_persona

    matcher = Matcher(roster)
    found = {}
    for line in file.lines:
        if line.task.agent is None:
            match = matcher.match(line.task.prompt)
            fits = match.assigned is not None and not match.is_gap
            made_up = adhoc_persona(match.ideal, match.ideal_description)
            found[line.id] = match.assigned if fits and match.assigned else made_up
    return found


def keep_parts(file: TaskFile, rows: Sequence[TaskRow]) -> TaskFile:
    """Leaves tasks that a run found a persona for with that persona, whoever would be found for them today."""
    before = {row.task_id: row.task for row in rows}

    def kept(line: TaskLine) -> TaskLine:
        task, old = line.task, before.get(line.id)
        if old is None or task.agent or task.instructions or old.prompt != task.prompt:
            return line
        return replace(line, task=replace(task, instructions=old.instructions, model=task.model or old.model))

    return replace(file, lines=tuple(map(kept, file.lines)))
