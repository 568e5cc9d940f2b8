"""How the check of the agents looks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.doctor.agents import AgentCheck

__all__ = ["as_document", "as_lines"]


def as_lines(checks: Sequence[AgentCheck]) -> Iterator[str]:
    """Writes a line an agent, and what to do below."""
    width = max(len(each.name) for each in checks)
    for each in checks:
        name = f"{each.name:<{width}}"
        if each.program is None:
            yield f"{name}  not found"
        else:
            yield f"{name}  {'; '.join(_said(each))}"
        if each.advice:
            yield f"{'':{width}}  → {each.advice}"


def _said(check: AgentCheck) -> Iterator[str]:
    if check.kind == "command":
        yield one_line(check.program or "", 80)
    else:
        yield one_line(check.version or "no version", 80)
        by = f" ({check.signed_in_by})" if check.signed_in_by else ""
        yield f"signed in: {check.signed_in.value}{by}"
    yield check.gate


def as_document(checks: Sequence[AgentCheck]) -> dict[str, object]:
    """Returns the checks for programs."""
    return {"agents": [asdict(each) for each in checks]}
