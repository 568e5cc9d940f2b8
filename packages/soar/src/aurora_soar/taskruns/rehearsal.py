"""Tries policies on earlier runs, their tool calls and their work: what they would have stopped, or let pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.taskruns.diff_gate import PolicyDiffGate
from aurora_soar.taskruns.gate import PolicyGate
from aurora_spawner.control.judged_calls import judged_calls
from aurora_spawner.control.judged_work import judged_work
from aurora_spawner.gates.tool_calls import GateAction

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_policies import PoliciesEngine
    from aurora_soar.taskruns.diff_gate import PolicyFinding
    from aurora_spawner.control.judged_calls import JudgedCall
    from aurora_spawner.control.judged_work import JudgedWork
    from aurora_spawner.gates.tool_calls import Verdict

__all__ = ["Rehearsal", "RehearsedCall", "RehearsedWork", "rehearse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedWork:
    """Work of an earlier run under other policies.

    Attributes:
        findings: what they object to.
    """

    work: JudgedWork
    findings: tuple[PolicyFinding, ...]

    @property
    def stopped_now(self) -> tuple[PolicyFinding, ...]:
        """The objections of the other policies, by rules that did not object then."""
        return tuple(each for each in self.findings if each.rule not in self.work.rules)

    @property
    def passed_now(self) -> tuple[str, ...]:
        """The rules that objected then and do not object now, sorted."""
        return tuple(sorted(self.work.rules - {each.rule for each in self.findings}))

    @property
    def changed(self) -> bool:
        """True if the policies say something else of it than was said then."""
        return bool(self.stopped_now or self.passed_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedCall:
    """A tool call of an earlier run under other policies."""

    call: JudgedCall
    verdict: Verdict

    @property
    def changed(self) -> bool:
        """True if the policies give another answer than then."""
        return self.verdict.action.value != self.call.action

    @property
    def stopped_now(self) -> bool:
        """True if it passed without a question then, and would not now."""
        return self.changed and self.call.action == GateAction.ALLOW

    @property
    def passed_now(self) -> bool:
        """True if it was asked about or denied then, and would pass now."""
        return self.changed and self.verdict.action is GateAction.ALLOW

    @property
    def denied_now(self) -> bool:
        """True if it was asked about then, and nobody would be asked now."""
        return self.call.action == GateAction.PROMPT and self.verdict.action is GateAction.DENY


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Policies tried on earlier runs.

    Attributes:
        judged: the work that could be judged again.
        gone: the number of attempts whose commits are gone.
        calls: the tool calls that could be judged again.
        cut: the number of tool calls that the journal has only in part.
    """

    judged: tuple[RehearsedWork, ...]
    gone: int
    calls: tuple[RehearsedCall, ...]
    cut: int


def rehearse(policies: PoliciesEngine, journal: Path, run_id: str | None = None) -> Rehearsal:
    """Judges the tool calls and the work of a run, or of all runs, by these policies; nothing changes.

    Scripts and the like that a call would run are read as they are now.

    Raises:
        UnknownRunError: the journal has no such run.
    """
    work_gate, call_gate = PolicyDiffGate(policies=policies), PolicyGate(policies=policies)
    work, calls = list(judged_work(journal, run_id)), list(judged_calls(journal, run_id))
    return Rehearsal(
        judged=tuple(RehearsedWork(work=each, findings=work_gate.judge(each.diff)) for each in work if each.diff),
        gone=sum(each.diff is None for each in work),
        calls=tuple(RehearsedCall(call=each, verdict=call_gate.judge(each.call)) for each in calls if each.call),
        cut=sum(each.call is None for each in calls),
    )
