"""Runs at the terminal: executed with live progress, resumed here or in the background, reported at their end."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from aurora_cli import background
from aurora_cli.approval_prompts import ApprovalPrompts
from aurora_cli.delivery_prompts import deliver_if_wanted
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lesson_prompts import ask_about_lessons
from aurora_cli.options import name_here
from aurora_cli.output import emit, emit_json, is_live_terminal, note
from aurora_cli.render.index import index_with_progress
from aurora_cli.render.merge_report import delivery_lines
from aurora_cli.render.merges import merge_lines
from aurora_cli.render.run import WaitsForPerson, as_document, summary, watch
from aurora_cli.render.withheld import withheld_lines
from aurora_cli.render.words import one_line
from aurora_cli.user_prompts import is_interactive
from aurora_soar.taskruns.execute import execute_run, resumed_run
from aurora_spawner.tasks.run_events import RunPaused, TaskEnded
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from aurora_cli.background import BackgroundRun
    from aurora_soar import Aurora, TaskRunResult
    from aurora_soar.taskruns.resume import ResumePlan
    from aurora_spawner import Run, RunEvent, RunReport, SpawnResult
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["execute", "in_background", "question_in_background", "report_result", "resume"]


def execute(
    aurora: Aurora,
    run: Run,
    file: TaskFile | None,
    titles: Mapping[str, str],
    *,
    as_json: bool,
    answer_of: str | None = None,
    delivers: bool = True,
    on_start: Callable[[], None] = lambda: None,
) -> ExitCode:
    """Executes a run with live progress, and ticks the boxes of its task file if it has one.

    Args:
        titles: of its tasks, by id.
        answer_of: the task whose answer is the result that is printed; None for the summary of the run.
        delivers: bring the work of the run to its target, if the user agrees, or name what continues it; False for
            a run that the journal does not keep.
        on_start: called once the journal says that this process works on the run.
    """
    waits, told, name = WaitsForPerson(), set[str](), name_here(run.run_id)
    tells_at_once = not (as_json or is_live_terminal())
    with watch() as show:

        def follow(event: RunEvent) -> None:
            show(event)
            waits(event)
            if tells_at_once and isinstance(event, TaskEnded) and event.task_id == answer_of:
                with suppress(OSError):  # a full disk is told at the end
                    _emit_answer(event.result)  # now: the merge may wait for an approval
                    told.add(event.task_id)
            if isinstance(event, RunPaused):
                note(f"aur resume {name} continues the run, aur cancel {name} ends it")

        pools = aurora.config.pools
        executing = partial(execute_run, run, file, titles, on_start=on_start, outbox=aurora.outbox, pools=pools)
        asks = is_interactive() and not as_json
        result = asyncio.run(_execute_and_ask(executing, run, follow) if asks else executing(on_event=follow))
    for notice in (*result.notices, *aurora.over_budget(run.run_id, per_run_usd=run.options.limit_usd)):
        note(notice)
    code = report_result(
        result, as_json=as_json, answer_of=answer_of, is_told=answer_of in told, waited_s=waits.seconds
    )
    for sentence in _next_steps(run, result.report, name) if delivers and not as_json else ():
        note(sentence)
    if delivers and not as_json and not result.report.interrupted:
        ask_about_lessons(aurora, run.run_id)
    target = _waiting_target(run, result.report)
    if not delivers or target is None or as_json or not is_interactive():
        return code
    merged = deliver_if_wanted(aurora, run.run_id, f"Merge it into {target}")
    if merged is None:
        return code
    for line in delivery_lines(name, merged):
        note(line)
    return code if merged.arrived else ExitCode.NOT_REACHED


async def _execute_and_ask(
    executing: Callable[..., Awaitable[TaskRunResult]], run: Run, follow: Callable[[RunEvent], None]
) -> TaskRunResult:
    """Executes a run, and asks at the terminal what its gates ask."""
    prompts = ApprovalPrompts(run.journal)

    def follow_both(event: RunEvent) -> None:
        follow(event)
        prompts.follow(event)

    serving = asyncio.ensure_future(prompts.serve())
    try:
        return await executing(on_event=follow_both)
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def _next_steps(run: Run, report: RunReport, name: str) -> Iterator[str]:
    """Yields what can be done about tasks that failed, or were not done."""
    if report.interrupted:
        yield f"aur resume {name} continues it"
    if report.failed and not (report.interrupted or report.cancelled_by_user):
        yield from withheld_lines(report.results.values(), os.environ)
        yield f"what the agents wrote: aur logs {name}; to run again what failed: aur resume {name} --retry-failed"
    if _can_be_replanned(run, report):
        yield f"aur plan replan {name} makes a new plan for the rest"


def _can_be_replanned(run: Run, report: RunReport) -> bool:
    """Returns True if tasks of a task file were not begun, as another failed for good, and no replan was decided."""
    ended = not (report.interrupted or report.cancelled_by_user) and run.options.source is not None
    if not ended or not report.skipped:
        return False
    from aurora_soar.replanning.record import decided  # only a failed run needs them
    from aurora_soar.replanning.remaining import is_for_good

    return any(map(is_for_good, report.results.values())) and decided(run.journal, run.run_id) is None


def _waiting_target(run: Run, report: RunReport) -> str | None:
    """Returns the branch that merged work waits for until the user agrees; None if nothing waits."""
    isolation, merge = run.options.isolation, report.merge
    if isolation is None or merge is None or isolation.merge is not MergeMode.ASK:
        return None
    delivery = merge.delivery
    merged = len(merge.unmerged) < len(merge.tasks) and delivery.problem is None and not delivery.base_fails
    return delivery.target if merged and delivery.outcome is None else None


def resume(
    aurora: Aurora,
    plan: ResumePlan,
    *,
    max_concurrent: int | None = None,
    stagger_s: float = 0.0,
    retry_failed: bool = False,
    yes: bool = False,
    as_json: bool = False,
) -> ExitCode:
    """Resumes a run in this process.

    Args:
        yes: work is merged without a question.
    """
    resumed = resumed_run(
        aurora.project_agents,
        plan,
        max_concurrent=max_concurrent,
        stagger_s=stagger_s,
        retry_failed=retry_failed,
        agreed=yes,
    )
    run = asyncio.run(resumed)
    aurora.refresh_memory(plan.agents, index_with_progress)
    return execute(
        aurora,
        run,
        plan.file,
        plan.titles,
        as_json=as_json,
        answer_of=plan.answer_of,
        on_start=lambda: note(f"continuing {name_here(plan.run.run_id)}"),  # not if another process has the run
    )


def in_background(aurora: Aurora, run_id: str, *, more: Sequence[str] = (), as_json: bool) -> ExitCode:
    """Starts a process of its own that resumes a run, and prints the run's name; see `background.start`."""
    started = background.start(aurora, run_id, more=more)
    name = name_here(run_id)
    _tell_started(run_id, started, f"aur status {name}, aur logs {name}, aur cancel {name}", as_json=as_json)
    return ExitCode.DONE


