"""Joins the diffs of the spawner with the policies: the after-gate of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_policies import Action
from aurora_policies.diff import ChangedFile
from aurora_soar.taskruns.gitleaks import search_with_gitleaks

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine
    from aurora_policies.diff import Finding
    from aurora_spawner.tasks.diff_gate import WorkDiff

__all__ = ["PolicyDiffGate", "PolicyFinding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFinding:
    """Something that the policies object to, as a `DiffFinding` of the spawner.

    Attributes:
        rule: the rule.
        denied: it cannot be approved.
        subject: the files, for a person.
        reason: the effect of the diff, in words.
        shape: what an approval for the whole run covers; "" if it cannot be given.
    """

    rule: str
    denied: bool
    subject: str
    reason: str
    shape: str

    @classmethod
    def of(cls, found: Finding) -> PolicyFinding:
        """Translates a finding of the policies."""
        return cls(
            rule=str(found.rule),
            denied=found.action is Action.DENY,
            subject=found.subject,
            reason=found.reason,
            shape=found.shape,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDiffGate:
    """A `DiffGate` that asks the policies, with the section of the task's agent where that is stricter."""

    policies: PoliciesEngine

    def judge(self, diff: WorkDiff) -> tuple[PolicyFinding, ...]:
        """Returns what the policies object to in a task's diff."""
        files = [
            ChangedFile(
                path=each.path,
                kind=each.kind,
                lines=each.lines,
                added=each.added,
                searched=each.complete,
                is_link=each.is_link,
                made_executable=each.made_executable,
            )
            for each in diff.files
        ]
        searches = (search_with_gitleaks(files),)
        found = self.policies.judge_diff(files, agent=diff.agent, planned=diff.planned, searches=searches)
        return tuple(map(PolicyFinding.of, found))
