"""The user's own policies for all projects, which hold beside a project's where they are stricter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aurora_policies import PoliciesEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["load_user_policies"]


def load_user_policies(environ: Mapping[str, str]) -> PoliciesEngine | None:
    """Reads the user's policies; None without a file.

    Raises:
        PolicyFileError: the file is not valid; nothing may run.
    """
    config_home = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    found = PoliciesEngine.load(Path(config_home) / "aurora" / "policies.yaml")
    return found if found.source else None
