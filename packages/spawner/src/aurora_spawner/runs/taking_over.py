"""Take-over: the user works in the session of a task's agent, and the task is held until they leave it.

A task that is taken over has no attempt and starts none. What the journal says of it outlives this process: a resume
holds the task as long as the terminal of the user lives, and lets it go on after that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.sessions import session_record_for
from aurora_spawner.errors import TakeOverError
from aurora_spawner.journal.facts import TaskHandedBack
from aurora_spawner.journal.take_overs import TakeOver
from aurora_spawner.runs.attempt_orders import new_token
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.runs.run_context import RunContext

LOOK_PERIOD_S: Final = 0.5
"""The time between two looks whether the user's terminal is still there."""


async def take_over(run: RunContext, task_id: str, holder: ProcessIdentity) -> dict[str, Any]:
    """Holds a task for the user and interrupts its attempt; durable when this returns, the attempt may still end.

    Returns:
        What the user's terminal needs, as JSON values: the agent, its session, the folder with its variables, and
        the token that what runs there has to carry.

    Raises:
        TakeOverError: The task cannot be taken over as it is now.
    """
    agent = run.agent_of(task_id)
    session = await _session_of(run, task_id, agent)
    place = await _place_of(run, task_id)
    _check(run, task_id)
    taken = TakeOver(token=new_token(), holder=holder, agent=agent, session=session)
    flight = run.tasks.flight(task_id)
    flight.taken = taken
    await run.recorder.append(task_id, taken.as_fact())
    if run.scheduler.states[task_id] is TaskState.PENDING:
        if flight.timer is not None:
            flight.timer.cancel()
        run.scheduler.postpone(task_id)
    for running in flight.running_attempts():
        run.executor.cancel(running, at_once=False)
    run.notifier.emit(run_events.TaskTakenOver(task_id=task_id, pid=holder.pid))
    run.work.start(watch_holder(run, task_id, taken))
    return {"agent": agent, "session": session, "token": taken.token, "attempts": flight.attempts, **place}


def _check(run: RunContext, task_id: str) -> None:
    """Sees that a task waits, or that its own agent is at work."""
    state, flight = run.scheduler.states[task_id], run.tasks.in_flight.get(task_id)
    if state.settled:
        raise TakeOverError(task_id, f"it has {state}; its session is over")
    if flight is None or not flight.attempts:
        raise TakeOverError(task_id, "its agent has not begun")
    if flight.taken is not None:
        raise TakeOverError(task_id, f"it is taken over already, by process {flight.taken.holder.pid}")
    if run.stopping(task_id):
        raise TakeOverError(task_id, "it is being cancelled")
    if state is TaskState.RUNNING and (flight.running is None or flight.agent != run.agent_of(task_id)):
        raise TakeOverError(task_id, "its agent is not at work now: it starts, or its work is looked through")


async def _session_of(run: RunContext, task_id: str, agent: str) -> str:
    _check(run, task_id)
    backend = run.backends[agent]
    if run.elsewhere:
        pool = run.task(task_id).pool or run.options.pool
        raise TakeOverError(
            task_id, f"@{agent} works on another machine, of pool {pool}; only work on this machine can be taken over"
        )
    if not isinstance(backend, CliBackend) or backend.profile.interactive is None:
        instead = f'tell it something by: aur comm send --to {task_id} "…", or see its work by: aur diff'
        raise TakeOverError(task_id, f"@{agent} has no session that can be opened in a terminal; {instead}")
    record = await asyncio.to_thread(
        session_record_for,
        run.orders.spool,
        position=run.tasks.positions[task_id],
        task_id=task_id,
        number=run.tasks.flight(task_id).attempts + 1,
        backend=backend,
    )
    if record.session_id is None:
        raise TakeOverError(task_id, f"@{agent} has said nothing in its session yet; try again in a moment")
    return record.session_id


async def _place_of(run: RunContext, task_id: str) -> dict[str, Any]:
    if run.worktrees is None:
        return {"cwd": str(run.orders.cwd), "variables": {}}
    try:
        worktree = await asyncio.to_thread(run.worktrees.find, task_id)
    except WorkspaceError as error:
        raise TakeOverError(task_id, str(error)) from error
    run.tasks.flight(task_id).worktree = worktree
    return {"cwd": str(run.cwd_of(worktree)), "variables": dict(worktree.variables)}


async def hand_back(run: RunContext, task_id: str, *, why: str) -> None:
    """Ends what the user's terminal has left, and lets the task go on in the session of its agent.

    Raises:
        TakeOverError: Nobody has taken it over.
    """
    flight = run.tasks.in_flight.get(task_id)
    if flight is None or flight.taken is None:
        raise TakeOverError(task_id, "nobody has taken it over")
    taken = flight.taken
    survivors = await asyncio.to_thread(end_orphans, taken.token, session=None)
    if flight.taken is not taken:  # the end of the terminal and its last word came at once
        return
    flight.taken, flight.handed_back = None, True
    if survivors:
        run.notices.append(f"task {task_id}: processes {survivors} of its take-over could not be ended")
    withdrawn = run.approvals.withdraw(task_id, "the user has left the session of its agent")
    await run.recorder.append(task_id, *withdrawn, TaskHandedBack(why=why))
    run.notifier.emit(run_events.TaskHandedBack(task_id=task_id, why=why))
    if run.scheduler.states[task_id] is TaskState.PENDING:
        run.scheduler.requeue(task_id)
        run.dispatch()


async def watch_holder(run: RunContext, task_id: str, taken: TakeOver) -> None:
    """Hands a task back when the user's terminal is gone; ends with the take-over, and with the run."""
    flight = run.tasks.flight(task_id)
    while flight.taken is taken and run.wishes.ending is None and not run.work.broken:
        if not taken.holder.alive():
            await hand_back(run, task_id, why="the terminal is gone")
            return
        await asyncio.sleep(LOOK_PERIOD_S)


def hold_again(run: RunContext, found: Mapping[str, TakeOver]) -> None:
    """Holds the tasks that were taken over when an earlier coordinator ended; before any attempt goes on."""
    for task_id, taken in found.items():
        if task_id in run.tasks.tasks and not run.scheduler.states[task_id].settled:
            run.tasks.flight(task_id).taken = taken
            if run.scheduler.states[task_id] is TaskState.PENDING:
                run.scheduler.postpone(task_id)
            run.work.start(watch_holder(run, task_id, taken))
