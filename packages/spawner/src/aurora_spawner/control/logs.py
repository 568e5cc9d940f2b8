"""What agents print, while they run and after."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder, kept_bytes
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.sessions import read_session_record
from aurora_spawner.backends.transcript import Transcript
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import AttemptRecordError, UnknownTaskError
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import AttemptRow

Stream = Literal["stdout", "stderr"]

FOLLOW_PERIOD_S = 0.2
PIECE_BYTES = 1 << 16


def read_logs(
    journal: Path,
    run_id: str,
    task_id: str | None = None,
    *,
    follow: bool = False,
    stream: Stream = "stdout",
    told: bool = False,
) -> Iterator[bytes]:
    """Yields what a task's agent has printed, or what each task of a run has, under a line with its name.

    Args:
        task_id: None for all tasks of the run.
        follow: go on as `follow_log` does; only for one task.
        told: events as lines for people, where the agent prints events.

    Raises:
        UnknownRunError, UnknownTaskError: the journal has no run, or the run no task, of that name.
    """
    with open_journal(journal, run_id) as store:
        load_run(store, run_id)
        titles = {row.task_id: row.task.headline for row in load_tasks(store, run_id)}
        if task_id is None:
            for each, title in titles.items():
                yield f"== {each} {title}\n".encode(errors="replace")
                yield read_log(store, run_id, each, stream=stream, told=told)
        elif task_id not in titles:
            raise UnknownTaskError(run_id, task_id, titles)
        elif follow:
            yield from follow_log(store, run_id, task_id, stream=stream, told=told)
        else:
            yield read_log(store, run_id, task_id, stream=stream, told=told)


def read_log(journal: Journal, run_id: str, task_id: str, *, stream: Stream = "stdout", told: bool = False) -> bytes:
    """What the task's last attempt has printed so far, in order; head and tail of what is over the cap.

    Args:
        told: Events as lines for people, where the agent prints events.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    attempt = _last_attempt(journal, run_id, task_id)
    if attempt is None:
        return b""
    transcript = _transcript(attempt) if told and stream == "stdout" else None
    content = _whole(attempt, stream)
    return transcript.feed(content) + transcript.close() if transcript else content


def follow_log(
    journal: Journal,
    run_id: str,
    task_id: str,
    *,
    stream: Stream = "stdout",
    told: bool = False,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[bytes]:
    """The same as it grows, until the task is settled or nobody coordinates the run any more.

    A new attempt is followed from its beginning.
    """
    seen: tuple[int, int] = (0, 0)
    transcript: Transcript | None = None
    while True:
        attempt = _last_attempt(journal, run_id, task_id)
        over = _over(journal, run_id, task_id)
        if attempt is not None:
            offset = seen[1] if seen[0] == attempt.number else 0
            if not offset:
                transcript = _transcript(attempt) if told and stream == "stdout" else None
            for piece in _pieces(attempt, stream, offset):
                offset += len(piece)
                yield transcript.feed(piece) if transcript else piece
            seen = (attempt.number, offset)
        if over:
            yield transcript.close() if transcript else b""
            return
        sleep(FOLLOW_PERIOD_S)


def _transcript(attempt: AttemptRow) -> Transcript | None:
    record = read_session_record(attempt.folder)
    dialect = DIALECTS.get(record.dialect or "") if record else None
    return Transcript(dialect) if dialect else None


def _last_attempt(journal: Journal, run_id: str, task_id: str) -> AttemptRow | None:
    load_run(journal, run_id)
    attempts = [
        each for each in load_attempts(journal, run_id, task_id=task_id) if each.reason is not EndReason.VOIDED
    ]
    return attempts[-1] if attempts else None


def _over(journal: Journal, run_id: str, task_id: str) -> bool:
    run = load_run(journal, run_id)
    attempts = load_attempts(journal, run_id, task_id=task_id, open_only=True)
    held = run.holder is not None and run.holder.alive()
    return not attempts and (not held or _settled(journal, run_id, task_id))


def _settled(journal: Journal, run_id: str, task_id: str) -> bool:
    query = "SELECT state NOT IN ('pending', 'running') FROM tasks WHERE run_id = ? AND task_id = ?"
    row = journal.connection.execute(query, (run_id, task_id)).fetchone()
    return row is None or bool(row[0])


def _pieces(attempt: AttemptRow, stream: Stream, offset: int) -> Iterator[bytes]:
    path = attempt.folder / stream
    try:
        with open_regular(path) as file:
            file.seek(offset)
            while piece := file.read(PIECE_BYTES):
                yield piece
    except FileNotFoundError:
        return
    except OSError as error:
        raise AttemptRecordError(path, f"cannot be read: {error.strerror}") from error


def _whole(attempt: AttemptRow, stream: Stream) -> bytes:
    files = AttemptFolder(path=attempt.folder)
    try:
        record = files.read_exit()
    except AttemptRecordError:
        record = None
    path = attempt.folder / stream
    if record is None:
        return kept_bytes(path, total=0, cap=DEFAULT_CAP_BYTES)
    total = record.stdout_bytes if stream == "stdout" else record.stderr_bytes
    return kept_bytes(path, total=total, cap=record.cap_bytes)
