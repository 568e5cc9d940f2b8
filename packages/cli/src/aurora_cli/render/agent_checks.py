"""How the check of the agents looks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_cli.agent_checks import AgentCheck

__all__ = ["as_document", "as_lines"]


def as_lines(checks: Sequence[AgentCheck]) -> Iterator[str]:
    """Write a line an agent, and what to do below."""
    width = max(len(each.name) for each in checks)
    for each in checks:
        name = f"{each.name:<{width}}"
        if each.program is None:
            yield f"{name}  not found"
        else:
            by = f" ({each.signed_in_by})" if each.signed_in_by else ""
            version = one_line(each.version or ("no version" if each.kind != "command" else each.program), 40)
            yield f"{name}  {version}; signed in: {each.signed_in.value}{by}; {each.gate}"
        if each.advice:
            yield f"{'':{width}}  → {each.advice}"


def as_document(checks: Sequence[AgentCheck]) -> dict[str, object]:
    """Return the checks for programs."""
    return {"agents": [asdict(each) for each in checks]}
