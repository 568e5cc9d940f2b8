"""One `aur spawn` with real agents, cut off from the network, and what it left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tests.e2e.wirings import address, cline_login, search_path, wiring

from aurora_spawner.journal.store import Journal
from aurora_spawner.recovery.report import recovery_report
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from tests.e2e.cut_off import Cell

AUR = Path(sys.executable).with_name("aur")
QUICK = {"max_retries": 1, "base_delay": 0.1, "max_delay": 0.1, "jitter": False}


@dataclass(slots=True, kw_only=True)
class Stage:
    """A project of its own in a folder of its own."""

    cell: Cell
    folder: Path
    backends: dict[str, dict[str, Any]] = field(default_factory=dict)
    recovery: dict[str, Any] = field(default_factory=lambda: dict(QUICK))
    tasks: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    """More words for `aur spawn`."""
    commits: bool = False
    """The project has a commit, so tasks get worktrees."""
    as_json: bool = True
    config: dict[str, Any] = field(default_factory=dict)
    """More settings of the project."""
    policies: str = ""
    """What `.aurora/policies.yaml` holds; empty for no such file."""
    variables: dict[str, str] = field(default_factory=dict)
    """More of what the user has set."""
    program: tuple[str, ...] = (str(AUR),)
    """The command in place of `aur`."""

    @property
    def project(self) -> Path:
        """Where `aur` runs."""
        return self.folder / "project"

    @property
    def home(self) -> Path:
        """The user's."""
        return self.folder / "home"

    @property
    def environ(self) -> dict[str, str]:
        """What the user has set: nothing that is not needed."""
        return {
            "PATH": search_path(),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "AURORA_TRUST": "1",
            **self.variables,
        }

    def add_agent(self, kind: str, play: str, key: str, *, name: str = "", **more: Any) -> None:
        """A backend of that kind, named after its key if not otherwise; a key goes on where it was used before."""
        self.home.mkdir(exist_ok=True)
        home = self.home / key
        if kind == "cline":
            home.mkdir()
            self.run(*cline_login(address(play, key), home))
        self.backends[name or key] = {**wiring(kind, play, key, home), **more}

    def add_task(self, agent: str, text: str = "Please do it", *details: str) -> None:
        """A task for an agent; of several, separated by commas, each is a candidate."""
        key = "Agents" if "," in agent else "Agent"
        lines = [f"- [ ] {len(self.tasks) + 1} {text}", f"  - {key}: {agent}", *(f"  - {each}" for each in details)]
        self.tasks.append("\n".join(lines))

    def run(self, *command: str) -> None:
        """A command of the user's, inside."""
        subprocess.run(self.cell.inside(*command), env=self.environ, check=True, timeout=90, capture_output=True)

    def set_up(self) -> None:
        """Make the project, its configuration and the user's."""
        (self.project / ".aurora").mkdir(parents=True)
        self.home.mkdir(exist_ok=True)
        (self.home / ".gitconfig").write_text("[user]\n\tname = Somebody\n\temail = somebody@example.invalid\n")
        subprocess.run(["git", "init", "-q", "--initial-branch=work"], cwd=self.project, env=self.environ, check=True)
        spawner = {"recovery": self.recovery, "max_concurrent": 8}
        config = {"backends": self.backends, "spawner": spawner, **self.config}
        (self.project / ".aurora" / "config.yaml").write_text(yaml.safe_dump(config))
        if self.policies:
            (self.project / ".aurora" / "policies.yaml").write_text(self.policies)

    def start(self) -> subprocess.Popen[str]:
        """Begin the run."""
        self.set_up()
        (self.project / "tasks.md").write_text("\n".join(self.tasks) + "\n")
        if self.commits:
            subprocess.run(["git", "add", "tasks.md"], cwd=self.project, env=self.environ, check=True)
            subprocess.run(["git", "commit", "-qm", "First"], cwd=self.project, env=self.environ, check=True)
        return self.begin("spawn", "tasks.md", *(["--json"] if self.as_json else []), *self.options)

    def begin(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start `aur` in the project as it is."""
        return subprocess.Popen(
            self.cell.inside(*self.program, *words),
            cwd=self.project,
            env=self.environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], *, within_s: float = 120.0) -> Played:
        """See the run to its end."""
        try:
            stdout, stderr = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            stdout, stderr = process.communicate(timeout=60)
            raise AssertionError(f"it did not end within {within_s} s\n{stderr}\n{stdout}") from None
        assert stdout.strip(), stderr
        return Played(
            stage=self, status=process.returncode, document=json.loads(stdout), told=stderr, at=time.monotonic()
        )

    def play(self, *, within_s: float = 120.0) -> Played:
        """The whole run."""
        return self.finish(self.start(), within_s=within_s)

    def attempt_file(self, name: str, *, position: int = 0, number: int = 1, within_s: float = 60.0) -> Path:
        """A file of an attempt, as soon as it is there and has something in it."""
        return self.appears(f".aurora/runs/*/{position:05d}-*-{number}/{name}", within_s=within_s)

    def appears(self, pattern: str, *, within_s: float = 60.0) -> Path:
        """A file of the project, as soon as it is there and has something in it."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            found = [path for path in self.project.glob(pattern) if path.stat().st_size]
            if found:
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"{pattern} does not appear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a run."""

    stage: Stage
    status: int
    document: dict[str, Any]
    told: str
    """What was said on stderr."""
    at: float

    @property
    def task(self) -> dict[str, Any]:
        """The first task's result."""
        found = self.document["tasks"][0]
        assert isinstance(found, dict)
        return found

    def causes(self, task_id: str = "1") -> list[str]:
        """What the task's attempts failed of, in order, as they were classified."""
        with Journal(self.stage.project / ".aurora" / "runs.db") as journal:
            report = recovery_report(journal, self.document["run_id"])
        state = next(each for each in report.tasks if each.task_id == task_id)
        return [change.cause for change in state.transitions if change.cause]

    def notices(self) -> tuple[str, ...]:
        """What the journal has to tell about providers and stalls."""
        with Journal(self.stage.project / ".aurora" / "runs.db") as journal:
            return recovery_report(journal, self.document["run_id"]).notices

    def left_over(self) -> list[int]:
        """Processes of the run that still live."""
        return processes_of_run(self.document["run_id"])

    def asked(self, key: str) -> list[dict[str, Any]]:
        """What the stand-in was asked."""
        return self.stage.cell.asked(key)
