"""The output of agents, while they run and after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder, kept_bytes
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.sessions import read_session_record
from aurora_spawner.backends.transcript import Transcript
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import AttemptRecordError, UnknownTaskError
from aurora_spawner.journal.facts import WORK
from aurora_spawner.journal.views import load_attempts, load_run, load_task_state, load_tasks
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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
    transcript: bool = False,
) -> Iterator[bytes]:
    """Yields the output of a task, or of each task of a run under a line with its name.

    Args:
        task_id: None for all tasks of the run.
        follow: Continues as `follow_log` does; for one task only.
        transcript: Renders the agent's events as readable lines, if it prints events.

    Raises:
        UnknownRunError, UnknownTaskError: The journal has no such run, or the run no such task.
    """
    with open_journal(journal, run_id) as store:
        load_run(store, run_id)
        titles = {row.task_id: row.task.headline for row in load_tasks(store, run_id)}
        if task_id is None:
            for each, title in titles.items():
                yield f"== {each} {title}\n".encode(errors="replace")
                yield read_log(store, run_id, each, stream=stream, transcript=transcript)
        elif task_id not in titles:
            raise UnknownTaskError(run_id, task_id, titles)
        elif follow:
            yield from follow_log(store, run_id, task_id, stream=stream, transcript=transcript)
        else:
            yield read_log(store, run_id, task_id, stream=stream, transcript=transcript)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """The output of a task's last attempt so far."""

    task_id: str
    title: str
    content: bytes


def task_outputs(
    journal: Path, run_id: str, task_id: str | None = None, *, stream: Stream = "stdout"
) -> Iterator[TaskOutput]:
    """Yields the outputs of all tasks of a run, or of one.

    Raises:
        UnknownRunError, UnknownTaskError: The journal has no such run, or the run no such task.
    """
    with open_journal(journal, run_id) as store:
        load_run(store, run_id)
        titles = {row.task_id: row.task.headline for row in load_tasks(store, run_id)}
        if task_id is not None and task_id not in titles:
            raise UnknownTaskError(run_id, task_id, titles)
        for each in titles if task_id is None else (task_id,):
            content = read_log(store, run_id, each, stream=stream)
            yield TaskOutput(task_id=each, title=titles[each], content=content)


def read_log(
    journal: Journal, run_id: str, task_id: str, *, stream: Stream = "stdout", transcript: bool = False
) -> bytes:
    """Returns the output of a task's last attempt so far; of an output over the cap, its head and tail.

    Args:
        transcript: Renders the agent's events as readable lines, if it prints events.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    attempt = _last_attempt(journal, run_id, task_id)
    if attempt is None:
        return b""
    renderer = renderer_of(attempt) if transcript and stream == "stdout" else None
    content = _whole(attempt, stream)
    return renderer.feed(content) + renderer.close() if renderer else content


def follow_log(
    journal: Journal,
    run_id: str,
    task_id: str,
    *,
    stream: Stream = "stdout",
    transcript: bool = False,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[bytes]:
    """Yields the output of a task as it grows, until the task is settled or no coordinator executes the run.

    A new attempt is followed from its start. Arguments and errors as for `read_log`.
    """
    cursor = LogCursor(stream=stream, transcript=transcript)
    while True:
        journal.follow_file()  # a coordinator wrote a lost journal back under its name
        over = _over(journal, run_id, task_id)  # asked first: the last output follows it
        attempt = _last_attempt(journal, run_id, task_id)
        if attempt is not None:
            yield from cursor.new_pieces(attempt)
        if over:
            yield cursor.close()
            return
        sleep(FOLLOW_PERIOD_S)


@dataclass(slots=True, kw_only=True)
class LogCursor:
    """The place in a task's output up to which a follower has read."""

    stream: Stream
    transcript: bool
    _number: int = 0
    """The number of the attempt that is followed; 0 before the first."""
    _offset: int = 0
    _renderer: Transcript | None = None

    def new_pieces(self, attempt: AttemptRow) -> Iterator[bytes]:
        """Yields the output of an attempt since the last call; an attempt of another number starts at 0."""
        if self._number != attempt.number:
            self._number, self._offset = attempt.number, 0
        if not self._offset:
            self._renderer = renderer_of(attempt) if self.transcript and self.stream == "stdout" else None
        for piece in _pieces(attempt, self.stream, self._offset):
            self._offset += len(piece)
            yield self._renderer.feed(piece) if self._renderer else piece

    def close(self) -> bytes:
        """Returns what is left of a last line that has no line end."""
        return self._renderer.close() if self._renderer else b""


def last_begun(attempts: Sequence[AttemptRow]) -> AttemptRow | None:
    """Returns the last attempt at the task that was not voided; None if there is none. Reviews are none."""
    begun = (each for each in reversed(attempts) if each.reason != EndReason.VOIDED and each.role == WORK)
    return next(begun, None)


def renderer_of(attempt: AttemptRow) -> Transcript | None:
    """Returns what renders the events of an attempt as lines; None if its agent prints none, or has not begun."""
    record = read_session_record(attempt.folder)
    dialect = DIALECTS.get(record.dialect or "") if record else None
    return Transcript(dialect) if dialect else None


def _last_attempt(journal: Journal, run_id: str, task_id: str) -> AttemptRow | None:
    load_run(journal, run_id)
    return last_begun(load_attempts(journal, run_id, task_id=task_id))


def _over(journal: Journal, run_id: str, task_id: str) -> bool:
    run = load_run(journal, run_id)
    if load_attempts(journal, run_id, task_id=task_id, open_only=True):
        return False
    state = load_task_state(journal, run_id, task_id)
    return run.holder is None or not run.holder.alive() or state is None or state.settled


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
