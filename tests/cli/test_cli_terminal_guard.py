"""The guard of a session's terminal: `kill -9` leaves the terminal as it was, and modes of a shell stay its own."""

from __future__ import annotations

import os
import pty
import shutil
import sys
import termios
from typing import TYPE_CHECKING

import pytest
from tests.cli.talks import talking_project
from tests.cli.terminals import Terminal, read_all
from tests.cli.waiting import wait_for
from tests.warm_python import WarmPopen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL_MODES = 3
KILLED = """
import os, signal, sys, termios, time
from aurora_cli.interaction.terminal_guard import guarded_terminal
from aurora_cli.interaction.typed_ahead import without_echo
with guarded_terminal() as changed, without_echo(changed):
    changed()
    time.sleep(0.3)
    modes = termios.tcgetattr(0)
    modes[3] &= ~termios.ICANON
    termios.tcsetattr(0, termios.TCSANOW, modes)
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""Dies when the modes are those of a shell that edits a line."""


@pytest.fixture
def screen(shop: Path) -> Iterator[Terminal]:
    talking_project(shop)
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.mark.parametrize("when", ["in a turn", "at the prompt"])
def test_a_killed_session_leaves_its_terminal_as_it_was(screen: Terminal, when: str) -> None:
    before = screen.modes
    screen.start("interact")
    screen.wait_for("@bot>")
    if when == "in a turn":
        screen.type("slow:500\r")
        screen.wait_for("0,1,2,")
    else:
        screen.type("ß")
        screen.wait_for("ß")  # drawn a second time
    assert screen.modes != before, "nothing is there to be given back"
    screen.kill()
    wait_for(lambda: screen.modes == before, 10)


def test_modes_that_were_set_after_the_session_are_left_alone() -> None:
    ours, its = pty.openpty()
    before = termios.tcgetattr(ours)
    with WarmPopen([sys.executable, "-c", KILLED], stdin=its, env=dict(os.environ)):
        os.close(its)
    read_all(ours)  # the guard has ended, too
    after = termios.tcgetattr(ours)
    os.close(ours)
    assert not after[LOCAL_MODES] & (termios.ICANON | termios.ECHO), "the modes of the shell are lost"
    assert before[LOCAL_MODES] & termios.ICANON


def test_a_system_without_stty_has_sessions_too(
    screen: Terminal, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = shop / "programs"
    programs.mkdir()
    for name in ("sh", "git"):
        (programs / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(programs))
    screen.start("interact")
    screen.wait_for("@bot>")
    screen.type("/quit\r")
    assert screen.end()[0] == 0
