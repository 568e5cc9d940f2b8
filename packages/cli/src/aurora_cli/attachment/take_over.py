"""Take-over at the terminal: the agent's own program runs here on its session, and Aurora goes on when it is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from aurora_cli.output import note
from aurora_cli.render.words import one_line
from aurora_soar.taskruns.taking_over import opened_session
from aurora_spawner.control.control_client import NotRunningError
from aurora_spawner.control.taking_over import hand_back_task, take_over_task
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_soar import Aurora
    from aurora_soar.taskruns.taking_over import TerminalCommand

__all__ = ["take_over"]

_OF_THE_PROGRAM: Final = (signal.SIGINT, signal.SIGQUIT)
"""The signals of keys that are for the program in the terminal, and not for us."""
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_GRACE_S: Final = 5.0


def take_over(aurora: Aurora, run_id: str, task_id: str) -> None:
    """Opens the session of a task's agent here, and hands the task back when it is left, however that happens.

    Raises:
        SpawnerError: the task cannot be taken over.
        OSError: the program cannot be started.
    """
    journal = aurora.project.runs_db
    taken = take_over_task(journal, run_id, task_id)
    try:
        opened = opened_session(aurora.project_agents, taken)
        note(
            f"task {one_line(task_id)} is yours: its agent was interrupted. The session of "
            f"@{one_line(taken.agent)} opens here, in {taken.cwd}; when you leave it, the task goes on"
        )
        if not opened.judged:
            note(f"no policy gate checks @{one_line(taken.agent)} here; only its own questions to you can stop it")
        _run(opened)
    finally:
        said = _handed_back(journal, run_id, task_id)
    note(said)


def _handed_back(journal: Path, run_id: str, task_id: str) -> str:
    """Hands a task back; returns what has become of it, for a person."""
    try:
        hand_back_task(journal, run_id, task_id)
    except NotRunningError:
        return f"no process works on {run_id} now; aur resume {run_id} goes on with the task, in the same session"
    except SpawnerError as error:
        return (
            f"the task goes on once this command has ended; handing it back was refused: {one_line(str(error), 400)}"
        )
    return f"handed back: task {one_line(task_id)} goes on in the same session; aur attach {run_id} shows it"


def _run(opened: TerminalCommand) -> None:
    """Runs a program in this terminal until it ends, and leaves the terminal as it was."""
    with _terminal_kept(), _signals_for(opened) as process:
        process.wait()


@contextmanager
def _terminal_kept() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    settings = termios.tcgetattr(descriptor)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)


@contextmanager
def _signals_for(opened: TerminalCommand) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a program; its keys are its own, and what ends this process ends it first."""
    before = {number: signal.getsignal(number) for number in (*_OF_THE_PROGRAM, *_ENDING)}
    try:
        for number in _OF_THE_PROGRAM:
            signal.signal(number, lambda _number, _frame: None)  # a handler, and no SIG_IGN, which programs inherit
        process = subprocess.Popen(opened.command, cwd=opened.cwd, env=dict(opened.environment))
        try:
            for number in _ENDING:
                signal.signal(number, lambda _number, _frame: process.terminate())
            yield process
        finally:
            _end(process)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    if process.poll() is None:
        process.kill()
        process.wait()
