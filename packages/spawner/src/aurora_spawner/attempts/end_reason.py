"""The reasons for which attempts end."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class EndReason(StrEnum):
    """The reason why an attempt ended; the journal stores the values."""

    EXITED = "exited"
    """The agent ended by itself."""
    CANCELLED = "cancelled"
    """The user or the coordinator ended it."""
    DEADLINE = "deadline"
    """Its time limit ended it."""
    STALLED = "stalled"
    """The watchdog ended it for lack of activity."""
    ORPHANED = "orphaned"
    """The supervisor ended it because its coordinator died."""
    EXEC_FAILED = "exec_failed"
    """The agent's program could not be started."""
    VOIDED = "voided"
    """It never began."""
    SUPERVISOR_LOST = "supervisor_lost"
    """Its supervisor was killed; the exit code is unknown."""
    FOLDER_REMOVED = "folder_removed"
    """Its folder, and with it its output, was removed while it ran."""
    WRONG_FOLDER = "wrong_folder"
    """The agent worked outside of its worktree."""
    WORKTREE_GONE = "worktree_gone"
    """The worktree that it worked in was removed or moved away."""
    OUTDATED = "outdated"
    """Its task has changed, or another attempt did the task."""
    OVER_BUDGET = "over_budget"
    """The budget did not allow it to start or to continue; its stderr explains it."""
    OVER_CAP = "over_cap"
    """A cap on the number of attempts did not allow it to start; its stderr explains it."""
    OVER_LIMIT = "over_limit"
    """It used more memory, processes or processor time than allowed; its exit record says which."""
    UNSANDBOXED = "unsandboxed"
    """A sandbox is required and does not hold, so it did not start; its stderr explains it."""
    NOT_TAKEN = "not_taken"
    """No worker of its pool may run it: it is too large, or of an unknown agent; its stderr explains it."""
    NOT_CARRIED = "not_carried"
    """Its tree could not be brought to its worker, or its work back from there; its stderr explains it."""
    SHARE_SPENT = "share_spent"
    """It has spent its share of the budget; its session may continue with another share. Its stderr explains it."""


REFUSALS: Final = frozenset({EndReason.OVER_BUDGET, EndReason.OVER_CAP, EndReason.UNSANDBOXED, EndReason.NOT_TAKEN})
"""Attempts that our own limits did not allow to start or to continue."""
ENDED_EARLY: Final = frozenset(
    {EndReason.CANCELLED, EndReason.VOIDED, EndReason.SUPERVISOR_LOST, EndReason.FOLDER_REMOVED}
)
"""Attempts that were ended before the agent ended by itself; their tasks stay open for a resume."""
