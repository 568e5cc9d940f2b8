"""The folder of one attempt: what goes in, what comes out, and the records of its supervisor."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.private import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT_CAP_BYTES = 64 << 20
"""Kept of each stream of an attempt: half of it from the beginning, half from the end."""
PIECE_BYTES = 1 << 18
TEXT_LIMIT_BYTES = 4 << 20
"""Of an output that is handed on as text; the spool has the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """What the supervisor wrote when nothing of the attempt was left."""

    token: str
    reason: str
    """exited, cancelled, deadline or exec_failed."""
    exit_code: int | None
    exec_errno: int
    started_at: float
    ended_at: float
    duration_s: float
    stdout_bytes: int
    stderr_bytes: int
    lost_bytes: int
    """Could not be written, the disk being full."""
    cap_bytes: int
    strays_killed: int
    survivors: tuple[int, ...]
    """Descendants that SIGKILL did not end in time."""
    cpu_s: float
    max_rss_kib: int

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {name: getattr(self, name) for name in _RECORD_TYPES}


def home_of(spool: Path, *, position: int, agent: str) -> Path:
    """Where an isolated agent keeps its configuration and sessions for one task, through all its attempts."""
    return spool / "homes" / f"{position:05d}-{agent}"


def task_home(folder: Path, agent: str) -> Path:
    """The same, from the folder of one of the attempts."""
    number = folder.name.partition("-")[0]
    return home_of(folder.parent, position=int(number) if number.isdecimal() else 0, agent=agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFolder:
    """Where the files of one attempt lie."""

    path: Path

    @property
    def gone(self) -> bool:
        """Whether the folder is not there, or not any more."""
        return not self.path.exists()

    @property
    def prompt(self) -> Path:
        """Becomes the agent's stdin."""
        return self.path / "prompt"

    @property
    def stdout(self) -> Path:
        """What the agent printed, within the cap."""
        return self.path / "stdout"

    @property
    def stderr(self) -> Path:
        """What the agent complained, within the cap."""
        return self.path / "stderr"

    @property
    def claim(self) -> Path:
        """Who owns the attempt."""
        return self.path / "claim"

    @property
    def exit(self) -> Path:
        """The supervisor's last words."""
        return self.path / "exit"

    @property
    def agent(self) -> Path:
        """The pid of the agent."""
        return self.path / "agent"

    def prepare(self, prompt: str, files: Mapping[Path, str] | None = None) -> None:
        """Make the folder, readable by its owner alone, and put the prompt in; `files` are written where missing."""
        make_private_folder(self.path)
        for path, content in (files or {}).items():
            _write_new(path, content)
        descriptor = os.open(self.prompt, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(prompt.encode("utf-8", errors="surrogatepass"))

    def void(self, token: str) -> bool:
        """Claim the attempt so that no supervisor can begin it any more; False when one already has."""
        make_private_folder(self.path)
        draft = self.path / f"claim.void.{os.getpid()}"
        draft.write_text(json.dumps({"pid": 0, "token": token, "voided": True}) + "\n", encoding="ascii")
        try:
            os.link(draft, self.claim)
        except FileExistsError:
            return bool(self.read_claim().get("voided"))
        finally:
            draft.unlink()
        return True

    def read_claim(self) -> dict[str, Any]:
        """Who owns the attempt: pid, start_time, boot_id, token.

        Raises:
            AttemptRecordError: There is no claim, or it is damaged.
        """
        return _read_object(self.claim)

    def read_exit(self) -> ExitRecord | None:
        """The exit record, None while there is none.

        Raises:
            AttemptRecordError: It is damaged, as after a power cut.
        """
        if not self.exit.exists():
            return None
        stored = _read_object(self.exit)
        for name, kind in _RECORD_TYPES.items():
            if name not in stored or not isinstance(stored[name], kind):
                raise AttemptRecordError(self.exit, f"is not an exit record: {name} is {stored.get(name)!a}")
        if stored["cap_bytes"] < 2:  # a stream is kept in two halves
            raise AttemptRecordError(self.exit, f"is not an exit record: cap_bytes is {stored['cap_bytes']}")
        return ExitRecord(**{**{name: stored[name] for name in _RECORD_TYPES}, "survivors": _pids(stored)})

    def read_agent_pid(self) -> int | None:
        """The agent's pid, which is its session too; None while it has not begun."""
        try:
            return int(self.agent.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None


def _write_new(path: Path, content: str) -> None:
    make_private_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)


_RECORD_TYPES: Final = {
    "token": str,
    "reason": str,
    "exit_code": int | None,
    "exec_errno": int,
    "started_at": float | int,
    "ended_at": float | int,
    "duration_s": float | int,
    "stdout_bytes": int,
    "stderr_bytes": int,
    "lost_bytes": int,
    "cap_bytes": int,
    "strays_killed": int,
    "survivors": list,
    "cpu_s": float | int,
    "max_rss_kib": int,
}


def _pids(stored: dict[str, Any]) -> tuple[int, ...]:
    return tuple(pid for pid in stored["survivors"] if isinstance(pid, int))


_UNREADABLE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def attempt_folder(spool: Path, *, position: int, task_id: str, number: int) -> AttemptFolder:
    """Where an attempt's files go; the name is for people, the position keeps it unique."""
    readable = _UNREADABLE.sub("_", task_id)[:40]
    return AttemptFolder(path=spool / f"{position:05d}-{readable}-{number}")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AttemptRecordError(path, f"cannot be read: {error}") from error
    if not isinstance(stored, dict):
        raise AttemptRecordError(path, "is not a JSON object")
    return stored


def kept_bytes(path: Path, *, total: int, cap: int) -> bytes:
    """What a spool kept of a stream, in order: all of it up to `cap`, else its head and its tail joined."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    if total <= cap:
        return content
    half = cap // 2
    seam = half + (total - half) % half
    return content[:half] + content[seam:] + content[half:seam]


def kept_pieces(path: Path, *, total: int | None, cap: int) -> Iterator[bytes]:
    """The same piece by piece, where it lies in order; `total` is None for a stream that has not ended."""
    if total is not None and total > cap:
        yield kept_bytes(path, total=total, cap=cap)
        return
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except FileNotFoundError:
        return


def read_output(path: Path, *, total: int, cap: int, limit: int = TEXT_LIMIT_BYTES) -> str:
    r"""A stream as text, bytes that are no UTF-8 as \xNN; the middle of a long one is replaced by a note."""
    content = kept_bytes(path, total=total, cap=cap)
    if total <= limit and len(content) <= limit:
        return content.decode("utf-8", errors="backslashreplace")
    head, tail = content[: limit // 2], content[-(limit // 2) :]
    note = f"\n[… {total - len(head) - len(tail)} of {total} bytes left out …]\n"
    return head.decode("utf-8", errors="backslashreplace") + note + tail.decode("utf-8", errors="backslashreplace")
