"""`aur attach RUN/TASK --take-over` at a real terminal: the session of an agent in the user's hands, and back."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.taken_agent import SESSION
from tests.cli.talks import AUR
from tests.cli.waiting import wait_for
from tests.warm_python import WarmPopen

from aurora_cli.attachment import take_over
from aurora_cli.exits import ExitCode
from aurora_soar.taskruns.taking_over import TerminalCommand
from aurora_spawner.attempts.process_identity import identify
from aurora_spawner.control.control_client import NotRunningError
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

pytestmark = needs_tmux
AGENT = Path(__file__).with_name("taken_agent.py")


class World:
    """A project with a run whose agent is at work."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.screens: list[Tmux] = []
        self.run_id = ""

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Starts `aur` without a terminal."""
        quiet = subprocess.DEVNULL
        process = WarmPopen([AUR, *words], stdin=quiet, stdout=quiet, stderr=quiet, text=True)
        self.processes.append(process)
        return process

    def spawn(self) -> subprocess.Popen[str]:
        """Starts a run of one task in a worktree, and waits until its agent has said something."""
        process = self.begin("spawn", "tasks.md", "--yes", "--isolation", "worktree", "--merge", "auto")
        wait_for(lambda: len(self.calls) == 1)
        (spool,) = (self.project / ".aurora" / "runs").glob("spawn-*/")
        self.run_id = spool.name
        wait_for(lambda: b"I work on it" in (next(spool.glob("*/stdout"), Path(os.devnull))).read_bytes())
        return process

    def take_over(self) -> tuple[Tmux, int, Path]:
        """Takes the task over at a terminal; returns it, the process of the agent's program, and the worktree."""
        screen = Tmux("env", "TERM=screen-256color", AUR, "attach", f"{self.run_id}/1", "--take-over", columns=200)
        self.screens.append(screen)
        shown = screen.wait_for(f"session {SESSION} at a terminal: True")
        return screen, int(re.findall(r"terminal: True, process (\d+)", shown)[0]), Path(self.calls[0]["cwd"])

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls of the agent at work so far."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def events(self) -> list[str]:
        """The kinds of the run's events."""
        with closing(sqlite3.connect(self.project / ".aurora" / "runs.db")) as journal:
            rows = journal.execute("SELECT kind FROM events WHERE run_id = ? ORDER BY seq", (self.run_id,))
            return [str(row[0]) for row in rows]

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Lets the agent be done, and checks that it went on with its session and that nothing was lost."""
        wait_for(lambda: len(self.calls) == 2)
        (self.folder / "go").touch()
        assert process.wait(timeout=50) == ExitCode.DONE
        again = self.calls[1]
        assert again["arguments"][again["arguments"].index("--resume") + 1] == SESSION
        assert again["prompt"].startswith("The user has taken over this session for a while")
        assert "Do it" in again["prompt"]
        merged = subprocess.run(
            ["git", "show", "main:mine.txt"], check=False, cwd=self.project, capture_output=True, text=True
        )
        assert merged.stdout == "by the user\n"


@pytest.fixture
def world(shop: Path, tmp_path: Path) -> Iterator[World]:
    git = ["git", "-c", "user.email=a@example.org", "-c", "user.name=A"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    (shop / ".gitignore").write_text(".aurora/\ntasks.md\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Begin"], check=True)
    (shop / ".aurora").mkdir()
    folder = tmp_path / "agent"
    folder.mkdir()
    command = json.dumps([sys.executable, str(AGENT), str(folder)])
    (shop / ".aurora" / "config.yaml").write_text(
        f"tool: claude\nbackends:\n  claude: {{kind: claude, command: {command}}}\n"
    )
    (shop / ".aurora" / "policies.yaml").write_text("safety:\n  protected_branches: []\n")
    (shop / "tasks.md").write_text("- [ ] 1 Do it\n")
    found = World(shop, folder)
    yield found
    for process in found.processes:
        with process:
            process.kill()
    for screen in found.screens:
        with suppress(Exception):
            screen.kill()


def test_the_user_works_in_the_session_and_the_task_goes_on_when_they_leave(aur: Aur, world: World) -> None:
    run = world.spawn()
    screen, _pid, worktree = world.take_over()
    screen.press("write mine.txt", "Enter")
    screen.wait_for("wrote mine.txt")
    screen.press("gate git push --force origin main", "Enter")
    screen.wait_for("judged git push --force origin main: denied")
    screen.press("gate ls", "Enter")
    screen.wait_for("judged ls: allowed")
    second = Tmux(AUR, "attach", f"{world.run_id}/1", "--take-over", columns=200)
    world.screens.append(second)
    second.wait_for("it is taken over already, by process", f"status {ExitCode.ENVIRONMENT}")
    assert (worktree / "mine.txt").read_text() == "by the user\n"
    assert (world.events().count("attempt_intended"), len(world.calls)) == (1, 1)
    assert "1  Do it  taken over by the user (process" in aur("status").stdout
    screen.press("exit", "Enter")
    screen.wait_for("handed back: task 1 goes on in the same session", "status 0")
    world.finish(run)
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_a_kill_of_the_terminals_aur_ends_the_agents_program_and_the_task_goes_on(world: World) -> None:
    run = world.spawn()
    screen, pid, worktree = world.take_over()
    screen.press("write mine.txt", "Enter")
    screen.wait_for("wrote mine.txt")
    aur = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(aur, signal.SIGKILL)
    wait_for(lambda: identify(pid) is None)
    assert (worktree / "mine.txt").exists()
    world.finish(run)
    assert world.events().count("task_handed_back") == 1


def test_a_kill_of_the_coordinator_leaves_the_task_to_the_user_and_a_resume_holds_it(world: World) -> None:
    run = world.spawn()
    screen, _pid, _worktree = world.take_over()
    run.kill()
    run.wait()
    screen.press("write mine.txt", "Enter")
    screen.wait_for("wrote mine.txt")
    again = world.begin("resume", world.run_id, "--yes")
    wait_for(lambda: world.events().count("run_taken") == 2)
    screen.press("gate ls", "Enter")
    screen.wait_for("judged ls: allowed")
    assert len(world.calls) == 1
    screen.press("exit", "Enter")
    screen.wait_for("handed back", "status 0")
    world.finish(again)


def test_what_cannot_be_taken_over_is_refused(aur: Aur, world: World) -> None:
    world.spawn()
    assert aur("attach", world.run_id, "--take-over").returncode == ExitCode.USAGE
    assert "in your terminal, and there is none here" in aur("attach", f"{world.run_id}/1", "--take-over").stderr
    assert aur("cancel", world.run_id).returncode == ExitCode.DONE
    world.processes[0].wait(timeout=50)
    late = Tmux(AUR, "attach", f"{world.run_id}/1", "--take-over", columns=200)
    world.screens.append(late)
    late.wait_for("is not running", "continue it with: aur resume", f"status {ExitCode.ENVIRONMENT}")


def test_a_program_that_cannot_be_started_hands_the_task_back_and_takes_no_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    handed_back: list[str] = []
    missing = TerminalCommand(command=("sh",), cwd=tmp_path / "gone", environment={}, judged=True)
    taken = SimpleNamespace(task_id="1", agent="claude", cwd=missing.cwd)
    aurora: Any = SimpleNamespace(project=SimpleNamespace(runs_db=tmp_path), project_agents=None)
    monkeypatch.setattr(take_over, "take_over_task", lambda *_words: taken)
    monkeypatch.setattr(take_over, "opened_session", lambda *_words: missing)
    monkeypatch.setattr(take_over, "hand_back_task", lambda *words: handed_back.append(words[-1]))
    before = signal.getsignal(signal.SIGINT)
    leader, follower = os.openpty()
    with os.fdopen(leader), os.fdopen(follower) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(FileNotFoundError):
            take_over.take_over(aurora, "spawn-1", "1")
    assert (handed_back, signal.getsignal(signal.SIGINT)) == (["1"], before)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (NotRunningError("spawn-1", "paused"), "aur resume spawn-1 goes on with the task"),
        (SpawnerError("task 1 is not taken over"), "handing it back was refused: task 1 is not taken over"),
    ],
)
def test_what_becomes_of_a_task_that_cannot_be_handed_back_is_said_as_it_is(
    problem: SpawnerError,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_words: object) -> None:
        raise problem

    taken = SimpleNamespace(task_id="1", agent="claude", cwd=tmp_path)
    aurora: Any = SimpleNamespace(project=SimpleNamespace(runs_db=tmp_path), project_agents=None)
    monkeypatch.setattr(take_over, "take_over_task", lambda *_words: taken)
    monkeypatch.setattr(take_over, "opened_session", lambda *_words: SimpleNamespace(judged=True))
    monkeypatch.setattr(take_over, "_run", lambda _opened: None)
    monkeypatch.setattr(take_over, "hand_back_task", refuse)
    take_over.take_over(aurora, "spawn-1", "1")
    assert said in capsys.readouterr().err
