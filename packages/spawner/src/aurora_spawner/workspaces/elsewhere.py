"""Tells whether an agent works in the folder that it was started in, by what it says itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def works_elsewhere(folder: str, cwd: Path) -> str | None:
    """Returns what is wrong if an agent says that it works outside of the folder that it was started in.

    A folder that is not there is one of a container, where the same place has another name.
    """
    place = os.path.realpath(folder)
    own = os.path.realpath(cwd)
    if place == own or place.startswith(f"{own}{os.sep}") or not os.path.isdir(place):  # noqa: PTH112 -- as given
        return None
    return f"it works in {place}, not in its worktree {own}; its changes there were kept"
