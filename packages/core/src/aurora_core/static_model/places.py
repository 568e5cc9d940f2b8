"""The places of the models of a user's projects: in the user's cache, one file a project."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["model_path"]


def model_path(root: Path, environ: Mapping[str, str]) -> Path | None:
    """Returns the file of a project's model in the user's cache; None without a home folder."""
    base = environ.get("XDG_CACHE_HOME") or (f"{environ['HOME']}/.cache" if environ.get("HOME") else "")
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
    return Path(base) / "aurora" / "semantic" / f"project-{name}.npz" if base else None