def question_in_background(aurora: Aurora, query_id: str, *, more: Sequence[str] = (), as_json: bool) -> ExitCode:
    """Starts a process of its own that answers a question, and prints its name; see `background.answer_question`."""
    started = background.answer_question(aurora, query_id, more=more)
    name = name_here(query_id)
    ways = f"aur status {name}, aur cancel {name}; its answer, once it is there: aur runs show {name}"
    _tell_started(query_id, started, ways, as_json=as_json)
    return ExitCode.DONE


def _tell_started(run_id: str, started: BackgroundRun, ways: str, *, as_json: bool) -> None:
    """Prints the name of what runs in the background now, and the commands for it."""
    if as_json:
        emit_json(Schema.RUN_STARTED, {"run_id": run_id, "pid": started.pid, "log": str(started.log)})
    else:
        emit(name_here(run_id))
        note(f"it runs in the background: {ways}")


def report_result(
    result: TaskRunResult,
    *,
    as_json: bool,
    answer_of: str | None = None,
    is_told: bool = False,
    waited_s: float = 0.0,
) -> ExitCode:
    """Prints a run's result, and returns the exit status for it; the arguments as in `execute`.

    Args:
        is_told: the answer was printed already.
        waited_s: time of the run in which it waited for a person.
    """
    report, not_run = result.report, result.not_run
    answer = report.results.get(answer_of) if answer_of is not None else None
    if as_json:
        emit_json(Schema.RUN_RESULT, as_document(report, result.titles, not_run))
    elif answer is not None:
        if not is_told:
            _emit_answer(answer)
        note(summary(report, waited_s=waited_s))
    else:
        emit(summary(report, waited_s=waited_s))
    for line in _about_merge(report):
        note(line)
    for sentence in report.trouble:
        note(f"warning: {sentence}")
    if not_run:
        note(f"not run: {', '.join(map(one_line, not_run))}; --dry-run says why")
    if report.interrupted:
        return ExitCode.INTERRUPTED
    if report.trouble:
        return ExitCode.ENVIRONMENT
    return ExitCode.DONE if result.ok else ExitCode.NOT_REACHED


def _about_merge(report: RunReport) -> Iterator[str]:
    """Yields what became of the work of a run in worktrees."""
    if report.merge:
        yield from merge_lines(name_here(report.run_id), report.merge)
        if report.succeeded and not (report.merge.tasks or report.merge.delivery.problem):
            yield "no task has changed a file, so there is nothing to merge"


def _emit_answer(answer: SpawnResult) -> None:
    if answer.output:
        emit(answer.output.rstrip("\n"))
