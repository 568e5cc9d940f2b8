"""The folder of a user's own settings, which hold in all projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["user_folder"]


def user_folder(environ: Mapping[str, str]) -> Path | None:
    """Returns the folder in which Aurora looks for a user's files; None without a home folder."""
    base = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    return Path(base) / "aurora" if base else None
