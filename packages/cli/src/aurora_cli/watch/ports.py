"""The needs of the live view and of the pages: a reader and a steering, of one project or of all workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aurora_cli.watch.facts import Facts, Wanted
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.control.log_tail import LogTail, TailPiece

__all__ = ["RunsReader", "RunsSteering"]


class RunsReader(Protocol):
    """Reads what is shown; one thread at a time."""

    def close(self) -> None:
        """Closes what is open; another look opens it again."""

    def has_changed(self) -> bool:
        """Returns True if a look would find something new."""

    def look(self, wanted: Wanted) -> Facts:
        """Reads everything again, as far as it has changed."""

    def tail(self, run_id: str, task_id: str, tail: LogTail) -> TailPiece | None:
        """Returns what a task has printed since the last read."""


class RunsSteering(Protocol):
    """Does what the keys ask for; each call returns a sentence for the user."""

    def pause(self, run_id: str) -> str:
        """Pauses a run."""

    def resume(self, live: LiveRun) -> str:
        """Continues a paused run."""

    def cancel(self, run_id: str, task_id: str | None) -> str:
        """Cancels a run, or one of its tasks."""

    def answer(self, approval: str, *, approved: bool, note: str = "", always: bool = False) -> str:
        """Answers a question."""
