"""Commands in the sandbox of the agents whose work they run on: they run code that the agents have written, too."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.sandbox.profile import PROFILE, TEMPORARY, launcher_command, profile_text
from aurora_spawner.sandbox.settings import strictest
from aurora_spawner.supervision.programs import find_on_path
from aurora_spawner.workspaces.checks import unconfined
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aurora_spawner.sandbox.settings import Confining, SandboxSettings
    from aurora_spawner.workspaces.checks import Confined


def confined_for(
    confining: Confining | None, agents: Iterable[str], *, told: Callable[[str], object] = lambda _problem: None
) -> Confined:
    """Returns how commands are confined that run on the work of agents: as the strictest of these agents.

    Args:
        confining: None confines nothing.
        told: called with the reason if a command has run although its sandbox did not hold.
    """
    found = [] if confining is None else [confining(agent).sandbox for agent in sorted(set(agents))]
    settings = strictest([each for each in found if each is not None and each.commands])
    return unconfined if settings is None else ConfinedCommands(settings=settings, told=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfinedCommands:
    """Runs each command in a sandbox with these settings, which tries by itself if it holds."""

    settings: SandboxSettings
    told: Callable[[str], object] = lambda _problem: None
    """Called with the reason if a command has run although the sandbox did not hold."""

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
            if found is None or found.sandboxed:
                return
            if self.settings.required:
                raise WorkspaceError(
                    folder, f"a command must run in a sandbox, and it does not hold: {found.problem}"
                )
            self.told(found.problem.replace(f" in {place}", " outside of it"))  # the same for each command
        finally:
            for each in (place, temporary):
                shutil.rmtree(each, ignore_errors=True)
