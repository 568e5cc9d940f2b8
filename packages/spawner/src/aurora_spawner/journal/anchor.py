"""The chain's head, kept outside the project: who cuts a journal's end, or writes it anew, cannot reach it there."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import JournalError
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.storage.stored_values import Reader, StoredValueError, count, document, read_fields, text

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.journal.store import Journal

FOLDER: Final = "anchors"
NOTE_BYTES: Final = 64 << 10
"""More than any note; a longer file is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last event of a journal at some moment."""

    seq: int
    hash: bytes = field(repr=False)
    at: float
    """When it was noted, Unix time."""
    before: str | None = None
    """The journal that was here before this one and is gone."""

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.at, tz=UTC)
        return f"the journal of {moment:%Y-%m-%d %H:%M:%S} UTC"


_READERS: Final[dict[str, Reader]] = {"int": count, "bytes": lambda value: bytes.fromhex(text(value))}


def read_anchor(state_dir: Path, journal: Path) -> Anchor | None:
    """What a user's own folder remembers of a journal; None where it remembers nothing.

    Raises:
        JournalError: It cannot be read.
    """
    path = _path_of(state_dir, journal)
    try:
        return Anchor(**read_fields(Anchor, document(read_regular(path, limit=NOTE_BYTES).decode("ascii")), _READERS))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, StoredValueError) as error:
        raise JournalError(path, f"cannot be read: {error}; remove it to go on without it") from error


def note_head(state_dir: Path, journal: Journal, *, anew: bool = False, begun: bool = False) -> str | None:
    """Remembers the last event of a journal.

    A journal that has lost what was remembered leaves it as it is.

    Args:
        anew: Whether the user goes on knowingly with what is there.
        begun: Whether the journal has just been begun: one that was remembered before it is gone, and that is noted.

    Returns:
        Why it could not be remembered; None where it was.
    """
    path = _path_of(state_dir, journal.path)
    try:
        known = read_anchor(state_dir, journal.path)
        before = None if anew or begun else known
        query = "SELECT seq, hash FROM events WHERE seq = coalesce(?, (SELECT max(seq) FROM events))"
        if before is not None:
            found = journal.connection.execute(query, (before.seq,)).fetchone()
            if found is None or found[1] != before.hash:
                return None
        last = journal.connection.execute(query, (None,)).fetchone()
        if last is not None:
            gone = f"{known}, {known.seq:,} events" if known and begun else known.before if known else None
            noted = {"journal": str(journal.path.absolute()), "seq": last[0], "hash": last[1].hex(), "at": _now()}
            noted |= {"before": gone} if gone else {}
            _write(path, noted)
    except (OSError, JournalError) as error:
        return f"the journal's head could not be noted: {error}"
    return None


def _now() -> float:
    return datetime.now(tz=UTC).timestamp()


def _write(path: Path, noted: dict[str, Any]) -> None:
    make_private_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    make_private_file(draft)
    draft.write_text(json.dumps(noted), encoding="ascii")
    draft.replace(path)


def _path_of(state_dir: Path, journal: Path) -> Path:
    name = hashlib.sha256(os.fsencode(journal.resolve())).hexdigest()[:32]
    return state_dir / FOLDER / f"{name}.json"
