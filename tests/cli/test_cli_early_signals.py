"""Ctrl-C while `aur` starts: one line and 130, at whichever of its imports it comes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, signal, sys
from aurora_cli.entry import main
number, moment = int(sys.argv[1]), int(sys.argv[2])
sys.argv = ["aur", *sys.argv[3:]]
imports = 0
def on_import(event, _arguments):
    global imports
    imports += event == "import"
    if event == "import" and imports == moment:
        os.kill(os.getpid(), number)
sys.addaudithook(on_import)
sys.exit(main())
"""


@pytest.mark.parametrize("command", few([["soar", "Where is the till?"], ["mem", "index"], ["spawn", "tasks.md"]], 1))
@pytest.mark.parametrize("number", [2, 15, 1])
@pytest.mark.parametrize("moment", few([1, 12, 60, 110], 3))
def test_a_signal_at_an_import_ends_it_with_one_line(
    shop: Path, command: list[str], number: int, moment: int
) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Say hello\n")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(number), str(moment), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (ExitCode.INTERRUPTED, "interrupted\n")


DEAF = """
import signal, subprocess, sys, types
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
command = types.ModuleType("aurora_cli.main")
command.main = lambda: subprocess.run(["sh", "-c", "exit 7"], check=False).returncode
sys.modules["aurora_cli.main"] = command
from aurora_cli.entry import main
sys.exit(main())
"""


def test_a_parent_that_ignores_ended_children_hides_no_exit_status() -> None:
    """It would be 0 for each program, of git and of checks too."""
    assert subprocess.run([sys.executable, "-c", DEAF], timeout=50, check=False).returncode == 7
