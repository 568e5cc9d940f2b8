"""Text and JSON of the results of `aur doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from aurora_cli.render.words import printable
from aurora_soar.doctor.checks import Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.doctor.checks import CheckResult

__all__ = ["as_document", "as_lines"]

_COLOURS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def as_lines(results: Sequence[CheckResult]) -> Iterator[str]:
    """Writes one line per check, and its advice below."""
    for result in results:
        level = click.style(f"{result.level.value:<4}", fg=_COLOURS[result.level])
        yield f"{level}  {result.check:<9} {printable(result.message)}"
        if result.advice:
            yield f"{'':15} → {result.advice}"


def as_document(results: Sequence[CheckResult]) -> dict[str, object]:
    """Returns the results as data for `--json`."""
    return {
        "ok": all(result.level is not Level.FAIL for result in results),
        "findings": [
            {"check": result.check, "level": result.level.value, "says": result.message, "advice": result.advice}
            for result in results
        ],
    }
