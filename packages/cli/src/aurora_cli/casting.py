"""Which tasks of a file name a persona, and the same file with each given to an agent that takes its part."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_soar.personas import Roster
    from aurora_spawner import Backend, TaskFile

__all__ = ["Casting", "cast_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """A task file whose tasks name backends only.

    Attributes:
        personas: by task, the id of the persona whose part is taken.
        known: every persona that could have been named.
    """

    file: TaskFile
    personas: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()


def cast_file(file: TaskFile, roster: Roster, *, backends: Mapping[str, Backend], default_agent: str) -> Casting:
    """Give every task that names a persona to the default agent; one that names neither stays as it is."""
    from aurora_soar.personas import cast

    personas = {}
    lines = []
    for line in file.lines:
        name = line.task.agent or ""
        persona = None if name in backends else roster.get(name)
        if persona is None:
            lines.append(line)
        else:
            personas[line.id] = persona.id
            lines.append(replace(line, task=cast(line.task, persona, agent=None, speaks=default_agent)))
    return Casting(file=replace(file, lines=tuple(lines)), personas=personas, known=tuple(roster.by_id))
