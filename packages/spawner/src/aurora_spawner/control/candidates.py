"""The candidates of a task after a run: a list of them, and the user's pick."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.run_work import is_on_target
from aurora_spawner.control.work_changes import held_run
from aurora_spawner.errors import NotPickableError, NoWorkError, UnknownTaskError
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import TaskReopened, TaskSettled
from aurora_spawner.runs.resume_state import AFTER_OTHERS, stored_task
from aurora_spawner.tasks.choice import ChosenBy
from aurora_spawner.tasks.choosing import Candidate, picked_by_user, taken
from aurora_spawner.tasks.graph import build_graph
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.workspaces.attic import list_attic
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.put_away import bring_back, move_to_attic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.control.work_changes import HeldRun
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.tasks.choice import Choice
    from aurora_spawner.tasks.result import SpawnResult


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStatus:
    """A candidate of a task, and where its work is."""

    number: int
    """From 1."""
    row: TaskRow
    agent: str
    """The one that worked on it last, or would."""
    is_taken: bool
    branch: str | None
    """The branch of its work; None if it has none now."""
    attic: str | None
    """The ref of the attic that has its work; None if its work is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateList:
    """The candidates of a task."""

    row: TaskRow
    """The task."""
    candidates: tuple[CandidateStatus, ...]

    @property
    def choice(self) -> Choice | None:
        """The choice among them; None if none was taken yet."""
        return self.row.result.choice if self.row.result else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PickReport:
    """A candidate that the user has picked."""

    winner: str
    """Its id."""
    before: str | None
    """The candidate that was taken before; None if none was, or the same one."""
    reopened: tuple[str, ...]
    """Tasks that can run now; a resume of the run does them."""
    kept: tuple[str, ...]
    """A sentence for each worktree that stays although its candidate was not taken."""


def list_candidates(journal: Path, run_id: str, task_id: str) -> CandidateList:
    """Returns the candidates of a task, or of the task that a candidate belongs to.

    Raises:
        UnknownRunError, UnknownTaskError: There is no such run, or it has no such task.
        NoWorkError: The task has no candidates.
    """
    run, rows = find_run(journal, run_id)
    by_id = {row.task_id: row for row in rows}
    task = _with_candidates(run_id, task_id, by_id)
    branches, attic = _places(run)
    taken_one = _taken(task)
    found = tuple(
        CandidateStatus(
            number=number,
            row=by_id[each],
            agent=_agent_of(by_id[each], run.default_agent),
            is_taken=taken_one is not None and each == taken_one.task_id,
            branch=by_id[each].branch if by_id[each].branch in branches else None,
            attic=attic.get(by_id[each].branch or ""),
        )
        for number, each in enumerate(task.task.choice_of, start=1)
        if each in by_id
    )
    return CandidateList(row=task, candidates=found)


def _agent_of(row: TaskRow, default_agent: str) -> str:
    return row.result.agent if row.result else row.task.agent or default_agent


def _with_candidates(run_id: str, task_id: str, rows: Mapping[str, TaskRow]) -> TaskRow:
    row = rows.get(task_id)
    if row is None:
        raise UnknownTaskError(run_id, task_id, list(rows))
    row = rows.get(row.task.candidate_of or task_id, row)
    if not row.task.choice_of:
        raise NoWorkError(run_id, task_id, "it was run once, so it has no candidates")
    return row


def _places(run: RunRow) -> tuple[frozenset[str], dict[str, str]]:
    """Returns the branches of a repository, and the newest ref of the attic for each; neither if git cannot tell."""
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        return frozenset(), {}
    try:
        git = Git.of_checkout(isolation.repository)
        branches = git.text("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/").splitlines()
        return frozenset(branches), {entry.name: entry.ref for entry in reversed(list_attic(git))}
    except WorkspaceError:
        return frozenset(), {}


def pick_candidate(journal: Path, run_id: str, task_id: str, number: int) -> PickReport:
    """Takes a candidate, instead of the present one if there is one; a second call goes on where one was killed.

    Its branch comes back from the attic, the others go there. Tasks that were skipped because nothing was picked are
    open again.

    Raises:
        UnknownRunError, UnknownTaskError: There is no such run, or it has no such task.
        NoWorkError: The task has no such candidate.
        NotPickableError: It did not succeed, or another one's work is in use already.
        RunHeldError: Another process works on the run.
        WorkspaceError: Git failed; the pick holds once the journal has it.
    """
    with held_run(journal, run_id) as held:
        rows = {row.task_id: row for row in held.rows}
        task = _with_candidates(run_id, task_id, rows)
        winner = _pickable(held, task, number, rows)
        before = _taken(task)
        reopened: tuple[str, ...] = ()
        if before is None or before.task_id != winner.result.task_id:
            if before is not None:
                _check_replaceable(held, task, before)
            reopened = _take(held, task, winner, before)
        kept = [_put_away(held, each) for each in task.task.choice_of if each != winner.result.task_id]
    replaced = before.task_id if before is not None and before.task_id != winner.result.task_id else None
    return PickReport(
        winner=winner.result.task_id, before=replaced, reopened=reopened, kept=tuple(filter(None, kept))
    )


