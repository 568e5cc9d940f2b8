"""The record of a run in the journal: written before it starts, and held against its hashes before it goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from aurora_spawner.errors import ForeignJournalError, JournalChangedError
from aurora_spawner.journal.anchor import is_own, mark_begun, read_anchor, write_anchor
from aurora_spawner.journal.facts import RunCreated
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import accept_changes, check_run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aurora_spawner.journal.facts import NoteKept, TasksAdded
    from aurora_spawner.runs.run_options import RunOptions

__all__ = ["check_unchanged", "write_run"]


def write_run(journal: Path, options: RunOptions, facts: Iterable[TasksAdded | NoteKept]) -> str:
    """Finds a free name by the time and writes a run with its first facts, all in one transaction; returns its name.

    Raises:
        JournalError: The journal cannot be written.
    """
    created = RunCreated(
        run_kind=options.kind,
        cwd=str(options.cwd.resolve()),
        spool=str(options.spool.resolve()),
        max_concurrent=options.max_concurrent,
        default_agent=options.default_agent,
        default_timeout_s=options.default_timeout_s,
        options=options.stored.to_json() if options.stored else None,
    )
    moment = int(time.time() * 1000)
    names = (f"{options.kind}-{moment + extra}" for extra in range(10_000))
    state_dir = options.state_dir
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True
        if state_dir:
            with suppress(OSError):  # nor can the anchor be written, of which the report of the run tells
                mark_begun(state_dir, journal)

    with Journal(journal) as store:
        new = store.connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None
        anchor = read_anchor(state_dir, journal) if state_dir and not new else None
        if anchor is not None:
            store.expect(anchor.seq)
        run_id = store.create_run(names, created, facts, on_first=begin)
        if begun and state_dir:
            write_anchor(state_dir, store)
    return run_id


def _refuse_foreign(journal: Path, run_id: str) -> None:
    raise ForeignJournalError(journal, run_id)


def check_unchanged(store: Journal, run_id: str, state_dir: Path | None, *, accept: bool) -> None:
    """Holds a run against its hashes before anything of it starts.

    Raises:
        JournalChangedError: It is not as it was written, or was not written by this user in this place, and `accept`
            is false.
    """
    anchor = read_anchor(state_dir, store.path) if state_dir else None
    try:
        check_run(store, run_id, anchor)
        if state_dir and not is_own(state_dir, store.path):
            _refuse_foreign(store.path, run_id)
    except JournalChangedError as error:
        if not accept:
            raise
        accept_changes(store, run_id, error.problem, anchor)
        if state_dir:
            write_anchor(state_dir, store, replace=True)
