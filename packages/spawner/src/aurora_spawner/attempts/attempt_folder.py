"""The folder of one attempt: its prompt, its output, and the records of its supervisor."""

from __future__ import annotations

import json
import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.attempts.sandbox_finding import SandboxFinding
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.regular_files import open_regular, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SOCKET_NAME: Final = "control.sock"
"""The socket of the coordinator, in the folder of its run."""
DEFAULT_CAP_BYTES = 64 << 20
"""The bytes kept of each output stream: half from its start, half from its end."""
SMALLEST_CAP_BYTES = 2
"""The smallest cap: a spool needs a head and a tail."""
PIECE_BYTES = 1 << 18
RECORD_LIMIT_BYTES = 64 << 10
"""More than any record of a supervisor; a longer file is not read as one."""
PROBLEM_LENGTH = 80
"""The number of characters of a wrong value that an error shows."""
TEXT_LIMIT_BYTES = 4 << 20
"""The part of an output that is passed on as text; the spool has the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """The record that a supervisor writes when no process of its attempt is left."""

    token: str
    reason: str
    """The reason: exited, cancelled, deadline, orphaned, exec_failed or over_limit."""
    exit_code: int | None
    exec_errno: int
    started_at: float
    ended_at: float
    duration_s: float
    stdout_bytes: int
    stderr_bytes: int
    lost_bytes: int
    """Output that was lost because the disk was full."""
    cap_bytes: int
    strays_killed: int
    survivors: tuple[int, ...]
    """Descendants that SIGKILL did not end in time."""
    cpu_s: float
    max_rss_kib: int
    exceeded: str = ""
    """The limit that was exceeded and by how much, such as `memory limit 512 MiB exceeded (peak 530 MiB)`."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {name: getattr(self, name) for name in (*_RECORD_FIELDS, *(("exceeded",) if self.exceeded else ()))}


def home_of(spool: Path, *, position: int, agent: str) -> Path:
    """Returns the folder of an isolated agent's configuration and sessions, shared by all attempts at one task."""
    return spool / "homes" / f"{position:05d}-{agent}"


