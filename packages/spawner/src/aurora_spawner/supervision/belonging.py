"""Tells by its ancestors whether a process belongs to an attempt: it can clear its own environment, not theirs.

A process that has left its parents, as daemons do, becomes a child of its supervisor, whose command line is known.
What a service of the machine starts for an agent (cron, `at`, systemd, Docker) has other ancestors, and is not told.
"""

from __future__ import annotations

import os
import re
import time
from typing import Final

import psutil

from aurora_spawner.errors import UnknownLineageError
from aurora_spawner.supervision.environment import TOKEN_VARIABLE, inside_agent
from aurora_spawner.supervision.orphans import environment_of

_TRIES: Final = 5
"""Looks at the ancestors, one of which may end during a look."""
_PAUSE_S: Final = 0.02
_SUPERVISOR: Final = re.compile(r"aurora_spawner/supervision/(__pycache__/)?supervisor\.[\w.-]+$")


def attempt_of(pid: int) -> str | None:
    """Returns the token of the attempt to which a process belongs, "" if only its supervisor is known.

    Returns:
        None for a process of the user's.

    Raises:
        UnknownLineageError: The process has ended, or its ancestors cannot be followed.
    """
    for _ in range(_TRIES):
        try:
            return _attempt_among(psutil.Process(pid))
        except psutil.Error:  # one of them has ended, and its children have another parent now
            time.sleep(_PAUSE_S)
    raise UnknownLineageError(pid)


def own_attempt() -> str | None:
    """Returns the token of the attempt to which this process belongs, as `attempt_of`; its environment counts first.

    Raises:
        UnknownLineageError: Its ancestors cannot be followed.
    """
    if inside_agent(os.environ):
        return os.environ[TOKEN_VARIABLE]
    return attempt_of(os.getpid())


def _attempt_among(process: psutil.Process) -> str | None:
    """Returns what `attempt_of` does, by one look at a process and its ancestors.

    Raises:
        psutil.Error: One of them has ended meanwhile.
    """
    while True:
        found = _mark_of(process)
        if found is not None:
            return found
        above = process.ppid()
        if above == 0:  # the first process, or one whose parent is outside of this container
            return None
        parent = psutil.Process(above)
        if parent.create_time() > process.create_time():
            raise psutil.NoSuchProcess(above)
        process = parent


def _mark_of(process: psutil.Process) -> str | None:
    """Returns the token that a process itself shows; "" for a supervisor, which shows none."""
    start = f"{TOKEN_VARIABLE}=".encode("ascii")
    for each in environment_of(process.pid):
        if each.startswith(start) and len(each) > len(start):
            return each.removeprefix(start).decode("ascii", errors="replace")
    try:
        arguments = process.cmdline()
    except psutil.AccessDenied:  # of another user's
        return None
    runs_alone = arguments[1:3] == ["-I", "-S"] and len(arguments) > 3
    return "" if runs_alone and _SUPERVISOR.search(arguments[3]) else None
