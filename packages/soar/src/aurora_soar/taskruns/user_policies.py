"""The user's own policies for all projects, which hold beside a project's where they are stricter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aurora_core.settings.user_folder import user_folder
from aurora_policies import PoliciesEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["load_user_policies"]


def load_user_policies(environ: Mapping[str, str]) -> PoliciesEngine | None:
    """Reads the user's policies; None without a file.

    Raises:
        PolicyFileError: the file is not valid; nothing may run.
    """
    folder = user_folder({**environ, "HOME": str(Path.home())})  # they hold without the variable, too
    found = PoliciesEngine.load(folder / "policies.yaml") if folder else None
    return found if found and found.source else None
