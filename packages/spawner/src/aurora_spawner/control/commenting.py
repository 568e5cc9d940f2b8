"""Comments of a user on the work of a task: they go back to its agent, in the same session, as one round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.diffs import ends_of_work
from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.work_changes import held_run
from aurora_spawner.errors import NoWorkError, RunHeldError, UnknownTaskError, WorkChangedError
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import TaskReopened
from aurora_spawner.journal.work_facts import WorkReturned
from aurora_spawner.runs.resume_state import COMMENTED, stored_task
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.returned import Returned, ReturnedFor
from aurora_spawner.workspaces.run_worktrees import RunWorktrees
from aurora_spawner.workspaces.shown_work import ShownWork

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.control.comment_file import LineComment
    from aurora_spawner.control.work_changes import HeldRun
    from aurora_spawner.journal.views import RunRow, TaskRow

_COMMENTABLE: Final = (TaskState.SUCCEEDED, TaskState.FAILED)
_REQUEST: Final = (
    "The user has looked at your work on this task and has the comments below. Each names the file and the line that "
    "it is about, as they are now. Do what they ask for, and finish the task."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentableWork:
    """The change of a task as it was when the user began to comment on it."""

    base: str
    commit: str
    """A commit with the present state of the worktree."""
    diff: str
    """The change as a patch."""


def commentable_work(journal: Path, run_id: str, task_id: str) -> CommentableWork:
    """Returns the present change of a task whose agent can go on with it; nothing is written to the journal.

    Raises:
        UnknownRunError, UnknownTaskError: There is no such run, or it has no such task.
        RunHeldError: A process works on the run.
        NoWorkError: The task has no worktree, is not finished, or its work is merged or discarded.
        WorkspaceError: The worktree cannot be read, or git failed.
    """
    run, rows = find_run(journal, run_id)
    if run.holder is not None and run.holder.alive():
        raise RunHeldError(run_id, f"process {run.holder.pid}")
    return _commentable(run, _row(run_id, task_id, rows))


def send_comments(
    journal: Path, run_id: str, task_id: str, comments: Sequence[LineComment], *, seen: CommentableWork
) -> None:
    """Opens a task again, with comments for its agent; a resume of the run then has them worked in.

    Args:
        comments: At least one.
        seen: The work that they were written on.

    Raises:
        WorkChangedError: A line with a comment is no longer what it was.
        UnknownRunError, UnknownTaskError, RunHeldError, NoWorkError, WorkspaceError: As for `commentable_work`.
    """
    with held_run(journal, run_id) as held:
        row = held.row(task_id)
        if task_id in held.busy:
            raise NoWorkError(run_id, task_id, f"its agent still runs; resume the run first: aur resume {run_id}")
        now = _commentable(held.run, row)
        if (seen.base, seen.commit) != (now.base, now.commit):
            _check_places(held, row, comments, now)
        returned = Returned(
            number=row.attempts,
            reason=ReturnedFor.COMMENTS,
            complaint=f"{len(comments)} comments of the user" if len(comments) > 1 else "a comment of the user",
            request=_REQUEST,
            source="the user",
            remarks=tuple(map(str, comments)),
        )
        facts = (TaskReopened(why=COMMENTED, task=stored_task(row.task)), WorkReturned(returned=returned.to_json()))
        held.append([entry_of(fact, run_id=run_id, task_id=task_id) for fact in facts])


def _row(run_id: str, task_id: str, rows: Sequence[TaskRow]) -> TaskRow:
    found = next((row for row in rows if row.task_id == task_id), None)
    if found is None:
        raise UnknownTaskError(run_id, task_id, [row.task_id for row in rows])
    return found


def _commentable(run: RunRow, row: TaskRow) -> CommentableWork:
    run_id, task_id = run.run_id, row.task_id
    if row.worker != task_id:
        raise NoWorkError(run_id, task_id, f"its work is that of a candidate: aur review {run_id} {row.worker}")
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        raise NoWorkError(run_id, task_id, "it did not work in a worktree, so Aurora cannot tell what it has changed")
    if row.is_discarded:
        raise NoWorkError(run_id, task_id, "its work was discarded")
    if row.state not in _COMMENTABLE:
        raise NoWorkError(run_id, task_id, f"it is {row.state}; only the work of a finished task can get comments")
    worktrees = RunWorktrees.of(isolation, run_id)
    if not worktrees.path_of(task_id).exists():
        raise NoWorkError(run_id, task_id, "its worktree is gone: its work is merged, or it has changed nothing")
    base, commit = ends_of_work(worktrees, run_id, row)
    work = ShownWork(git=worktrees.workspaces.git, base=base, commit=commit)
    return CommentableWork(base=base, commit=commit, diff=work.diff())


def _check_places(held: HeldRun, row: TaskRow, comments: Sequence[LineComment], now: CommentableWork) -> None:
    """Sees that the lines with comments are what they were.

    Raises:
        WorkChangedError: One is not.
    """
    git = held.worktrees.workspaces.git
    before = ShownWork(git=git, base=now.base, commit=now.base)
    after = ShownWork(git=git, base=now.base, commit=now.commit)
    moved = [each for each in comments if not _is_there(each, before if each.removed else after)]
    if moved:
        places = ", ".join(f"{each.file}:{each.line}" for each in moved[:5])
        raise WorkChangedError(held.run.run_id, row.task_id, places)


def _is_there(comment: LineComment, work: ShownWork) -> bool:
    if comment.file is None or comment.line is None:
        return True
    lines = work.lines(comment.file)
    return lines is not None and len(lines) >= comment.line and lines[comment.line - 1].rstrip("\r") == comment.text
