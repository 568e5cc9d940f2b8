"""Anchors: the head of the chain, kept outside the project, where a cut or rewritten journal shows."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import JournalError
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.storage.stored_values import Reader, StoredValueError, count, document, read_fields, text
from aurora_spawner.storage.system_words import system_words

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.journal.store import Journal

FOLDER: Final = "anchors"
ANCHOR_BYTES: Final = 64 << 10
"""More than any anchor has; a longer file is no anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last event of a journal at some moment."""

    seq: int
    hash: bytes = field(repr=False)
    at: float
    """The time of the anchor, Unix time."""
    before: str | None = None
    """A description of the journal that was here before this one and is gone."""

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.at, tz=UTC)
        return f"the journal of {moment:%Y-%m-%d %H:%M:%S} UTC"


_READERS: Final[dict[str, Reader]] = {"int": count, "bytes": lambda value: bytes.fromhex(text(value))}


def read_anchor(state_dir: Path, journal: Path) -> Anchor | None:
    """Returns the anchor of a journal from the user's state folder; None if there is none.

    Raises:
        JournalError: The anchor cannot be read.
    """
    path = _path_of(state_dir, journal)
    try:
        return Anchor(
            **read_fields(Anchor, document(read_regular(path, limit=ANCHOR_BYTES).decode("ascii")), _READERS)
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, StoredValueError) as error:
        raise JournalError(
            path, f"cannot be read: {system_words(error)}; remove it to continue without it"
        ) from error


def mark_begun(state_dir: Path, journal: Path) -> None:
    """Notes that the user begins a journal, before its first event is written: a kill in between leaves it theirs.

    Raises:
        OSError: It cannot be written.
    """
    path = _mark_of(state_dir, journal)
    make_private_folder(path.parent)
    make_private_file(path)


def is_own(state_dir: Path, journal: Path) -> bool:
    """Returns True if the user has begun a journal in this place, or accepted the one that is there.

    Raises:
        JournalError: The anchor cannot be read.
    """
    return _mark_of(state_dir, journal).exists() or read_anchor(state_dir, journal) is not None


def write_anchor(state_dir: Path, journal: Journal, *, replace: bool = False) -> str | None:
    """Anchors the last event of a journal in the user's state folder.

    A journal without the anchored event leaves the anchor unchanged, unless the user has begun it since: then
    `before` describes the one that is gone.

    Args:
        replace: Anchors the present head even if the anchored event is gone: the user accepted the loss.

    Returns:
        A notice if the anchor could not be written; else None.
    """
    path, mark = _path_of(state_dir, journal.path), _mark_of(state_dir, journal.path)
    try:
        known, begun = read_anchor(state_dir, journal.path), mark.exists()
        with translated(journal.path):
            fits = known is None or _has(journal, known)
            if not (fits or begun or replace):
                return None
            last = journal.last_event()
        if last is not None:
            gone = (
                f"{known}, {known.seq:,} events" if known and begun and not fits else known.before if known else None
            )
            stored = {"journal": str(journal.path.absolute()), "seq": last[0], "hash": last[1].hex(), "at": _now()}
            stored |= {"before": gone} if gone else {}
            _write(path, stored)
            mark.unlink(missing_ok=True)
    except (OSError, JournalError) as error:
        return f"the journal's head could not be anchored: {system_words(error)}"
    return None


def _has(journal: Journal, anchor: Anchor) -> bool:
    found = journal.connection.execute("SELECT hash FROM events WHERE seq = ?", (anchor.seq,)).fetchone()
    return found is not None and found[0] == anchor.hash


def _now() -> float:
    return datetime.now(tz=UTC).timestamp()


def _write(path: Path, stored: dict[str, Any]) -> None:
    make_private_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        make_private_file(draft)
        draft.write_text(json.dumps(stored), encoding="ascii")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _mark_of(state_dir: Path, journal: Path) -> Path:
    return _path_of(state_dir, journal).with_suffix(".begun")


def _path_of(state_dir: Path, journal: Path) -> Path:
    name = hashlib.sha256(os.fsencode(journal.resolve())).hexdigest()[:32]
    return state_dir / FOLDER / f"{name}.json"
