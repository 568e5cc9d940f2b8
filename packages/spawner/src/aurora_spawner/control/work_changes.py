"""Changes to the work of a run that no coordinator executes, made under its lease."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import JournalError, NoWorkError, RunHeldError, UnknownTaskError
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import RunEnded
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.tasks.candidates import without_work
from aurora_spawner.tasks.result import RunState, TaskState
from aurora_spawner.tasks.work import RunMerge
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.workspaces.preparation import Preparation


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run whose work this process may change."""

    store: Journal
    lease: str
    run: RunRow
    """As it was before this process took it."""
    rows: tuple[TaskRow, ...]
    worktrees: RunWorktrees
    busy: frozenset[str]
    """Tasks whose agents still run, although their coordinator has died."""
    changes: list[Entry] = field(default_factory=list)
    """The facts that were written so far."""

    def row(self, task_id: str) -> TaskRow:
        """Returns a task.

        Raises:
            UnknownTaskError: The run has no such task.
        """
        found = next((row for row in self.rows if row.task_id == task_id), None)
        if found is None:
            raise UnknownTaskError(self.run.run_id, task_id, [row.task_id for row in self.rows])
        return found

    def append(self, entries: Sequence[Entry]) -> None:
        """Writes facts durably; errors as `Journal.append`."""
        self.store.append(entries, lease=self.lease)
        self.changes.extend(entries)


@contextmanager
def held_run(journal: Path, run_id: str, preparation: Preparation | None = None) -> Iterator[HeldRun]:
    """Holds a run with worktrees while its work is changed; a run that is not changed keeps its state.

    Args:
        preparation: What the checkouts of checks have besides their commits.

    Raises:
        UnknownRunError: The journal has no such run.
        NoWorkError: Its tasks have no worktrees.
        RunHeldError: Another process works on it.
        WorkspaceError: Its repository is gone, or is one that worktrees cannot be made of.
    """
    with open_journal(journal, run_id) as store:
        run = load_run(store, run_id)
        worktrees = _worktrees_of(run, preparation)
        with store.hold(run_id, holder=own_identity()) as lease:
            attempts = load_attempts(store, run_id, open_only=True)
            busy = {each.task_id for each in attempts if each.supervisor is not None and each.supervisor.alive()}
            held = HeldRun(
                store=store,
                lease=lease,
                run=run,
                rows=tuple(load_tasks(store, run_id)),
                worktrees=worktrees,
                busy=frozenset(busy),
            )
            try:
                yield held
            except BaseException:
                with suppress(JournalError, RunHeldError):  # the first error says more
                    _let_go(held)
                raise
            _let_go(held)


def _worktrees_of(run: RunRow, preparation: Preparation | None) -> RunWorktrees:
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        problem = "its tasks did not work in worktrees, so there is nothing of them to merge"
        raise NoWorkError(run.run_id, None, problem)
    return RunWorktrees.of(isolation, run.run_id, preparation)


def _let_go(held: HeldRun) -> None:
    """Ends the hold of a run, which `Journal.hold` has made a running one."""
    before = held.run.state if held.run.state.settled else RunState.INTERRUPTED
    state = _state(held.store, held.run) if held.changes else before
    held.store.append([entry_of(RunEnded(state=state.value, notices=[]), run_id=held.run.run_id)], lease=held.lease)


def _state(store: Journal, before: RunRow) -> RunState:
    """Returns the state of a run by its tasks and the merge of their work."""
    rows = load_tasks(store, before.run_id)
    if not all(row.state.settled for row in rows):
        again = any(row.is_commented for row in rows)
        return before.state if before.state.settled and not again else RunState.INTERRUPTED
    delivery = load_run(store, before.run_id).delivery
    aside = rows_without_work(rows)
    merges = {row.task_id: row.merge for row in rows if row.merge is not None and row.task_id not in aside}
    own = [row for row in rows if row.task_id not in aside and row.task.resolves is None]
    waiting = [row for row in own if _changed(row) and row.merge is None]
    if before.state is RunState.CANCELLED and any(row.state is TaskState.CANCELLED for row in rows):
        return RunState.CANCELLED
    merged = delivery is not None and RunMerge(tasks=merges, delivery=delivery).ok and not waiting
    succeeded = all(row.state is TaskState.SUCCEEDED for row in rows if row.task.candidate_of is None)
    return RunState.SUCCEEDED if succeeded and merged else RunState.FAILED


def rows_without_work(rows: Sequence[TaskRow]) -> frozenset[str]:
    """Returns the tasks whose work is not merged as theirs; see `without_work`."""
    results = {row.task_id: row.result for row in rows if row.result is not None}
    return without_work({row.task_id: row.task for row in rows}, results)


def _changed(row: TaskRow) -> bool:
    return row.result is not None and row.result.work is not None and row.result.work.commit is not None
