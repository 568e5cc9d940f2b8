"""Text and JSON of the settings that a project needs trust for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from aurora_cli.render.words import count, one_line
from aurora_core.trust import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aurora_core import Project
    from aurora_core.trust import Change, Claim, TrustedProject

__all__ = ["as_document", "as_lines", "claim_lines", "list_document", "list_lines"]

_LONGEST: Final = 4_000
_PLACES: Final = {
    Part.CONFIG: ".aurora/config.yaml",
    Part.POLICIES: ".aurora/policies.yaml",
    Part.PERSONAS: "personas",
    Part.KEYS: ".env",
    Part.WORKTREES: ".aurora/worktree.yaml",
    Part.TASK_FILES: "task files",
}


def as_lines(project: Project, claims: Sequence[Claim], changed: Sequence[Change]) -> Iterator[str]:
    """Yields the changes since the project was trusted, then every setting that trust would enable."""
    if changed:
        yield "Changed since you trusted it:"
        for change in changed:
            sign, colour = ("+", "green") if change.kind == "added" else ("-", "red")
            yield click.style(
                f"  {sign} {_name(change.claim)}  {one_line(change.line, _LONGEST)}".rstrip(), fg=colour
            )
        yield ""
    for part in Part:
        members = [claim for claim in claims if claim.part is part]
        if members:
            yield f"{one_line(str(project.root), 400)}: {_PLACES[part]}"
        yield from claim_lines(members)


def claim_lines(claims: Iterable[Claim]) -> Iterator[str]:
    """Yields the name and the whole content of each claim."""
    for claim in claims:
        yield f"  {click.style(_name(claim), bold=True)}"
        yield from (f"    {one_line(line, _LONGEST)}" for line in claim.says)


def _name(claim: Claim) -> str:
    return one_line(claim.name, 200)


def as_document(
    project: Project, claims: Iterable[Claim], changed: Iterable[Change], *, trusted: bool
) -> dict[str, object]:
    """Returns the settings as data for `--json`."""
    return {
        "project": str(project.root),
        "trusted": trusted,
        "claims": [{"part": each.part.value, "name": each.name, "says": list(each.says)} for each in claims],
        "changes": [
            {"kind": each.kind, "part": each.claim.part.value, "name": each.claim.name, "line": each.line}
            for each in changed
        ],
    }


def list_lines(projects: Iterable[TrustedProject]) -> Iterator[str]:
    """Yields one line per trusted project."""
    for each in projects:
        gone = "" if each.root.is_dir() else "  (folder missing)"
        yield f"{each.trusted_at[:10]}  {one_line(str(each.root), 400)}  {count(len(each.claims), 'setting')}{gone}"


def list_document(projects: Iterable[TrustedProject]) -> dict[str, object]:
    """Returns the trusted projects as data for `--json`."""
    return {
        "projects": [
            {
                "project": str(each.root),
                "trusted_at": each.trusted_at,
                "there": each.root.is_dir(),
                "claims": len(each.claims),
            }
            for each in projects
        ]
    }
