"""An attempt at a task on its way through the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptOrder, RunningAttempt
    from aurora_spawner.backends.base import Reply
    from aurora_spawner.runs.in_flight import Termination
    from aurora_spawner.tasks.checked import CheckedWork
    from aurora_spawner.tasks.diff_gate import DiffFinding
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.returned import Returned
    from aurora_spawner.workspaces.worktrees import Worktree

_NEVER_BEGAN: Final = AttemptEnd(reason=EndReason.VOIDED)


class Attempt(NamedTuple):
    """The knowledge of an attempt; each stage returns it with its own findings.

    A tuple, since every stage makes a new one: a dataclass takes five times as long to be replaced.
    """

    task_id: str
    found: RunningAttempt | AttemptEnd | None = None
    """The attempt as an earlier coordinator has left it; None for a new one."""
    agent: str = ""
    number: int = 0
    """Counts the attempts at the task from 1; 0 before it is journalled."""
    token: str = ""
    """Carried by all of its processes; "" before it is journalled."""
    worktree: Worktree | None = None
    """None if the task works in the run's folder."""
    order: AttemptOrder | None = None
    end: AttemptEnd = _NEVER_BEGAN
    reply: Reply | None = None
    """The agent's answer; None until the output is read."""
    termination: Termination | None = None
    """Set if the coordinator has ended it."""
    judged: AttemptEnd = _NEVER_BEGAN
    """The end that its result follows from: its own, or the one before if money ran out."""
    result: SpawnResult | None = None
    """None if another attempt follows at once."""
    checked: CheckedWork | None = None
    """The checks of its work; None if there are none."""
    findings: tuple[DiffFinding, ...] = ()
    """The parts of its work that a person has to approve."""
    returned: Returned | None = None
    """Set if its work goes back to its agent, other than for a failed check."""
    unchecked: bool = False
    """True if its checks, or the questions about it, were stopped by the end of the run: a resume finds it again."""
    final: bool = False
    """True if the result stands whatever recovery would do."""
    again: str = ""
    """The reason why another attempt follows at once."""
    lost: int = 0
    """Attempts before this one, in the same slot, whose supervisors were killed."""
    spent: AttemptEnd | None = None
    """The end of the attempt before it that has spent its share of the budget."""

    @property
    def over(self) -> bool:
        """True if no attempt follows in the same slot."""
        return self.result is not None or self.found is not None

    def next(self) -> Attempt:
        """Returns the attempt that follows in the same slot."""
        return Attempt(
            task_id=self.task_id,
            lost=self.lost + (self.end.reason == EndReason.SUPERVISOR_LOST),
            spent=self.end if self.end.reason == EndReason.SHARE_SPENT else self.spent,
        )
