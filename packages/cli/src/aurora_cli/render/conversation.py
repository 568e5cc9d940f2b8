"""Conversation logs as text: the question, what it took, each phase, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aurora_cli.render.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.report.read_log import ConversationLog

__all__ = ["conversation_lines"]


def conversation_lines(log: ConversationLog) -> Iterator[str]:
    """Yields the lines of a log; what it does not say is left out."""
    document, answer = log.document, log.phase("phase6_synthesize")
    yield f"{one_line(str(document.get('query_id')))}: {one_line(str(document.get('query')), 300)}"
    tokens = document.get("tokens_used")
    said = (
        ("complexity", log.phase("phase1_assess").get("complexity")),
        ("confidence", _rounded(answer.get("confidence"))),
        ("time", _seconds(document.get("total_duration_ms"))),
        ("cost", _dollars(document.get("total_cost_usd"))),
        ("tokens", f"{tokens.get('input')} + {tokens.get('output')}" if isinstance(tokens, dict) else None),
        ("cached", document.get("cached_from")),
    )
    yield "; ".join(f"{name} {one_line(str(value))}" for name, value in said if value is not None)
    for index, output in enumerate(_listed(log.phase("phase5_collect").get("agent_outputs"))):
        outcome = "completed" if output.get("success") else f"failed: {one_line(str(output.get('error')), 200)}"
        yield f"  agent {index + 1}: {one_line(str(output.get('agent_id')))} {outcome}"
    phases = document.get("phases")
    for name, phase in phases.items() if isinstance(phases, dict) else ():
        if isinstance(phase, dict) and (took := _seconds(phase.get("_timing_ms"))):
            error = f", {one_line(str(phase['_error']), 200)}" if phase.get("_error") else ""
            yield f"  {one_line(str(name))}: {took}{error}"
    yield f"log: {one_line(str(log.path), 500)}"
    yield ""
    yield printable(str(answer.get("answer") or "(no answer)")).rstrip("\n")


def _listed(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _rounded(value: object) -> str | None:
    return f"{value:.2f}" if isinstance(value, int | float) else None


def _seconds(milliseconds: object) -> str | None:
    return f"{milliseconds / 1e3:.3f} s" if isinstance(milliseconds, int | float) else None


def _dollars(cost: object) -> str | None:
    return f"${cost:.4f}" if isinstance(cost, int | float) else None
