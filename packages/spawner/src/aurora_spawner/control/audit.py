"""Checks of a whole journal: is it unchanged, and is it still there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.errors import JournalError
from aurora_spawner.journal.anchor import read_anchor
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import AuditReport, verify
from aurora_spawner.providers.gate_store import default_state_dir

if TYPE_CHECKING:
    from pathlib import Path


def audit_journal(journal: Path) -> AuditReport:
    """Verifies a journal against its hashes, and against its head in the user's state folder.

    A journal that never existed has no event.

    Raises:
        JournalError: It cannot be read, or a journal that the state folder knows is gone.
    """
    if not journal.exists():
        check_not_gone(journal)
        return AuditReport(events=0, head="")
    anchor = read_anchor(default_state_dir(), journal)
    with Journal(journal, make=False) as store:
        return verify(store, anchor)


def check_not_gone(journal: Path) -> None:
    """Checks that a missing journal never existed.

    Raises:
        JournalError: The user's state folder knows the journal.
    """
    anchor = None if journal.exists() else read_anchor(default_state_dir(), journal)
    if anchor is not None:
        problem = f"is gone: {anchor} had {anchor.seq:,} events; restore it from a copy, or continue without its runs"
        raise JournalError(journal, problem)
