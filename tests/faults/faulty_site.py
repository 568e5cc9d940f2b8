"""A project whose `aur` kills itself at a step, with all that its processes have said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.spawner.workspaces.repository import ALONE, make_repository
from tests.warm_python import WarmPopen

if TYPE_CHECKING:
    from tests.spawner.workspaces.repository import Repository

FAULTY: Final = Path(__file__).with_name("faulty_pool.py")
TASKS: Final = "- [ ] 1 One\n- [ ] 2 Two\n- [ ] 3 Three\n  - Depends: 1, 2\n"


@dataclass(slots=True, kw_only=True)
class FaultySite:
    """The project, and the processes of `aur` on it."""

    folder: Path
    project: Repository
    variables: dict[str, str]
    """More of what the user has set."""
    started: list[WarmPopen[str]] = field(default_factory=list)

    def begin(self, *words: str, fault: str = "") -> WarmPopen[str]:
        """Starts `aur`, which kills itself at a step if it is told to."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
        environ |= {
            **ALONE,
            "HOME": str(self.folder / "home"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "AURORA_TRUST": "1",
            **self.variables,
        }
        program = ["-m", "aurora_cli"]
        if fault:
            program = [str(FAULTY)]
            environ |= {"AURORA_FAULT": fault, "AURORA_FAULT_DONE": str(self.folder / "killed")}
        with (self.folder / f"log-{len(self.started)}").open("w") as log:
            process: WarmPopen[str] = WarmPopen(
                [sys.executable, *program, *words], cwd=self.project.path, env=environ, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def ended(self, process: WarmPopen[str], within_s: float = 90.0) -> int:
        """Waits for a process; returns its status, -9 for one that has killed itself."""
        try:
            return process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.said) from None

    @property
    def said(self) -> str:
        """Returns what all processes have printed."""
        return "\n".join(each.read_text() for each in sorted(self.folder.glob("log-*")))

    def json(self, *words: str) -> Any:
        """Returns the document that a command prints."""
        process = self.begin(*words, "--json")
        self.ended(process)
        return json.loads((self.folder / f"log-{len(self.started) - 1}").read_text())

    def close(self) -> None:
        """Ends the processes that still run."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()


def faulty_project(folder: Path, config: str) -> Repository:
    """Makes a project with `TASKS` and this configuration, and the user's home beside it."""
    files: dict[str, str | None] = {"tasks.md": TASKS, ".aurora/config.yaml": config, ".gitignore": ".aurora/*\n"}
    project = make_repository(folder / "project", files)
    project("checkout", "--quiet", "-b", "work")  # a protected branch would want an approval
    (folder / "home").mkdir()
    return project
