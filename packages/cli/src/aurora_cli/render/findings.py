"""How the findings of a check-up look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from aurora_cli.render.words import printable
from aurora_soar.doctor.checks import Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.doctor.checks import Finding

__all__ = ["as_document", "as_lines"]

_COLOURS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def as_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Writes a line a finding, and its advice below."""
    for finding in findings:
        level = click.style(f"{finding.level.value:<4}", fg=_COLOURS[finding.level])
        yield f"{level}  {finding.check:<9} {printable(finding.says)}"
        if finding.advice:
            yield f"{'':15} → {finding.advice}"


def as_document(findings: Sequence[Finding]) -> dict[str, object]:
    """Returns the findings for programs."""
    return {
        "ok": all(finding.level is not Level.FAIL for finding in findings),
        "findings": [
            {"check": finding.check, "level": finding.level.value, "says": finding.says, "advice": finding.advice}
            for finding in findings
        ],
    }
