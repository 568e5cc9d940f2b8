"""The rest of a run of which too much has failed: held, skipped, or continued if the user says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aurora_spawner.journal.facts import BatchTripped
from aurora_spawner.recovery.policy import BatchAction
from aurora_spawner.runs import pausing, settlement
from aurora_spawner.tasks import run_events

if TYPE_CHECKING:
    from aurora_spawner.recovery.actions import BatchTrip
    from aurora_spawner.runs.run_context import RunContext

_DONE = {BatchAction.HOLD: "held", BatchAction.SKIP: "skipped", None: "continued"}


class BatchBreaker:
    """Carries out what recovery decides about the rest of a run, and asks the user if there is one to ask."""

    def __init__(self) -> None:
        self._stopped = False
        self._question: asyncio.Future[bool | None] | None = None
        """Present while the user is asked."""

    def check(self, run: RunContext) -> list[str]:
        """Holds or skips the rest of the run if too much has failed; returns the tasks that are skipped."""
        trip = None if self._stopped else run.recovery.batch_trip()
        if trip is None:
            return []
        action = self._action(run, trip)
        run.recorder.append_nowait(None, BatchTripped(reason=trip.reason, action=_DONE[action]))
        if action is None:
            run.recovery.forgive_batch()
            return []
        self._stopped = True
        if self._question is None:
            run.notices.append(f"{trip.reason}; the rest was {_DONE[action]}")
        run.notifier.emit(run_events.BatchTripped(reason=trip.reason, action=_DONE[action]))
        if action is BatchAction.HOLD:
            pausing.hold(run, by=f"batch breaker: {trip.reason}")
            return []
        return settlement.skip_pending(run, trip.reason)

    def forgive(self, run: RunContext) -> None:
        """Lets a held run continue: its failures so far no longer count."""
        self.withdraw()
        run.recovery.forgive_batch()
        self._stopped = False

    def withdraw(self) -> None:
        """Withdraws the question to the user, since its answer no longer changes anything."""
        if self._question is not None:
            self._question.cancel()

    def _action(self, run: RunContext, trip: BatchTrip) -> BatchAction | None:
        """Returns what the policy says, or the user if there is one to ask; None to continue."""
        if trip.action is BatchAction.SKIP or trip.question is None:
            return trip.action
        answer = trip.question(trip.reason)
        if answer is None or isinstance(answer, bool):
            return {True: None, False: BatchAction.SKIP, None: BatchAction.HOLD}[answer]
        self._question = asyncio.ensure_future(answer)
        run.work.start(self._decide(run, trip, self._question))
        return BatchAction.HOLD

    async def _decide(self, run: RunContext, trip: BatchTrip, question: asyncio.Future[bool | None]) -> None:
        """Does with a held run what the user answers; leaves it held if there is no answer."""
        try:
            await asyncio.wait({question})
        finally:
            question.cancel()
            self._question = None
        error = None if question.cancelled() else question.exception()
        if isinstance(error, Exception):
            run.callbacks.record_failure(trip.question, error)
        answer = None if question.cancelled() or error else question.result()
        if answer is True:
            await pausing.unpause(run, by="the user")
        elif answer is False:
            run.recorder.append_nowait(None, BatchTripped(reason=trip.reason, action="skipped"))
            await settlement.skip_rest(run, trip.reason)
        done = {True: "continued", False: "skipped", None: "held"}[answer]
        run.notices.append(f"{trip.reason}; the rest was {done}")