def task_home(folder: Path, agent: str) -> Path:
    """Returns an isolated agent's configuration folder, given the folder of one of its attempts."""
    number = folder.name.partition("-")[0]
    return home_of(folder.parent, position=int(number) if number.isdecimal() else 0, agent=agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFolder:
    """The files of one attempt."""

    path: Path

    @property
    def gone(self) -> bool:
        """True if the folder does not exist or no longer exists."""
        return not self.path.exists()

    @property
    def prompt(self) -> Path:
        """The prompt, which becomes the agent's stdin."""
        return self.path / "prompt"

    @property
    def stdout(self) -> Path:
        """The agent's stdout, within the cap."""
        return self.path / "stdout"

    @property
    def stderr(self) -> Path:
        """The agent's stderr, within the cap."""
        return self.path / "stderr"

    @property
    def claim(self) -> Path:
        """The identity of the supervisor that owns the attempt."""
        return self.path / "claim"

    @property
    def exit(self) -> Path:
        """The exit record, which the supervisor writes last."""
        return self.path / "exit"

    @property
    def agent(self) -> Path:
        """The agent's pid."""
        return self.path / "agent"

    @property
    def sandbox(self) -> Path:
        """The outcome of the launcher's try of the sandbox."""
        return self.path / "sandbox"

    @property
    def left(self) -> Path:
        """The processes that still ran when the agent ended or was asked to end."""
        return self.path / "left"

    @property
    def waited(self) -> Path:
        """The time that the attempt has waited for a person, which its deadline does not count.

        Seconds, and `-`; or, while it waits, the moment on the machine's monotonic clock since which it does, and pid
        and start time of the coordinator that has asked.
        """
        return self.path / "waited"

    def write_waited(self, total_s: float, *, since: float | None) -> None:
        """Records for the supervisor how long its attempt has waited, and since when it waits now (None: not).

        Raises:
            OSError: It cannot be written down.
        """
        waits = "-"
        if since is not None:
            coordinator = own_identity()
            waits = f"{since} {coordinator.pid} {coordinator.start_time}"
        draft = self.path / "waited.draft"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{total_s} {waits}")
        draft.replace(self.waited)

    def waited_s(self, now: float) -> float:
        """Returns the time that the attempt has waited for a person so far; an unreadable record counts as none."""
        try:
            total, since, *coordinator = read_regular(self.waited, limit=RECORD_LIMIT_BYTES).decode("ascii").split()
            if len(coordinator) != (0 if since == "-" else 2):
                return 0.0
            waited = float(total) + (0.0 if since == "-" else now - float(since))
        except (OSError, ValueError):
            return 0.0
        return waited if 0 <= waited < math.inf else 0.0

    def prepare(self, prompt: str, files: Mapping[Path, str] | None = None) -> None:
        """Creates the folder for its owner alone, writes the prompt, and writes those of `files` that are missing."""
        make_private_folder(self.path)
        for path, content in (files or {}).items():
            _write_new(path, content)
        descriptor = os.open(self.prompt, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(prompt.encode("utf-8", errors="surrogatepass"))

    def void(self, token: str) -> bool:
        """Claims the attempt so that no supervisor can start it; returns False if a supervisor already has."""
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
        """Returns the identity of the attempt's owner: pid, start_time, boot_id, token.

        Raises:
            AttemptRecordError: The claim is missing or damaged.
        """
        claim = _read_object(self.claim)
        if claim is None:
            raise AttemptRecordError(self.claim, "does not exist")
        return claim

    def read_exit(self) -> ExitRecord | None:
        """Returns the exit record; None until it is written.

        Raises:
            AttemptRecordError: The record is damaged, as after a power cut.
        """
        stored = _read_object(self.exit)
        if stored is None:
            return None
        for name, fits in _RECORD_FIELDS.items():
            if name not in stored or not fits(stored[name]):
                value = repr(stored.get(name))[:PROBLEM_LENGTH]
                raise AttemptRecordError(self.exit, f"is not an exit record: {name} is {value}")
        fields = {name: stored[name] for name in _RECORD_FIELDS}
        exceeded = str(stored.get("exceeded", ""))[:PROBLEM_LENGTH]
        return ExitRecord(**{**fields, "survivors": _pids(stored), "exceeded": exceeded})

    def read_sandbox(self) -> SandboxFinding | None:
        """Returns what the attempt's own try of its sandbox has shown; None until it is written."""
        line = _read_record_or_nothing(self.sandbox)
        try:
            return SandboxFinding.parse(line) if line.endswith("\n") else None
        except (ValueError, RecursionError):
            return None

    def read_agent_pid(self) -> int | None:
        """Returns the agent's pid, which is also its session; None before it starts."""
        return _pid_of(_read_record_or_nothing(self.agent))

    def began_at(self) -> float | None:
        """Returns the agent's start in Unix time; None before it starts."""
        try:
            return self.agent.stat().st_mtime
        except OSError:
            return None

    def read_left(self) -> dict[int, int]:
        """Returns the start times, by pid, of the processes that still ran when the agent ended; empty if unknown."""
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
    """Returns True if a value can be the pid of a process; signals to 0 and below reach whole groups."""
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
    """Returns True if a value is a time or an amount: not negative, and small enough to calculate with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


_REASONS: Final = (
    EndReason.EXITED,
    EndReason.CANCELLED,
    EndReason.DEADLINE,
    EndReason.ORPHANED,
    EndReason.EXEC_FAILED,
    EndReason.OVER_LIMIT,
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
"""The checks of a record's fields: a record that fails them is damaged, or another program wrote it."""


def _pids(stored: dict[str, Any]) -> tuple[int, ...]:
    return tuple(pid for pid in stored["survivors"] if is_pid(pid))


def first_attempt(folder: Path) -> AttemptFolder:
    """Returns the folder of the first attempt at the same task."""
    return AttemptFolder(path=folder.with_name(f"{folder.name.rpartition('-')[0]}-1"))


_UNREADABLE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def attempt_folder(spool: Path, *, position: int, task_id: str, number: int) -> AttemptFolder:
    """Returns the folder of an attempt; its name is readable, and the task's position makes it unique."""
    readable = _UNREADABLE.sub("_", task_id)[:40]
    return AttemptFolder(path=spool / f"{position:05d}-{readable}-{number}")


def _read_object(path: Path) -> dict[str, Any] | None:
    """Returns a record of a supervisor; None if the file does not exist."""
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
    """Returns the kept part of a stream, in order: all of it up to `cap`, else its head and tail joined."""
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
    """Yields the kept part of a stream in pieces; `total` is None for a stream that has not ended."""
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
    r"""Returns a stream as text, invalid UTF-8 as \xNN; a note replaces the middle of a long stream."""
    content = kept_bytes(path, total=total, cap=cap)
    if total <= limit and len(content) <= limit:
        return content.decode("utf-8", errors="backslashreplace")
    head, tail = content[: limit // 2], content[-(limit // 2) :]
    note = f"\n[… {total - len(head) - len(tail)} of {total} bytes left out …]\n"
    return head.decode("utf-8", errors="backslashreplace") + note + tail.decode("utf-8", errors="backslashreplace")
