"""Composes an answer from findings: Markdown in which each line cites its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Aspect, Finding, FindingKind
from aurora_soar.question.question import Intent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.question import Question

__all__ = ["Answer", "compose"]

DEFINITIONS_SHOWN: Final = 5
FLOWS_SHOWN: Final = 8
OTHERS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer in Markdown, and the findings that it cites in order of appearance."""

    text: str
    used: tuple[Finding, ...]


_LEAD: Final[Mapping[Intent, str]] = {
    Intent.EXPLAIN: "The code that answers this best is {name}",
    Intent.COMPARE: "The first side is {name}",
    Intent.DEBUG: "Start looking at {name}",
    Intent.IMPLEMENT: "The change belongs at or next to {name}",
    Intent.REVIEW: "The code under review is {name}",
    Intent.PLAN: "What exists today centres on {name}",
}
_TITLES: Final[Mapping[Aspect, str]] = {
    Aspect.DEFINITIONS: "Where it happens",
    Aspect.STATEMENTS: "What is written about it",
    Aspect.FLOW: "How it hangs together",
    Aspect.ERRORS: "Where it fails",
    Aspect.TESTS: "Tests that show it",
    Aspect.REPORT: "What was found",
}


class _Writer:
    """Collects the lines of an answer and the findings that they cite."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.used: list[Finding] = []

    def line(self, text: str = "") -> None:
        self.lines.append(text)

    def cite(self, text: str, finding: Finding, *, indent: int = 0) -> None:
        self.used.append(finding)
        self.lines.append(f"{'  ' * indent}- {text} ({place(finding)})")


def compose(question: Question, focus: Focus, outputs: Sequence[AgentOutput], sound: frozenset[Finding]) -> Answer:
    """Returns the answer: its main point first, then each aspect under a heading that names the agent."""
    writer = _Writer()
    kept = [(output, [f for f in output.evidence.findings if f in sound]) for output in outputs if output.evidence]
    if not any(findings for _, findings in kept):
        return Answer(text=_nothing(focus, outputs), used=())
    _write_lead(writer, question, [f for _, findings in kept for f in findings])
    for output, findings in kept:
        if findings and output.evidence:
            sides = (
                f": {output.evidence.focus}"
                if question.sides and output.evidence.aspect is Aspect.DEFINITIONS
                else ""
            )
            _write_section(writer, f"{_TITLES[output.evidence.aspect]}{sides}", output.agent_id, findings)
    _write_limits(writer, focus, outputs)
    return Answer(text="\n".join(writer.lines).strip() + "\n", used=tuple(writer.used))


def place(finding: Finding) -> str:
    """Returns a source as it is cited: `file:line`."""
    return f"`{finding.file}:{finding.line}`"


def _nothing(focus: Focus, outputs: Sequence[AgentOutput]) -> str:
    failed = [output for output in outputs if not output.success]
    words = ", ".join(focus.words)
    text = f"Nothing in this project's memory mentions: {words}. Use the names that the code itself uses.\n"
    return text + "".join(f"\nAgent {o.agent_id} failed: {o.error}\n" for o in failed)


def _write_lead(writer: _Writer, question: Question, findings: Sequence[Finding]) -> None:
    definition = _first(findings, FindingKind.DEFINITION)
    statement = _first(findings, FindingKind.STATEMENT)
    if definition is not None:
        writer.used.append(definition)
        lead = _LEAD[question.intent].format(name=f"`{definition.symbol}` ({place(definition)})")
        writer.line(f"{lead}: {_quoted(definition.detail)}" if definition.detail else f"{lead}.")
    if statement is not None and (definition is None or statement.text != definition.detail):
        writer.used.append(statement)
        writer.line(f"In the project's own words ({place(statement)}): {_quoted(statement.text)}")
    writer.line()


def _first(findings: Sequence[Finding], kind: FindingKind) -> Finding | None:
    return next((f for f in findings if f.kind is kind), None)


def _quoted(text: str) -> str:
    return f"“{text.strip()}”"


def _write_section(writer: _Writer, title: str, agent: str, findings: Sequence[Finding]) -> None:
    writer.line(f"## {title} (Agent: {agent})")
    writer.line()
    definitions = [f for f in findings if f.kind is FindingKind.DEFINITION]
    for definition in definitions[:DEFINITIONS_SHOWN]:
        _write_definition(writer, definition, findings)
    for finding in _flows(findings):
        writer.cite(_flow_text(finding), finding)
    others = [f for f in findings if f.kind in _OTHERS]
    for finding in others[:OTHERS_SHOWN]:
        writer.cite(_other_text(finding), finding)
    writer.line()


_OTHERS: Final = frozenset({FindingKind.STATEMENT, FindingKind.RAISE, FindingKind.TEST, FindingKind.CLAIM})


def _write_definition(writer: _Writer, definition: Finding, findings: Sequence[Finding]) -> None:
    says = f": {definition.detail}" if definition.detail else ""
    writer.cite(f"`{definition.text}`{says}", definition)
    for step in findings:
        if step.kind is FindingKind.STEP and (step.file, step.symbol) == (definition.file, definition.symbol):
            writer.cite(f"`{step.text}`", step, indent=1)


def _flows(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yields the calls of each symbol, callees before callers, in the order of the symbols."""
    flows = [f for f in findings if f.kind in (FindingKind.CALLEE, FindingKind.CALLER)]
    order = {name: at for at, name in enumerate(dict.fromkeys(f.about for f in flows))}
    yield from sorted(flows, key=lambda f: (order[f.about], f.kind is FindingKind.CALLER))[:FLOWS_SHOWN]


def _flow_text(finding: Finding) -> str:
    if finding.kind is FindingKind.CALLEE:
        says = f": {finding.detail}" if finding.detail else ""
        return f"`{finding.about}` calls `{finding.symbol}`{says}"
    return f"`{finding.about}` is called by `{finding.symbol}`: `{finding.text}`"


def _other_text(finding: Finding) -> str:
    if finding.kind is FindingKind.CLAIM:
        return finding.text
    if finding.kind is FindingKind.STATEMENT:
        return _quoted(finding.text) + (f" — `{finding.symbol}`" if finding.symbol else "")
    if finding.kind is FindingKind.RAISE:
        return f"`{finding.symbol}`: `{finding.text}`"
    return f"`{finding.symbol}`" + (f": {finding.detail}" if finding.detail else "")


def _write_limits(writer: _Writer, focus: Focus, outputs: Sequence[AgentOutput]) -> None:
    """Writes what the answer does not cover; an answer that hides its gaps misleads."""
    if focus.unknown:
        writer.line(f"Nothing in the project mentions: {', '.join(focus.unknown)}.")
    for output in outputs:
        if not output.success:
            writer.line(f"Subgoal {output.subgoal_index + 1} (Agent: {output.agent_id}) failed: {output.error}.")
