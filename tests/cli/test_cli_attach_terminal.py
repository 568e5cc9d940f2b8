"""`aur attach` at real terminals, two at once beside the one that holds the session, and at a run."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.talks import AUR, talking_config
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
def terminal(shop: Path, tmp_path: Path) -> Iterator[Open]:
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    (shop / ".aurora").mkdir()
    waits = json.dumps("while [ ! -e go ]; do sleep 0.05; done; echo done")
    (shop / ".aurora" / "config.yaml").write_text(
        f"{talking_config(sessions)}  waits: {{kind: command, command: [sh, -c, {waits}]}}\n"
    )
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        opened.append(screen := Terminal())
        screen.start(*words)
        return screen

    yield start
    for each in opened:
        each.close()


def test_two_terminals_talk_in_one_session_and_a_kill_of_its_process_is_told(aur: Aur, terminal: Open) -> None:
    holder = terminal("interact", "one")
    holder.wait_for("@bot> ")
    (session_id,) = re.findall(r"interact-\d+", aur("interact", "--list").stdout)
    here, there = terminal("attach", session_id), terminal("attach", session_id)
    for each in (here, there):
        each.wait_for("[1] you")
        each.wait_for("@bot (attached)> ")
    holder.type("a draft")
    holder.wait_for("a draft")
    here.type("two ask:Port?|80\r")
    there.wait_for("[2] said in another terminal")
    holder.wait_for("[2] said in another terminal")
    for each in (holder, here, there):
        each.wait_for("what  Port?")
    there.type("8080\n")
    here.wait_for("answered 8080")
    holder.wait_for("answered 8080")
    holder.clear()
    holder.wait_for("a draft")  # it stands in the next prompt
    here.type("\x04")
    assert here.end()[0] == ExitCode.DONE
    there.type("\x03")
    assert there.end()[0] == ExitCode.INTERRUPTED
    holder.clear()
    holder.type(" now\r")
    holder.wait_for("a draft now")
    later = terminal("attach", session_id)
    later.wait_for("@bot (attached)> ")
    later.type("slow:200\r")
    later.wait_for("3,")
    pid = holder.kill()
    later.wait_for(f"process {pid} was killed")
    later.type("lost?\r")
    later.wait_for("nothing was said: no process works on the session")
    again = terminal("interact", "--resume", session_id)
    later.wait_for("works on it from here on")
    again.wait_for("@bot> ")
    again.type("\x04")
    assert again.end()[0] == ExitCode.DONE
    later.wait_for("has ended (succeeded)")
    assert later.end()[0] == ExitCode.DONE


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
        here.type("\x03")
        status, shown = here.end()
        assert (status, "detached" in shown) == (ExitCode.INTERRUPTED, True)
        (shop / "go").touch()
        there.wait_for("[1/1] 1 Wait here: succeeded")
        assert there.end()[0] == ExitCode.DONE
        assert run.wait(timeout=30) == ExitCode.DONE