def _pickable(held: HeldRun, task: TaskRow, number: int, rows: Mapping[str, TaskRow]) -> Candidate:
    """Returns the candidate of a number.

    Raises:
        NoWorkError: There is none.
        NotPickableError: It has not succeeded, or others still run.
    """
    run_id, ids = held.run.run_id, task.task.choice_of
    if not 1 <= number <= len(ids):
        raise NoWorkError(run_id, task.task_id, f"its candidates are 1 to {len(ids)}, there is no {number}")
    running = [each for each in ids if each in rows and not rows[each].state.settled]
    if running:
        problem = f"its candidate {running[0]} has not ended; finish the run first: aur resume {run_id}"
        raise NotPickableError(run_id, task.task_id, problem)
    row = rows.get(ids[number - 1])
    if row is None or row.result is None or not row.result.success:
        why = f"{row.state}: {row.result.error}" if row is not None and row.result is not None else "not in the run"
        raise NotPickableError(run_id, task.task_id, f"its candidate {number} cannot be taken ({why})")
    if row.is_discarded:
        raise NotPickableError(run_id, task.task_id, f"the work of its candidate {number} was discarded")
    return Candidate(number=number, result=row.result)


def _taken(task: TaskRow) -> SpawnResult | None:
    """Returns the result of the candidate that was taken, under its own id; None if none was."""
    result = task.result
    return replace(result, task_id=result.worker) if result is not None and result.choice is not None else None


def _check_replaceable(held: HeldRun, task: TaskRow, before: SpawnResult) -> None:
    """Refuses to replace a candidate whose work others have already.

    Raises:
        NotPickableError: The target has it, or a task stands on it.
    """
    run_id, isolation = held.run.run_id, held.worktrees.isolation
    commit = before.work.commit if before.work else None
    if commit and is_on_target(held.worktrees.workspaces.git, isolation, commit):
        problem = f"the work of candidate {before.task_id} is on {isolation.target} already; revert it there"
        raise NotPickableError(run_id, task.task_id, problem)
    for row in held.rows:
        if task.task_id in row.task.depends_on and (row.state is TaskState.SUCCEEDED or row.task_id in held.busy):
            problem = (
                f"task {row.task_id} is built on the work of candidate {before.task_id}, so the choice cannot change"
            )
            raise NotPickableError(run_id, task.task_id, problem)


def _take(held: HeldRun, task: TaskRow, winner: Candidate, before: SpawnResult | None) -> tuple[str, ...]:
    """Makes a candidate the one that counts; returns the tasks that can run now."""
    if winner.result.work is not None and winner.result.work.commit is not None:
        bring_back(held.worktrees, winner.result.task_id, winner.result.work)
    if before is not None and before.work is not None and before.work.commit is not None:
        held.worktrees.leave_out(before.work.commit)
    result = taken(task.task, winner, by=ChosenBy.USER, why=picked_by_user(winner))
    entries = [entry_of(TaskSettled(result=result.to_json()), run_id=held.run.run_id, task_id=task.task_id)]
    waiting = _skipped_behind(task.task_id, held.rows)
    entries += [
        entry_of(
            TaskReopened(why=AFTER_OTHERS, task=stored_task(row.task)),
            run_id=held.run.run_id,
            task_id=row.task_id,
        )
        for row in waiting
    ]
    held.append(entries)
    return tuple(row.task_id for row in waiting)


def _skipped_behind(task_id: str, rows: Sequence[TaskRow]) -> list[TaskRow]:
    """Returns the skipped tasks that depend on a task, directly or through others, in the order of the run."""
    graph = build_graph([row.task for row in rows])
    found, left = set[str](), [task_id]
    by_id = {row.task_id: row for row in rows}
    while left:
        for each in graph.dependants.get(left.pop(), ()):
            if each not in found and by_id[each].state is TaskState.SKIPPED:
                found.add(each)
                left.append(each)
    return [row for row in rows if row.task_id in found]


def _put_away(held: HeldRun, task_id: str) -> str:
    try:
        move_to_attic(held.worktrees, task_id)
    except WorkspaceError as error:
        return f"the worktree of candidate {task_id} stays: {error}"
    return ""
