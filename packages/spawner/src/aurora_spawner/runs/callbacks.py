"""The caller's own functions: called by a run, never able to end it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.journal.facts import CallbackFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aurora_spawner.recovery.outbox import Outbox
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.runs.work_group import WorkGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Calls what the policy wants called; what a callback raises is recorded and harms nothing."""

    outbox: Outbox
    recorder: Recorder
    work: WorkGroup
    notices: list[str]

    def call(self) -> None:
        """Makes the calls that recovery has left."""
        for callback, given in self.outbox.take_calls():
            try:
                answer = callback(*given)
            except Exception as error:  # noqa: BLE001 -- the caller's own code
                self.record_failure(callback, error)
                continue
            if inspect.isawaitable(answer):
                self.work.start(self._await(callback, answer))

    async def _await(self, callback: Any, answer: Awaitable[object]) -> None:
        try:
            await answer
        except Exception as error:  # noqa: BLE001 -- the caller's own code
            self.record_failure(callback, error)

    def record_failure(self, callback: Any, error: Exception) -> None:
        """Records that a callback has raised."""
        name = getattr(callback, "__name__", str(callback))
        message = f"{type(error).__name__}: {error}"
        self.recorder.append_nowait(None, CallbackFailed(callback=name, error=message))
        self.notices.append(f"the callback {name} raised {message}")
