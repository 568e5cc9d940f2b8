"""Runs a reader in a process of its own, with limits of processor time and memory that end it."""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

Answer = TypeVar("Answer")

PROCESSOR_S: Final = 15
"""Some times what is allowed on a quiet machine; unbounded work needs minutes."""
MEMORY_BYTES: Final = 200 << 20
"""More than the process has at its start."""


def bounded(read: Callable[..., Answer], *given: object) -> Answer:
    """Returns what a reader returns, and fails the test if the reader passes a limit or raises."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, read, given))
    process.start()
    theirs.close()
    try:
        failed: str | None
        answer: Answer
        failed, answer = ours.recv()
    except EOFError:
        process.join()
        pytest.fail(f"the reader was ended by signal {-(process.exitcode or 0)}: it took more than {PROCESSOR_S} s")
    process.join()
    if failed is not None:
        pytest.fail(f"the reader raised {failed}")
    return answer


def _run(pipe: Connection, read: Callable[..., object], given: tuple[object, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    limit = _address_space() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        pipe.send((None, read(*given)))
    except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
        pipe.send((repr(error), None))


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
