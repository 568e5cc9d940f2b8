"""The stage of an attempt that reads its typed result: an answer that is no valid document goes back to the agent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.documents import DocumentError, read_document
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.result import RESULT_REFUSED, TaskState
from aurora_spawner.tasks.returned import Returned, ReturnedFor

if TYPE_CHECKING:
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult

_REQUEST: Final = (
    "Your answer is not the JSON document that this task asks for. Correct what is named below, keep the rest, and "
    "answer again with the whole document."
)


async def read_result(run: RunContext, attempt: Attempt) -> Attempt:
    """Reads the document of a good attempt whose task has a schema of its result."""
    result, schema = attempt.result, run.task(attempt.task_id).schema
    if schema is None or result is None or not result.success:
        return attempt
    try:
        document = read_document(result.output, schema)
    except DocumentError as error:
        return _refused(run, attempt, result, str(error))
    return attempt._replace(result=replace(result, document=document))


def _refused(run: RunContext, attempt: Attempt, result: SpawnResult, complaint: str) -> Attempt:
    """Returns the attempt with another to follow; or, if it had its rounds, with the failure."""
    flight = run.tasks.flight(attempt.task_id)
    returned = Returned(
        number=attempt.number,
        reason=ReturnedFor.RESULT,
        complaint=complaint,
        request=_REQUEST,
        source="the reader of the document",
        remarks=(complaint,),
    )
    used = sum(each.reason is ReturnedFor.RESULT for each in flight.returned)
    flight.returned.append(returned)
    if used < run.options.check_rounds:
        again = (
            f"round {used + 1} of {run.options.check_rounds}: its answer is not the document asked for: {complaint}"
        )
        return attempt._replace(result=None, returned=returned, again=again)
    error = f"its answer is not the document asked for: {complaint}"
    failed = replace(
        result,
        state=TaskState.FAILED,
        error=error,
        reported=ReportedFailure(code=RESULT_REFUSED, message=complaint),
    )
    # What the agent printed on stderr says nothing about this failure.
    return attempt._replace(result=failed, returned=returned, judged=replace(attempt.judged, stderr=""))
