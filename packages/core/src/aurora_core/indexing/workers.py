"""Worker processes that prepare files on all cores.

They are started with the interpreter alone and not by `multiprocessing`, which would import the caller's main module
again in each of them. A worker ends when its input is closed, so none stays after a killed indexer.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Final

from aurora_core.indexing.prepare import PreparedBatch, Request, prepare
from aurora_core.report import SkippedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

__all__ = ["serve", "workers"]

_START: Final = (
    f"import sys; sys.path += [p for p in sys.argv[1].split({os.pathsep!r}) if p and p not in sys.path]; "
    "from aurora_core.indexing.workers import serve; serve()"
)
_LENGTH_BYTES: Final = 8


class _WorkerDiedError(Exception):
    """A worker ended before it answered."""


class _ClosedError(Exception):
    """The worker is closed: no caller waits for an answer."""


def serve() -> None:
    """Answers requests from standard input until it ends; the main loop of a worker."""
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (message := _receive(sys.stdin.buffer)) is not None:
        _send(answers, pickle.dumps(prepare(pickle.loads(message))))  # noqa: S301 - from the process that started us


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(_LENGTH_BYTES, "little") + message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """Returns the next message; None at the end of the input, also in the middle of a message."""
    length = stream.read(_LENGTH_BYTES)
    message = stream.read(int.from_bytes(length, "little"))
    return message if len(length) == _LENGTH_BYTES and len(message) == int.from_bytes(length, "little") else None


class _Worker:
    """A worker process, started on its first request and again after it died; never after it was closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def ask(self, request: Request) -> PreparedBatch:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, pickle.dumps(request))
            answer = _receive(process.stdout)
        except (OSError, ValueError):  # closed by the other end, or by `close`
            answer = None
        if answer is None:
            self._end()
            raise _WorkerDiedError
        batch = pickle.loads(answer)  # noqa: S301 - from a process that we started
        assert isinstance(batch, PreparedBatch)
        return batch

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise _ClosedError
            self._process = self._process or _started()
            return self._process

    def _end(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.communicate()
                self._process = None

    def close(self) -> None:
        """Kills the process; the thread that waits for its answer stops waiting."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def reap(self) -> None:
        """Waits for the end of a process that `close` killed."""
        self._end()


def _started() -> subprocess.Popen[bytes]:
    """Starts a worker that imports nothing from the folder that it runs in.

    With -I neither that folder nor PYTHONPATH counts. The absolute paths of this process come after the interpreter's
    own, so that a `json.py` in one of them cannot replace Python's.
    """
    places = os.pathsep.join(place for place in sys.path if os.path.isabs(place))  # noqa: PTH117 - of texts
    command = [sys.executable, "-I", "-c", _START, places]
    # In a group of its own: Ctrl-C goes to the caller, whose end closes the worker's input.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)


@contextmanager
def workers(count: int) -> Iterator[Callable[[Iterable[Request]], Iterator[PreparedBatch]]]:
    """Yields a function that prepares requests in a number of processes; none is left when the block ends.

    Batches come in the order of the requests. A file that kills its worker is skipped and named.
    """
    local = threading.local()
    started: list[_Worker] = []

    def own() -> None:
        local.worker = _Worker()
        started.append(local.worker)

    def ask(request: Request) -> Sequence[PreparedBatch]:
        return _isolating_crashes(local.worker.ask, request)

    pool = ThreadPoolExecutor(count, thread_name_prefix="aurora-prepare", initializer=own)
    try:
        yield lambda requests: _in_order(pool, ask, requests, ahead=count + 1)
    finally:
        for worker in started:
            worker.close()
        pool.shutdown(cancel_futures=True)
        for worker in started:
            worker.reap()


def _in_order(
    pool: ThreadPoolExecutor,
    ask: Callable[[Request], Sequence[PreparedBatch]],
    requests: Iterable[Request],
    *,
    ahead: int,
) -> Iterator[PreparedBatch]:
    """Yields answers in the order of the requests, with a few requests always in progress."""
    pending: deque[Future[Sequence[PreparedBatch]]] = deque()
    for request in requests:
        pending.append(pool.submit(ask, request))
        if len(pending) > ahead:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


def _isolating_crashes(ask: Callable[[Request], PreparedBatch], request: Request) -> Sequence[PreparedBatch]:
    """Returns a request's batch, or several if it was halved around a file that kills its worker."""
    try:
        return [ask(request)]
    except _WorkerDiedError:
        files = request.files
        if len(files) == 1:
            died = SkippedFile(path=files[0][0].path, reason="ended the process that read it")
            return [replace(prepare(replace(request, files=())), skipped=(died,))]
        half = len(files) // 2
        return [
            batch
            for part in (files[:half], files[half:])
            for batch in _isolating_crashes(ask, replace(request, files=part))
        ]
