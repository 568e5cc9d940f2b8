"""The profile of one attempt's sandbox, as the launcher reads it, and the command that runs the launcher."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.sandbox import launcher
from aurora_spawner.sandbox.mechanisms import find_mechanism
from aurora_spawner.sandbox.places import place_to_try, protected_places, writable_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.attempts.executor import AttemptOrder
    from aurora_spawner.sandbox.settings import SandboxSettings

PROFILE: Final = "sandbox.json"
TEMPORARY: Final = ("TMPDIR", "TMP", "TEMP", "CLAUDE_CODE_TMPDIR")
"""The variables that name a program's temporary folder; Claude Code has one of its own."""


def temporary_folder(token: str) -> Path:
    """Returns the temporary folder of an attempt in a sandbox; its name is short, since sockets are made in it."""
    return Path(tempfile.gettempdir()) / f"aurora-{token}"


def sandboxed(order: AttemptOrder, settings: SandboxSettings, program: str) -> AttemptOrder:
    """Makes the places that an attempt needs; returns its order, by which the launcher starts the agent.

    Args:
        program: The path of the agent's program.

    Raises:
        OSError: A place could not be made.
    """
    temporary = temporary_folder(order.token)
    temporary.mkdir(mode=0o700)
    for each in order.writes:
        if each.suffix != ".json":  # a file is the agent's to make
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = {name: str(temporary) for name in TEMPORARY}
    text = profile_text(
        settings,
        cwd=order.cwd,
        more=(temporary, *order.writes),
        report=AttemptFolder(path=order.folder).sandbox,
        tries=(order.folder, Path(order.environment.get("HOME", "/")), Path("/var/tmp"), Path(tempfile.gettempdir())),  # noqa: S108
    )
    file = order.folder / PROFILE
    return replace(
        order,
        command=launcher_command(file, program, order.command),
        environment={**order.environment, **own},
        files={**order.files, file: text},
    )


def launcher_command(profile: Path, program: str, command: Sequence[str]) -> tuple[str, ...]:
    """Returns the command that starts a program in the sandbox of a profile."""
    return (sys.executable, "-I", "-S", launcher.__file__, str(profile), "--", program, *command)


def profile_text(
    settings: SandboxSettings, *, cwd: Path, more: Sequence[Path], report: Path, tries: Sequence[Path]
) -> str:
    """Returns a profile.

    Args:
        more: Further places that the agent may change.
        report: The file for the outcome of the probe.
        tries: Folders outside in one of which the probe tries to write.
    """
    mechanism = find_mechanism(own_network=settings.network == "none")
    writable = writable_places(cwd, (*more, *settings.writable))
    outside = place_to_try(tries, writable)
    return json.dumps(
        {
            "mechanism": mechanism.name,
            "program": mechanism.program,
            "missing": mechanism.missing if mechanism.name == "none" else "",
            "required": settings.required,
            "writable": [os.fspath(each) for each in writable],
            "protected": [os.fspath(each) for each in protected_places(cwd, writable)],
            "network": settings.network,
            "outside": "" if outside is None else str(outside),
            "report": str(report),
        }
    )
