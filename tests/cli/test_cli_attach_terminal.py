"""`aur attach` at real terminals, two at once beside the one that holds the session, and at a run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.talks import AUR, talking_project
from tests.cli.terminals import Terminal
from tests.warm_python import WarmPopen

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]
    Open = Callable[..., Terminal]


@pytest.fixture
def terminal(shop: Path) -> Iterator[Open]:
    talking_project(shop, {"waits": "while [ ! -e go ]; do sleep 0.05; done; echo done"})
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        opened.append(screen := Terminal())
        screen.start(*words)
        return screen

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def tmux() -> Iterator[Callable[..., Tmux]]:
    opened: list[Tmux] = []

    def start(*words: str) -> Tmux:
        opened.append(Tmux("env", "TERM=screen-256color", "LANG=C.UTF-8", AUR, *words))
        return opened[-1]

    yield start
    for each in opened:
        with suppress(Exception):
            each.kill()


@needs_tmux
@pytest.mark.usefixtures("terminal")
def test_two_terminals_talk_in_one_session_and_a_kill_of_its_process_is_told(
    aur: Aur, tmux: Callable[..., Tmux]
) -> None:
    holder = tmux("interact", "one")
    holder.wait_for("@bot>")
    (session_id,) = re.findall(r"interact-\d+", aur("interact", "--list").stdout)
    here, there = tmux("attach", session_id), tmux("attach", session_id)
    pid = int(re.findall(r"which process (\d+) works on", here.wait_for("[1] you", "@bot (attached)>"))[0])
    there.wait_for("[1] you", "@bot (attached)>")
    holder.press("a draft")
    holder.wait_for("@bot> a draft")
    here.press("two ask:Port?|80", "Enter")
    there.wait_for("[2] said in another terminal", "what  Port?")
    holder.wait_for("[2] said in another terminal", "what  Port?")
    there.press("8080", "Enter")
    for each in (here, there):
        each.wait_for(lambda now: now.rstrip().endswith("@bot (attached)>") and "answered 8080" in now)
    holder.wait_for("answered 8080", "@bot> a draft")  # it stands in the next prompt
    here.press("C-d")
    here.wait_for("status 0")
    holder.press("Enter")
    there.wait_for("[3] said in another terminal")
    there.press("slow:200", "Enter")
    there.wait_for("3,")
    os.kill(pid, signal.SIGKILL)
    there.wait_for(f"process {pid} was killed")
    there.press("lost?", "Enter")
    there.wait_for("nothing was said: no process works on")
    again = tmux("interact", "--resume", session_id)
    there.wait_for("works on it from here on")
    again.wait_for("@bot>")
    there.press("C-c")
    there.wait_for("detached", "status 130")
    again.press("C-d")
    again.wait_for("status 0")


def test_a_run_is_watched_at_a_terminal_which_detaches_from_it(aur: Aur, terminal: Open, shop: Path) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Wait here\n  - Agent: waits\n")
    run = WarmPopen(
        [AUR, "spawn", "tasks.md", "--yes", "--isolation", "none"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with run:
        while not (found := re.findall(r"spawn-\d+", aur("status").stdout)):
            assert run.poll() is None
        here, there = terminal("attach", found[0]), terminal("attach", found[0])
        for each in (here, there):
            each.wait_for("Wait here")
            each.wait_for("0/1")
        here.interrupt()
        status, shown = here.end()
        assert (status, "detached" in shown) == (ExitCode.INTERRUPTED, True)
        (shop / "go").touch()
        there.wait_for("[1/1] 1 Wait here: succeeded")
        assert there.end()[0] == ExitCode.DONE
        assert run.wait(timeout=30) == ExitCode.DONE
