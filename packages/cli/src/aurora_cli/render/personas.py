"""Text and JSON of personas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.personas import Match, Persona, PersonaProblem

__all__ = ["as_document", "as_lines", "as_text", "details", "match_document", "match_lines", "problem_line"]


def as_lines(personas: Sequence[Persona]) -> Iterator[str]:
    """Yields one line per persona."""
    width = max((len(each.id) for each in personas), default=0)
    for each in personas:
        where = each.tool if each.scope.value == "project" else f"~{each.tool}"
        yield f"{each.id:<{width}}  {each.category.value:<7}  {where:<9}  {one_line(each.goal, 80)}"


def as_document(personas: Sequence[Persona], problems: Sequence[PersonaProblem]) -> dict[str, object]:
    """Returns personas and the problems of files as data for `--json`."""
    return {
        "personas": [_summary(each) for each in personas],
        "problems": [
            {"file": each.file, "line": each.line, "field": each.field, "reason": each.reason} for each in problems
        ],
    }


def details(persona: Persona) -> dict[str, object]:
    """Returns all fields of a persona as data for `--json`."""
    from aurora_soar.personas import instructions_of

    return {
        **_summary(persona),
        "when_to_use": persona.when_to_use,
        "examples": list(persona.examples),
        "dependencies": list(persona.dependencies),
        "tools": list(persona.tools),
        "model": persona.model,
        "instructions": instructions_of(persona),
    }


def as_text(persona: Persona) -> str:
    """Returns all fields of a persona as text."""
    from aurora_soar.personas import instructions_of

    rows = {
        "role": persona.role,
        "category": persona.category.value,
        "goal": persona.goal,
        "when to use": persona.when_to_use,
        "skills": ", ".join(persona.skills),
        "examples": "; ".join(persona.examples),
        "works with": ", ".join(persona.dependencies),
        "tools": ", ".join(persona.tools),
        "model": persona.model or "",
        "file": persona.source_file,
    }
    head = [f"{name + ':':<12} {one_line(value, 400)}" for name, value in rows.items() if value]
    return "\n".join([persona.id, *head, "", printable(instructions_of(persona))])


def match_lines(match: Match, limit: int) -> Iterator[str]:
    """Yields the best personas for a task, or the gap and its ad-hoc persona."""
    from aurora_soar.personas import adhoc_persona, instructions_of

    if match.is_gap:
        yield f"gap: no persona fits ({match.ideal}); an ad-hoc persona would get these instructions:"
        generated = adhoc_persona(match.ideal, match.ideal_description)
        yield from (f"  {line}".rstrip() for line in printable(instructions_of(generated)).splitlines())
        near = [each.persona for each in match.ranked[:limit]]
        yield from ["nearest:", *(f"  {line}" for line in as_lines(near))] if near else []
    else:
        yield from as_lines([each.persona for each in match.ranked[:limit]])


def match_document(match: Match, limit: int) -> dict[str, object]:
    """Returns the best personas for a task as data for `--json`."""
    return {
        "ideal": match.ideal,
        "ideal_description": match.ideal_description,
        "assigned": match.assigned.id if match.assigned else None,
        "gap": match.is_gap,
        "personas": [_summary(each.persona) for each in match.ranked[:limit]],
    }


def problem_line(problem: PersonaProblem) -> str:
    """Returns a problem of a file on one line."""
    return one_line(str(problem), 400)


def _summary(persona: Persona) -> dict[str, object]:
    return {
        "id": persona.id,
        "role": persona.role,
        "goal": persona.goal,
        "category": persona.category.value,
        "skills": list(persona.skills),
        "tool": persona.tool,
        "scope": persona.scope.value,
        "source_file": persona.source_file,
    }
