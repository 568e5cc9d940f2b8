"""Where a program is; an agent is looked for twice an attempt, and eight folders take a quarter of a millisecond."""

from __future__ import annotations

import os
import shutil
from typing import Final


def find_on_path(program: str, search: str | None) -> str | None:
    """The path of a program, as a shell would find it; None where it is not there.

    Args:
        program: Its name; one with a slash in it is a path already, and is taken as it is.
        search: Folders as in PATH; None takes this process's own.
    """
    if "/" in program:
        return program
    key = program, os.environ.get("PATH", os.defpath) if search is None else search
    found = _FOUND.get(key)
    if found is None or not os.access(found, os.X_OK):
        found = _FOUND[key] = shutil.which(program, path=key[1])
    return found


_FOUND: Final[dict[tuple[str, str], str | None]] = {}
"""What was found before; it is asked anew where it is gone."""
