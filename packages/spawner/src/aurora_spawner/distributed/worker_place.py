"""The folder of a worker on its machine: its id, and the folders of its attempts."""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import SpawnerError
from aurora_spawner.storage.private_files import make_private_folder

if TYPE_CHECKING:
    from pathlib import Path

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")


class WorkerRunsError(SpawnerError):
    """Another process is this worker."""


class ForeignTokenError(SpawnerError):
    """A token of the queue that no coordinator of ours has made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlace:
    """A worker's own folder, locked by this process until it ends."""

    path: Path
    worker_id: str
    """The name of the worker among all workers; the folder keeps it."""

    @classmethod
    def locked(cls, path: Path) -> WorkerPlace:
        """Takes a worker's folder, which is made if it is new.

        Raises:
            WorkerRunsError: Another process has it.
        """
        make_private_folder(path / "attempts")
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise WorkerRunsError(f"another process is the worker of {path}; give this one another name") from error
        named = path / "id"
        if not named.exists():
            draft = path / "id.draft"
            draft.write_text(uuid.uuid4().hex, encoding="ascii")
            draft.replace(named)
        return cls(path=path, worker_id=named.read_text(encoding="ascii"))

    def folder_of(self, token: str) -> Path:
        """Returns the folder of an attempt.

        Raises:
            ForeignTokenError: The token is none of ours, and could lead out of the folder.
        """
        if not _TOKEN.fullmatch(token):
            raise ForeignTokenError(f"{token[:80]} is no token of an attempt")
        return self.path / "attempts" / token

    def tokens(self) -> list[str]:
        """Returns the tokens of the attempts that have a folder."""
        return sorted(each.name for each in (self.path / "attempts").iterdir() if _TOKEN.fullmatch(each.name))
