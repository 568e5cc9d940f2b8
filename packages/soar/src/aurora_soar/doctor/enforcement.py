"""Enforcement of the policies for each agent: before each of its tool calls, or only on its finished work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.taskruns.gate import GATED, find_gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_policies import PoliciesEngine
    from aurora_spawner import Backend

__all__ = ["Enforcement", "enforcement_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """The agents of a project, by how the policies hold for them.

    Attributes:
        gated: the policies are asked before each of their tool calls.
        ungated: by name, why they are not asked; their work is judged when it is done, if it is in a worktree.
        problem: why the hook that asks does not work here; "" if it does.
    """

    gated: tuple[str, ...]
    ungated: Mapping[str, str]
    problem: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """A sentence for each thing that is enforced, and for whom; none if there is no agent that acts."""
        said = []
        if self.gated:
            said.append(f"before each tool call of {', '.join(self.gated)} the policies are asked")
        said += [f"the tool calls of {name} are not asked about ({why})" for name, why in self.ungated.items()]
        if self.ungated:
            said.append("for those the policies judge the finished work, if tasks have worktrees, and each merge")
        return tuple(said)


def enforcement_of(backends: Mapping[str, Backend], policies: PoliciesEngine) -> Enforcement:
    """Finds out for each agent that can change something how the policies hold, as `find_gate` does for a run."""
    found = find_gate(policies, backends, backends)
    return Enforcement(
        gated=tuple(name for name, said in found.words.items() if said == GATED),
        ungated={name: said.removeprefix("off: ") for name, said in found.words.items() if said != GATED},
        problem=found.problem,
    )
