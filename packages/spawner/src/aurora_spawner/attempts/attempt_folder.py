"""The folder of one attempt: what goes in, what comes out, and the records of its supervisor."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.regular_files import open_regular, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

DEFAULT_CAP_BYTES = 64 << 20
"""Kept of each stream of an attempt: half of it from the beginning, half from the end."""
SMALLEST_CAP_BYTES = 2
"""A spool needs a head and a tail."""
PIECE_BYTES = 1 << 18
RECORD_LIMIT_BYTES = 64 << 10
"""More than any record of a supervisor; a longer file is none."""
PROBLEM_LENGTH = 80
"""Characters of a wrong value that an error shows."""
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
        return {name: getattr(self, name) for name in _RECORD_FIELDS}


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

    @property
    def left(self) -> Path:
        """What still ran when the agent had ended or was told to end."""
        return self.path / "left"

    def prepare(self, prompt: str, files: Mapping[Path, str] | None = None) -> None:
        """Makes the folder for its owner alone, and writes the prompt; writes `files` if they are missing."""
        make_private_folder(self.path)
        for path, content in (files or {}).items():
            _write_new(path, content)
        descriptor = os.open(self.prompt, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(prompt.encode("utf-8", errors="surrogatepass"))

    def void(self, token: str) -> bool:
        """Claims the attempt so that no supervisor can begin it any more; False when one already has."""
        make_private_folder(self.path)
        draft = self.path / f"claim.void.{os.getpid()}"
        draft.write_text(json.dumps({"pid": 0, "token": token, "voided": True}) + "\n", encoding="ascii")
        try:
            os.link(draft, self.claim)
        except FileExistsError:
            with suppress(AttemptRecordError):
                return bool(self.read_claim().get("voided"))
            return False
        finally:
            draft.unlink()
        return True

    def read_claim(self) -> dict[str, Any]:
        """Who owns the attempt: pid, start_time, boot_id, token.

        Raises:
            AttemptRecordError: There is no claim, or it is damaged.
        """
        claim = _read_object(self.claim)
        if claim is None:
            raise AttemptRecordError(self.claim, "is not there")
        return claim

    def read_exit(self) -> ExitRecord | None:
        """The exit record, None while there is none.

        Raises:
            AttemptRecordError: It is damaged, as after a power cut.
        """
        stored = _read_object(self.exit)
        if stored is None:
            return None
        for name, fits in _RECORD_FIELDS.items():
            if name not in stored or not fits(stored[name]):
                value = repr(stored.get(name))[:PROBLEM_LENGTH]
                raise AttemptRecordError(self.exit, f"is not an exit record: {name} is {value}")
        return ExitRecord(**{**{name: stored[name] for name in _RECORD_FIELDS}, "survivors": _pids(stored)})

    def read_agent_pid(self) -> int | None:
        """The agent's pid, which is its session too; None while it has not begun."""
        return _pid_of(_read_record_or_nothing(self.agent))

    def began_at(self) -> float | None:
        """When the agent began, in Unix time; None while it has not."""
        try:
            return self.agent.stat().st_mtime
        except OSError:
            return None

    def read_left(self) -> dict[int, int]:
        """What still ran at the end of the agent, by pid with its start time; empty if nothing was noted."""
        pairs = [line.split() for line in _read_record_or_nothing(self.left).splitlines()]
        noted = {_pid_of(pair[0]): _small_number(pair[1]) for pair in pairs if len(pair) == 2}
        return {pid: start for pid, start in noted.items() if pid is not None and start is not None}


def _write_new(path: Path, content: str) -> None:
    make_private_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)


DIGITS: Final = 20
LARGEST_PID: Final = (1 << 31) - 1


def is_pid(value: object) -> TypeGuard[int]:
    """Whether a value could be the pid of a process; 0 and below name whole groups when they are signalled."""
    return _is_whole(value) and 0 < value <= LARGEST_PID


def _small_number(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isdecimal() and len(digits) < DIGITS else None


def _pid_of(text: str) -> int | None:
    number = _small_number(text)
    return number if is_pid(number) else None


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: object) -> TypeGuard[int]:
    return _is_whole(value) and 0 <= value < 1 << 63


def _is_number(value: object) -> bool:
    """A time or an amount: not negative, and not beyond what a calculation with it could bear."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


_REASONS: Final = (
    EndReason.EXITED,
    EndReason.CANCELLED,
    EndReason.DEADLINE,
    EndReason.ORPHANED,
    EndReason.EXEC_FAILED,
)
_RECORD_FIELDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "token": lambda value: isinstance(value, str),
    "reason": lambda value: value in _REASONS,
    "exit_code": lambda value: value is None or (_is_whole(value) and -256 < value < 256),
    "exec_errno": lambda value: _is_count(value) and value < 1 << 16,
    "started_at": _is_number,
    "ended_at": _is_number,
    "duration_s": _is_number,
    "stdout_bytes": _is_count,
    "stderr_bytes": _is_count,
    "lost_bytes": _is_count,
    "cap_bytes": lambda value: _is_count(value) and value >= SMALLEST_CAP_BYTES,
    "strays_killed": _is_count,
    "survivors": lambda value: isinstance(value, list),
    "cpu_s": _is_number,
    "max_rss_kib": _is_count,
}
"""What a supervisor writes: anything else was damaged, or written by somebody else."""


def _pids(stored: dict[str, Any]) -> tuple[int, ...]:
    return tuple(pid for pid in stored["survivors"] if is_pid(pid))


def first_attempt(folder: Path) -> AttemptFolder:
    """The folder of the first attempt at the task that another attempt was for."""
    return AttemptFolder(path=folder.with_name(f"{folder.name.rpartition('-')[0]}-1"))


_UNREADABLE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def attempt_folder(spool: Path, *, position: int, task_id: str, number: int) -> AttemptFolder:
    """Where an attempt's files go; the name is for people, the position keeps it unique."""
    readable = _UNREADABLE.sub("_", task_id)[:40]
    return AttemptFolder(path=spool / f"{position:05d}-{readable}-{number}")


def _read_object(path: Path) -> dict[str, Any] | None:
    """A record of a supervisor; None if there is none."""
    try:
        stored = json.loads(read_regular(path, limit=RECORD_LIMIT_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise AttemptRecordError(path, f"cannot be read: {error}") from error
    if not isinstance(stored, dict):
        raise AttemptRecordError(path, "is not a JSON object")
    return stored


def _read_record_or_nothing(path: Path) -> str:
    try:
        return read_regular(path, limit=RECORD_LIMIT_BYTES).decode("ascii")
    except (OSError, ValueError):
        return ""


def kept_bytes(path: Path, *, total: int, cap: int) -> bytes:
    """What a spool kept of a stream, in order: all of it up to `cap`, else its head and its tail joined."""
    try:
        content = read_regular(path, limit=cap)
    except OSError:
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
    left = cap
    try:
        with open_regular(path) as file:
            while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
                left -= len(piece)
                yield piece
    except OSError:
        return


def read_output(path: Path, *, total: int, cap: int, limit: int = TEXT_LIMIT_BYTES) -> str:
    r"""A stream as text, bytes that are no UTF-8 as \xNN; the middle of a long one is replaced by a note."""
    content = kept_bytes(path, total=total, cap=cap)
    if total <= limit and len(content) <= limit:
        return content.decode("utf-8", errors="backslashreplace")
    head, tail = content[: limit // 2], content[-(limit // 2) :]
    note = f"\n[… {total - len(head) - len(tail)} of {total} bytes left out …]\n"
    return head.decode("utf-8", errors="backslashreplace") + note + tail.decode("utf-8", errors="backslashreplace")
