"""Checks and set-up commands in the sandbox of a task's agent: they run code that the agent has written, too."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.sandbox.profile import PROFILE, TEMPORARY, launcher_command, profile_text
from aurora_spawner.supervision.programs import find_on_path
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.sandbox.settings import SandboxSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfinedCommands:
    """Runs each command in a sandbox with these settings, which tries by itself if it holds."""

    settings: SandboxSettings

    @contextmanager
    def __call__(
        self, command: tuple[str, ...], folder: Path, environment: Mapping[str, str]
    ) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
        """Yields the command and the variables with which it runs in the sandbox.

        Args:
            folder: the one that it runs in, and may change.

        Raises:
            WorkspaceError: The sandbox is required and did not hold, so the command has not run.
        """
        program = find_on_path(command[0], environment.get("PATH"))
        if program is None:  # the system says so, as without a sandbox
            yield command, environment
            return
        place, temporary = (Path(tempfile.mkdtemp(prefix=f"aurora-{name}-")) for name in ("profile", "check"))
        try:
            files = AttemptFolder(path=place)
            home = Path(environment.get("HOME", "/"))
            text = profile_text(
                self.settings,
                cwd=folder,
                more=(temporary,),
                report=files.sandbox,
                tries=(place, home, Path("/var/tmp"), Path(tempfile.gettempdir())),  # noqa: S108
            )
            (place / PROFILE).write_text(text, encoding="utf-8")
            own = {name: str(temporary) for name in TEMPORARY}
            yield launcher_command(place / PROFILE, program, command), {**environment, **own}
            found = files.read_sandbox()
            if self.settings.required and found is not None and not found.sandboxed:
                raise WorkspaceError(
                    folder, f"a command must run in a sandbox, and it does not hold: {found.problem}"
                )
        finally:
            for each in (place, temporary):
                shutil.rmtree(each, ignore_errors=True)
