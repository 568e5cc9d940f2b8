"""Changes of a run that its coordinator makes, or without one this process, in the journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.control_client import NoAnswerError, NotRunningError, request_coordinator
from aurora_spawner.errors import RunHeldError
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import Fact, RunEnded
from aurora_spawner.journal.views import load_run
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.store import Journal

TAKEOVER_LIMIT_S: Final = 15.0
"""The longest time in which a run may change hands while it is asked for something."""
_PAUSE_S: Final = 0.05
Report = TypeVar("Report")


def steered(
    journal: Path,
    run_id: str,
    request: Mapping[str, Any],
    by_coordinator: Callable[[Mapping[str, Any]], Report],
    without_coordinator: Callable[[], Report],
) -> Report:
    """Lets the coordinator do something, or does it in the journal; a run that changes hands is asked again."""
    until = time.monotonic() + TAKEOVER_LIMIT_S
    while True:
        try:
            return by_coordinator(request_coordinator(journal, run_id, request))
        except NotRunningError:
            try:
                return without_coordinator()
            except RunHeldError:
                if time.monotonic() > until:
                    raise
        except NoAnswerError:  # it may be starting, or ending
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)


def append_unattended(store: Journal, run_id: str, facts_now: Callable[[], list[tuple[str | None, Fact]]]) -> None:
    """Writes facts of a run that has no coordinator, each with its task, all at once or none.

    The run keeps its state; of one that has crashed, the journal says now that it was interrupted.

    Args:
        facts_now: Returns them; called when nobody else can write about the run.

    Raises:
        RunHeldError: Another process holds the run.
    """

    def entries_now() -> list[Entry]:
        before = load_run(store, run_id).state
        ended = RunEnded(state=(before if before.settled else RunState.INTERRUPTED).value, notices=[])
        facts: list[tuple[str | None, Fact]] = [*facts_now(), (None, ended)]
        return [entry_of(fact, run_id=run_id, task_id=task_id or None) for task_id, fact in facts]

    store.append_unheld(run_id, entries_now, holder=own_identity())
