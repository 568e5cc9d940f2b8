"""The path of a program, cached: an attempt needs it twice, and a search of eight folders takes 0.25 ms."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


def find_executable(program: str, search: str | None, folder: Path) -> str | None:
    """Returns the path of the file that an agent in a folder would start; None if there is none.

    Args:
        program: A name, or a path, which counts from the folder.
        search: As for `find_on_path`.
    """
    return shutil.which(str(folder / program)) if "/" in program else find_on_path(program, search)


def find_on_path(program: str, search: str | None) -> str | None:
    """Returns the path of a program, as a shell would find it; None if it is not found.

    Args:
        program: A name, or a path, which has a slash and is returned unchanged.
        search: Folders in the form of PATH; None takes this process's PATH.
    """
    if "/" in program:
        return program
    key = program, os.environ.get("PATH", os.defpath) if search is None else search
    found = _FOUND.get(key)
    if found is None or not os.access(found, os.X_OK):
        found = _FOUND[key] = shutil.which(program, path=key[1])
    return found


_FOUND: Final[dict[tuple[str, str], str | None]] = {}
"""Paths found earlier; a path that is gone is searched again."""
