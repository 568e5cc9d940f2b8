"""Personas for tasks: which task is done as which persona, and the task file with their instructions in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_soar.personas import Persona, Roster
    from aurora_spawner import Backend
    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.taskfiles.model import TaskFile, TaskLine

__all__ = ["AssignedPersonas", "assign_personas", "keep_assignments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedPersonas:
    """A task file whose tasks name backends only.

    Attributes:
        personas: by task, the id of the persona that its agent works as.
        generated: tasks whose persona was generated, because no file defines one of the right kind.
        known: every persona that a task could have named.
    """

    file: TaskFile
    personas: Mapping[str, str] = field(default_factory=dict)
    generated: frozenset[str] = frozenset()
    known: tuple[str, ...] = ()


def assign_personas(
    file: TaskFile, roster: Roster, *, backends: Mapping[str, Backend], default_agent: str, match: bool = False
) -> AssignedPersonas:
    """Gives each task that names a persona to the default agent; a task that names neither stays as it is.

    A backend of the same name comes before a persona.

    Args:
        match: also find a persona for tasks that name no agent, or generate one if none is of the right kind.
    """
    from aurora_soar.personas import cast, with_reviewer

    named = {line.id: roster.get(line.task.agent or "") for line in file.lines if line.task.agent not in backends}
    matched = _matched(file, roster) if match else {}
    assigned = {task: persona for task, persona in {**named, **matched}.items() if persona}
    lines = [
        replace(line, task=cast(line.task, assigned[line.id], agent=None, speaks=default_agent))
        if line.id in assigned
        else line
        for line in file.lines
    ]
    lines = [
        replace(line, task=with_reviewer(line.task, persona, speaks=default_agent))
        if (persona := _reviewer_of(line, roster, backends))
        else line
        for line in lines
    ]
    return AssignedPersonas(
        file=replace(file, lines=tuple(lines)),
        personas={task: persona.id for task, persona in assigned.items()},
        generated=frozenset(task for task, persona in assigned.items() if not persona.source_file),
        known=tuple(roster.by_id),
    )


def _reviewer_of(line: TaskLine, roster: Roster, backends: Mapping[str, Backend]) -> Persona | None:
    """Returns the persona that reviews a task's work; None if that is a backend, nobody, or unknown."""
    reviewer = line.task.reviewer
    if reviewer is None or reviewer.agent is None or reviewer.agent in backends:
        return None
    return roster.get(reviewer.agent)


def _matched(file: TaskFile, roster: Roster) -> dict[str, Persona]:
    from aurora_soar.personas import Matcher, adhoc_persona

    matcher = Matcher(roster)
    found = {}
    for line in file.lines:
        if line.task.agent is None:
            match = matcher.match(line.task.prompt)
            fits = match.assigned is not None and not match.is_gap
            generated = adhoc_persona(match.ideal, match.ideal_description)
            found[line.id] = match.assigned if fits and match.assigned else generated
    return found


def keep_assignments(file: TaskFile, rows: Sequence[TaskRow]) -> TaskFile:
    """Leaves tasks with the persona that their run found for them, whatever would be found today."""
    before = {row.task_id: row.task for row in rows}

    def kept(line: TaskLine) -> TaskLine:
        task, old = line.task, before.get(line.id)
        if old is None or task.agent or task.instructions or old.prompt != task.prompt:
            return line
        return replace(line, task=replace(task, instructions=old.instructions, model=task.model or old.model))

    return replace(file, lines=tuple(map(kept, file.lines)))
