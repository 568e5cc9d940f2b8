"""Text and JSON of the results of `aur agents doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.doctor.agents import AgentCheck

__all__ = ["as_document", "as_lines"]


def as_lines(checks: Sequence[AgentCheck]) -> Iterator[str]:
    """Yields a line for each agent, and below it its gate, sandbox, account, transport and advice."""
    width = max(len(each.name) for each in checks)
    for each in checks:
        name = f"{each.name:<{width}}"
        if each.program is None:
            yield f"{name}  not found"
        else:
            yield f"{name}  {'; '.join(_facts(each))}"
            yield f"{'':{width}}  policy gate {each.gate}"
            if each.sandbox:
                yield f"{'':{width}}  {one_line(each.sandbox, 300)}"
            pool = f"; shares the limits of {one_line(each.pool)}" if each.pool else ""
            yield f"{'':{width}}  spends {one_line(each.spends, 200)}{pool}"
            if each.talks:
                yield f"{'':{width}}  aur interact: {each.talks}"
        if each.advice:
            yield f"{'':{width}}  → {each.advice}"


def _facts(check: AgentCheck) -> Iterator[str]:
    if check.kind == "command":
        yield one_line(check.program or "", 80)
    else:
        yield one_line(check.version or "no version", 80)
        by = f" ({check.signed_in_by})" if check.signed_in_by else ""
        yield f"signed in: {check.signed_in.value}{by}"


def as_document(checks: Sequence[AgentCheck]) -> dict[str, object]:
    """Returns the results as data for `--json`."""
    return {"agents": [asdict(each) for each in checks]}
