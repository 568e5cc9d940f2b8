"""The probe of the sandbox apart from an attempt: the launcher's own, with a program that does nothing."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.sandbox_finding import SandboxFinding
from aurora_spawner.sandbox.profile import PROFILE, launcher_command, profile_text

if TYPE_CHECKING:
    from aurora_spawner.sandbox.settings import SandboxSettings

LIMIT_S: Final = 20.0


def probe_sandbox(settings: SandboxSettings) -> SandboxFinding:
    """Puts up the sandbox of these settings around a folder of its own, and returns what its probe has shown."""
    with tempfile.TemporaryDirectory(prefix="aurora-") as name:
        outside, cwd = Path(name), Path(name) / "workspace"
        cwd.mkdir()
        files = AttemptFolder(path=outside)
        profile = outside / PROFILE
        text = profile_text(settings, cwd=cwd, more=(), report=files.sandbox, tries=(outside,))
        profile.write_text(text, encoding="utf-8")
        command = launcher_command(profile, "/bin/sh", ("sh", "-c", ":"))
        try:
            done = subprocess.run(
                command, check=False, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            return not_tried(str(error))
        said = done.stderr.decode("utf-8", "replace").strip()
        return files.read_sandbox() or not_tried(said or f"exit status {done.returncode}")


def not_tried(problem: str) -> SandboxFinding:
    """Returns the finding of a sandbox that could not even be tried."""
    return SandboxFinding(
        sandboxed=False,
        mechanism="none",
        write_outside="possible",
        closed_port=None,
        problem=f"it could not be put up: {problem}",
    )
