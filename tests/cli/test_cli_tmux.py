"""The live view and the prompts at a real terminal, that of tmux: what stands there, keys, Ctrl-C, and its loss."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.terminals import AUR
from tests.cli.test_cli_gate import FAKE
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]
    Open = Callable[..., Tmux]

pytestmark = needs_tmux

GATED = "until [ -e go ]; do echo step; sleep 0.1; done; echo gone"


@pytest.fixture
def tmux() -> Iterator[Open]:
    """Opens `aur` in tmux; ends what is left of it."""
    opened: list[Tmux] = []

    def start(*words: str, **environ: str) -> Tmux:
        opened.append(Tmux("env", *(f"{name}={value}" for name, value in environ.items()), AUR, *words))
        return opened[-1]

    yield start
    for each in opened:
        with suppress(Exception):
            each.kill()


@pytest.fixture
def project(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    agents = {
        "gated": {"kind": "command", "command": ["sh", "-c", GATED]},
        "claude": {"kind": "claude", "command": [sys.executable, str(FAKE)]},
    }
    config = {"tool": "gated", "backends": agents}
    (shop / ".aurora" / "config.yaml").write_text(json.dumps(config))
    (shop / "tasks.md").write_text("- [ ] 1 Do the first part\n- [ ] 2 Do the second part\n")
    return shop


def spawned(aur: Aur) -> str:
    outcome = aur("spawn", "tasks.md", "--bg", "--yes", "--max-concurrent", "1", "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    return str(json.loads(outcome.stdout)["run_id"])


def coordinator(aur: Aur, run_id: str) -> int | None:
    return json.loads(aur("status", run_id, "--json").stdout)["runs"][0]["pid"]  # type: ignore[no-any-return]


def test_a_run_in_the_background_is_watched_steered_and_seen_to_end(aur: Aur, tmux: Open, project: Path) -> None:
    run_id = spawned(aur)
    screen = tmux("status", "--watch")
    screen.wait_for("1 running, 1 pending", "Do the first part", "waits for a slot", "The output of 1", "step")
    screen.press("p")
    screen.wait_for("paused")
    assert json.loads(aur("status", run_id, "--json").stdout)["runs"][0]["paused"]
    screen.press("r")
    screen.wait_for(f"{run_id} continues", lambda shown: " paused " not in shown)
    screen.press("C")
    screen.wait_for(f"Cancel the run {run_id}?", "y = cancel it")
    screen.press("C-c")
    screen.wait_for(f"status {ExitCode.INTERRUPTED.value}")
    assert coordinator(aur, run_id), "the run goes on"
    again = screen
    (project / "go").touch()
    wait_for(lambda: coordinator(aur, run_id) is None)
    again.kill()
    ended = tmux("status", "--watch", run_id)
    ended.wait_for("succeeded", "2 succeeded")
    ended.press("q")
    ended.wait_for(f"status {ExitCode.DONE.value}")


def test_a_crashed_run_is_told_with_the_command_that_resumes_it_and_another_size_is_drawn(
    aur: Aur, tmux: Open, project: Path
) -> None:
    run_id = spawned(aur)
    screen = tmux("status", "--watch", NO_COLOR="1")
    screen.wait_for("1 running")
    os.kill(coordinator(aur, run_id) or 0, signal.SIGKILL)
    screen.wait_for("crashed", f"aur resume {run_id}")
    assert not re.search(r"\x1b\[[\d;]*\b[34][0-8][;m]", screen.screen("-e")), "it has colours"
    screen.resize(60, 16)
    screen.wait_for(lambda shown: "crashed" in shown and len(shown.splitlines()[0]) <= 60)
    screen.resize(120, 40)
    screen.wait_for(f"resume it with: aur resume {run_id}")
    screen.press("C", "y")
    screen.wait_for("cancelled")


@pytest.mark.parametrize("end", few(["hang-up", "SIGTERM"], 1))
def test_the_view_ends_with_its_terminal_and_on_a_signal(aur: Aur, tmux: Open, project: Path, end: str) -> None:
    screen = tmux("status", "--watch")
    screen.wait_for("no run yet")
    (view,) = [
        each
        for each in psutil.process_iter(["cmdline", "cwd"])
        if "--watch" in (each.info["cmdline"] or ()) and each.info["cwd"] == str(project)
    ]
    if end == "SIGTERM":
        view.terminate()
        screen.wait_for("interrupted", f"status {ExitCode.INTERRUPTED.value}")
        assert screen.screen("-e").count("\x1b[?25l") == 0
    else:
        screen.kill()
    view.wait(timeout=30)


def test_a_question_is_answered_from_the_view(aur: Aur, tmux: Open, project: Path) -> None:
    (project / "tasks.md").write_text(
        "- [ ] 1 rm -rf lib\n  - Agent: claude\n- [ ] 2 rm -rf src\n  - Agent: claude\n"
    )
    (project / "lib").mkdir()
    assert aur("spawn", "tasks.md", "--bg", "--yes", "--isolation", "none").returncode == ExitCode.DONE
    screen = tmux("status", "--watch")
    screen.wait_for("2 questions", "rm -rf lib")
    screen.press("a")
    shown = screen.wait_for("a = approve", "Esc = leave it open")
    screen.press("C-c")
    screen.wait_for(f"status {ExitCode.INTERRUPTED.value}")
    assert (project / "lib").exists()
    screen.kill()
    screen = tmux("status", "--watch")
    screen.wait_for("2 questions")
    screen.press("a")
    shown = screen.wait_for("a = approve")
    approved = "lib" if "rm -rf lib" in shown else "src"
    screen.press("a")
    screen.wait_for("approved", "1 question")
    wait_for(lambda: not (project / approved).exists())
    screen.press("d")
    screen.wait_for("why?")
    screen.press("n", "o", "Enter")
    screen.wait_for("denied")
    screen.wait_for(lambda shown: "question" not in shown)
    assert (project / ("src" if approved == "lib" else "lib")).exists()
    notes = [each["note"] for each in json.loads(aur("approvals", "--all", "--json").stdout)["approvals"]]
    assert "no" in notes


def test_the_approval_prompt_of_a_run_in_the_foreground(aur: Aur, tmux: Open, project: Path) -> None:
    (project / "tasks.md").write_text("- [ ] 1 rm -rf lib\n  - Agent: claude\n")
    (project / "lib").mkdir()
    screen = tmux("spawn", "tasks.md", "--yes", "--isolation", "none")
    screen.wait_for("a = approve, d = deny, l = leave it open")
    screen.press("C-c")
    screen.wait_for(f"status {ExitCode.INTERRUPTED.value}")
    assert (project / "lib").exists()
    screen.kill()
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    screen = tmux("resume", run_id, "--retry-failed")
    screen.wait_for("a = approve, d = deny, l = leave it open")
    screen.press("a", "Enter")
    screen.wait_for(f"status {ExitCode.DONE.value}")
    assert not (project / "lib").exists()


@pytest.mark.parametrize(("keys", "status"), few([(["C-c"], 130), (["p", "Enter"], 0), (["a", "Enter"], 1)], 2))
def test_the_review_of_a_plan(tmux: Open, project: Path, keys: list[str], status: int) -> None:
    (project / ".aurora" / "config.yaml").unlink()
    screen = tmux("goals", "Add a discount to the till and test it")
    screen.wait_for("p = proceed", "a = abort")
    screen.press(*keys)
    screen.wait_for(f"status {status}")
    assert (project / ".aurora" / "plans").exists() is (status == 0)
