"""Agents that no coordinator controls any longer, found even if the project's own record of them is gone.

Each coordinator leaves a note in the user's own folder while it works. A note whose coordinator has died leads to
what still runs of it: everything that an attempt starts carries its token, and the tokens of one coordinator start
alike.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.process_identity import ProcessIdentity, own_identity
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.runs.attempt_orders import process_token
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.storage.stored_values import StoredValueError, document, path, text
from aurora_spawner.supervision.orphans import end_orphans, tokens_with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = "coordinators"
NOTE_BYTES: Final = 64 << 10
"""More than any note; a longer file is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An agent that still runs although its coordinator has died."""

    run_id: str
    journal: Path
    """The run's journal; the file may be gone."""
    processes: tuple[int, ...]
    tokens: tuple[str, ...]
    """Of the attempts that they belong to."""


@contextmanager
def announced(state_dir: Path | None, run_id: str, journal: Path) -> Iterator[str | None]:
    """Leaves a note of this coordinator while the block lasts; a death leaves it there.

    Yields:
        Why it could not be left; None where it was. The journal of the run leads to its agents, too.
    """
    if state_dir is None:
        yield None
        return
    note = state_dir / FOLDER / f"{process_token()}-{run_id}.json"
    try:
        _leave(note, run_id, journal)
    except OSError as error:
        with suppress(OSError):
            note.unlink(missing_ok=True)  # half a note would be in the way of every later search
        yield f"{note}: cannot be written: {error.strerror}; without it, agents are lost if the journal is"
        return
    try:
        yield None
    finally:
        note.unlink(missing_ok=True)


def _leave(note: Path, run_id: str, journal: Path) -> None:
    make_private_folder(note.parent)
    make_private_file(note)
    stored = {
        "run_id": run_id,
        "journal": str(journal.absolute()),
        "token": process_token(),
        "holder": own_identity().to_json(),
    }
    note.write_text(json.dumps(stored), encoding="ascii")


def find_leftovers(state_dir: Path) -> list[Leftover]:
    """Returns agents of dead coordinators of this machine; deletes notes without a running agent.

    Raises:
        AttemptRecordError: A note cannot be read.
    """
    found = []
    for note in sorted((state_dir / FOLDER).glob("*.json")):
        left, holder, token = _read(note)
        if holder.alive() or not holder.of_this_machine:
            continue
        running = tokens_with_prefix(f"{token}-")
        if not running:
            note.unlink(missing_ok=True)
            continue
        processes, tokens = tuple(sorted(running)), tuple(sorted(set(running.values())))
        found.append(Leftover(run_id=left[0], journal=left[1], processes=processes, tokens=tokens))
    return found


def living_runs(state_dir: Path | None) -> frozenset[str]:
    """Returns the runs of this user that a process works on, as far as their notes tell."""
    found = set[str]()
    for note in (state_dir / FOLDER).glob("*.json") if state_dir else ():
        with suppress(AttemptRecordError):  # `find_leftovers` names it
            (run_id, _journal), holder, _token = _read(note)
            if holder.alive():
                found.add(run_id)
    return frozenset(found)


def end_leftover(leftover: Leftover) -> list[int]:
    """Ends everything of it; returns the processes that could not be ended."""
    return [pid for token in leftover.tokens for pid in end_orphans(token, session=None)]


def _read(note: Path) -> tuple[tuple[str, Path], ProcessIdentity, str]:
    try:
        stored = document(read_regular(note, limit=NOTE_BYTES).decode("ascii"))
        run = text(stored.get("run_id")), path(stored.get("journal"))
        return run, ProcessIdentity.from_json(stored.get("holder")), text(stored.get("token"))
    except (OSError, ValueError, StoredValueError) as error:
        raise AttemptRecordError(note, f"is no note of a coordinator: {error}; remove it") from error
