"""Checks of a whole journal: is it as it was written, and is it still there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.errors import JournalError
from aurora_spawner.journal.anchor import read_anchor
from aurora_spawner.journal.audit import AuditReport, verify
from aurora_spawner.journal.store import Journal
from aurora_spawner.providers.gate_store import default_state_dir

if TYPE_CHECKING:
    from pathlib import Path


def audit_journal(journal: Path) -> AuditReport:
    """Checks a journal against its hashes, and against its head in the user's own folder.

    A journal that was never there has no event.

    Raises:
        JournalError: It cannot be read, or the user's own folder remembers a journal that is gone.
    """
    if not journal.exists():
        check_not_gone(journal)
        return AuditReport(events=0, head="")
    anchor = read_anchor(default_state_dir(), journal)
    with Journal(journal) as store:
        return verify(store, anchor)


def check_not_gone(journal: Path) -> None:
    """Makes sure that a journal that is missing was never there.

    Raises:
        JournalError: The user's own folder remembers it.
    """
    anchor = None if journal.exists() else read_anchor(default_state_dir(), journal)
    if anchor is not None:
        problem = f"is gone: {anchor} had {anchor.seq:,} events; restore it from a copy, or go on without its runs"
        raise JournalError(journal, problem)
