"""The start of an attempt whose order is made and journalled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptOrder, RunningAttempt
    from aurora_spawner.runs.run_context import RunContext


async def start_order(run: RunContext, order: AttemptOrder) -> RunningAttempt | AttemptEnd:
    """Starts an attempt; returns its end if it may not start, or cannot."""
    if run.stopping(order.task_id):
        return AttemptEnd(reason=EndReason.VOIDED)
    try:
        return await run.executor.start(order)
    except OSError as error:  # no process to be had, or no room for the prompt
        return AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=error.errno or 0)
    except AttemptRefusedError as refused:
        reason = EndReason.VOIDED if run.stopping(order.task_id) else refused.reason
        return AttemptEnd(reason=reason, stderr=str(refused))
