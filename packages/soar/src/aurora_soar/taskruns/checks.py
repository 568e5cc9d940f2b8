"""The commands that a task file names for Aurora itself to run, and the trust that they need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aurora_core import TrustStore
from aurora_core.trust import Claim, Part
from aurora_soar.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_core import Project

__all__ = ["ignored_checks_notice", "task_file_claim", "untrusted_checks"]


def task_file_claim(project: Project, path: Path, commands: Sequence[str]) -> Claim | None:
    """Returns the claim of a task file; None if its tasks name no commands.

    Args:
        commands: as the file has them, so that a recipe is trusted once and not for each value.
    """
    if not commands:
        return None
    name = os.path.relpath(path.resolve(), project.root)
    return Claim(part=Part.TASK_FILES, name=name, says=tuple(f"runs {command}" for command in commands))


def untrusted_checks(project: Project, path: Path, commands: Sequence[str]) -> Claim | None:
    """Returns the claim of a task file if the user does not trust it; its commands then have no effect.

    Raises:
        TrustStoreError: a record of trust cannot be read.
    """
    claim = task_file_claim(project, path, commands)
    return None if claim is None or TrustStore.of(os.environ).trusts_claim(project, claim) else claim


def ignored_checks_notice(claim: Claim) -> Notice:
    """Returns a one-line notice of checks that do not run."""
    commands = len(claim.says)
    which = "its check" if commands == 1 else f"its {commands} checks"
    name = " ".join(claim.name.split())
    until = f"{which} will not run until you trust the file: aur trust {name}"
    return Notice(message=f"{name}: {until}; work that is done before stays unchecked", warning=True)
