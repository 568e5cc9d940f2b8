"""Text and JSON of what ties a file to others."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_core import Tie

__all__ = ["CHANGED_WITH", "USED_BY", "USES", "as_document", "as_lines", "grouped", "reasons"]

_PATH_CHARS: Final = 4_096
"""As long as a path can be: it is shown whole, on one line even if its name has several."""
USES, USED_BY, CHANGED_WITH = "uses", "used by", "changed with"


def grouped(ties: Sequence[Tie]) -> Mapping[str, Sequence[Tie]]:
    """Returns the ties by kind; one both ways is among those that the file uses."""
    uses = [tie for tie in ties if tie.imports or tie.calls]
    used_by = [tie for tie in ties if (tie.imported_by or tie.called_by) and tie not in uses]
    rest = [tie for tie in ties if tie not in uses and tie not in used_by]
    return {USES: uses, USED_BY: used_by, CHANGED_WITH: rest}


def reasons(tie: Tie) -> str:
    """Describes a tie from the side of the file that was asked for."""
    found = ["imports it"] if tie.imports else []
    found += [f"calls {count(tie.calls, 'name')} of it"] if tie.calls else []
    found += ["is imported by it"] if tie.imported_by else []
    found += [f"{count(tie.called_by, 'name')} called by it"] if tie.called_by else []
    found += [f"{count(tie.together, 'commit')} changed both"] if tie.together else []
    return ", ".join(found)


def as_lines(file: str, ties: Sequence[Tie], *, more: int) -> Iterator[str]:
    """Yields the file, and a line for each tie; at the end how many more there are."""
    yield click.style(one_line(file, _PATH_CHARS), fg="cyan")
    for kind, group in grouped(ties).items():
        for tie in group:
            yield f"  {kind:<12}  {click.style(one_line(tie.file, _PATH_CHARS), fg='cyan')}  {reasons(tie)}"
    if more:
        yield f"{more} more with --limit"


def as_document(file: str, ties: Sequence[Tie], *, more: int) -> dict[str, object]:
    """Returns the ties as data for `--json`."""
    return {"file": file, "ties": [asdict(tie) for tie in ties], "more": more}
