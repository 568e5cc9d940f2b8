"""Runs as checkpoints: the list of runs, the export of one as a file, and the removal of old ones."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import RunHeldError
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import count_tasks, list_runs, load_attempts, load_run, load_tasks
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.tasks.result import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.journal.views import RunRow, TaskRow

DAY_S: Final = 86_400.0

STATUS_WORDS: Final[Mapping[TaskState, str]] = {
    TaskState.PENDING: "pending",
    TaskState.RUNNING: "in_progress",
    TaskState.SUCCEEDED: "completed",
    TaskState.FAILED: "failed",
    TaskState.SKIPPED: "skipped",
    TaskState.CANCELLED: "skipped",
}
"""The names of the states in exported checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run in a list."""

    run: RunRow
    counts: Mapping[TaskState, int]
    """The number of tasks in each state; states without tasks are left out."""
    held: bool
    """True if a living coordinator executes it."""

    @property
    def resumable(self) -> bool:
        """True if tasks are left and no coordinator executes the run."""
        return not self.held and self.run.state is not RunState.SUCCEEDED

    @property
    def total(self) -> int:
        """Number of its tasks."""
        return sum(self.counts.values())


def list_checkpoints(journal: Path, *, limit: int | None = None) -> list[RunSummary]:
    """Returns the runs, the newest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    if not journal.exists():
        return []
    with Journal(journal, make=False) as store:
        return [
            RunSummary(
                run=run,
                counts=count_tasks(store, run.run_id),
                held=run.holder is not None and run.holder.alive(),
            )
            for run in list_runs(store, limit=limit)
        ]


def export_checkpoint(journal: Path, run_id: str, folder: Path) -> Path:
    """Writes a run as `<folder>/<run id>.json`, replacing it in one step; returns that path.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalError: The journal cannot be read.
        OSError: The file cannot be written.
    """
    with open_journal(journal, run_id) as store:
        document = checkpoint_document(load_run(store, run_id), load_tasks(store, run_id))
    make_private_folder(folder)
    target = folder / f"{run_id}.json"
    draft = folder / f".{run_id}.json.{os.getpid()}.draft"
    try:
        make_private_file(draft)
        draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def checkpoint_document(run: RunRow, tasks: list[TaskRow]) -> dict[str, Any]:
    """Returns a run in the form of an exported checkpoint."""
    return {
        "execution_id": run.run_id,
        "started_at": _iso(run.started_at or run.created_at),
        "interrupted": run.state in (RunState.INTERRUPTED, RunState.RUNNING),
        "tasks": [
            {
                "id": row.task_id,
                "description": row.task.headline,
                "agent": row.task.agent or run.default_agent,
                "status": STATUS_WORDS[row.state],
                "result": row.result.output if row.result and row.result.success else None,
                "error": row.result.error if row.result else None,
                "started_at": _iso(row.started_at),
                "completed_at": _iso(row.ended_at),
            }
            for row in tasks
        ],
    }


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, tz=UTC).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """The result of a clean-up."""

    removed: tuple[str, ...]
    """Runs whose contents were removed."""
    kept_running: tuple[str, ...]
    """Old runs whose coordinator or attempts still run."""
    left_alone: tuple[str, ...] = ()
    """A sentence for each run whose files are outside the spool folder and were not deleted."""
    kept_work: Mapping[str, str] = field(default_factory=dict)
    """Old runs whose work is not merged, or whose worktrees are left, each with the reason."""


def clean_checkpoints(
    journal: Path,
    *,
    older_than_days: float,
    now: float | None = None,
    spool: Path | None = None,
    keep_days: int | None = None,
    before: Callable[[str], None] = lambda _run_id: None,
) -> CleanReport:
    """Removes the contents of runs of which nothing was written for longer than a number of days.

    A run with unmerged work, or with worktrees, is kept: without it nothing would know what they are.

    Their events lose their payloads and keep their hashes, so the journal can still be verified. Their files are
    deleted only if they are below our own spool folder.

    Args:
        spool: Our own spool folder; None for `runs` beside the journal.
        keep_days: The retention rule by which this is done, for the record; None if there is none.
        before: Called with the name of each such run before its removal; if it raises, that run is kept.

    Raises:
        JournalError: The journal cannot be written.
    """
    if not journal.exists():
        return CleanReport(removed=(), kept_running=())
    from aurora_spawner.control.worktrees import work_left  # with git; the lists of runs need none of it

    limit = (time.time() if now is None else now) - older_than_days * DAY_S
    removed: list[str] = []
    kept: list[str] = []
    kept_work: dict[str, str] = {}
    left: list[str] = []
    own = spool or journal.parent / "runs"
    with Journal(journal, make=False) as store:
        for run in list_runs(store):
            if _last_at(store, run) > limit:
                continue
            if _runs_still(store, run):
                kept.append(run.run_id)
                continue
            if work := work_left(store, run):
                kept_work[run.run_id] = work
                continue
            before(run.run_id)
            try:
                store.redact(run.run_id, keep_days=keep_days)
            except RunHeldError:  # resumed meanwhile
                kept.append(run.run_id)
                continue
            if not _delete_spool(run, own):
                left.append(f"the files of {run.run_id} in {run.spool} were not deleted: they are not below {own}")
            removed.append(run.run_id)
    return CleanReport(removed=tuple(removed), kept_running=tuple(kept), left_alone=tuple(left), kept_work=kept_work)


def _last_at(store: Journal, run: RunRow) -> float:
    """Returns the moment of the last event of a run: work, and acts of users, may follow its end, or it has none."""
    query = "SELECT at FROM events WHERE run_id = ? ORDER BY seq DESC LIMIT 1"
    with translated(store.path):
        row = store.connection.execute(query, (run.run_id,)).fetchone()
    return max(run.ended_at or run.started_at or run.created_at, row[0] if row else 0.0)


def _delete_spool(run: RunRow, own: Path) -> bool:
    """Deletes the files of a run; returns False if they are not in a folder of its name in our own spool folder.

    No link is followed: the journal's path may have been written by another program.
    """
    named = run.run_id not in ("", ".", "..") and Path(run.run_id).name == run.run_id
    if own.is_symlink() or run.spool.resolve() != own.resolve() or not named:
        return False
    target = own / run.run_id
    if target.is_symlink():
        return False
    shutil.rmtree(target, ignore_errors=True)
    return True


def _runs_still(store: Journal, run: RunRow) -> bool:
    if run.holder is not None and run.holder.alive():
        return True
    attempts = load_attempts(store, run.run_id, open_only=True)
    return any(attempt.supervisor is not None and attempt.supervisor.alive() for attempt in attempts)
