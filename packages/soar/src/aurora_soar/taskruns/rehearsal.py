"""Tries policies on the work of earlier runs: what they would have stopped, and what they would have let pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.taskruns.diff_gate import PolicyDiffGate
from aurora_spawner.control.judged_work import judged_work

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_policies import PoliciesEngine
    from aurora_soar.taskruns.diff_gate import PolicyFinding
    from aurora_spawner.control.judged_work import JudgedWork

__all__ = ["Rehearsal", "RehearsedWork", "rehearse"]


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
class Rehearsal:
    """Policies tried on the work of earlier runs.

    Attributes:
        judged: the work that could be judged again.
        gone: the number of attempts whose commits are gone.
    """

    judged: tuple[RehearsedWork, ...]
    gone: int


def rehearse(policies: PoliciesEngine, journal: Path, run_id: str | None = None) -> Rehearsal:
    """Judges the work of a run, or of all runs, by these policies; nothing changes.

    Raises:
        UnknownRunError: the journal has no such run.
    """
    gate = PolicyDiffGate(policies=policies)
    judged, gone = [], 0
    for work in judged_work(journal, run_id):
        if work.diff is None:
            gone += 1
        else:
            judged.append(RehearsedWork(work=work, findings=gate.judge(work.diff)))
    return Rehearsal(judged=tuple(judged), gone=gone)
