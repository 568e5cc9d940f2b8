"""A walk through agent folders that follows links only within them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Tree"]

MAX_DEPTH: Final = 4
MAX_FOLDERS: Final = 500

Identity = tuple[int, int]
"""Device and inode."""


class Tree:
    """A walk that visits each folder and file once, however many links lead to it."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """Sets the bounds of a confined walk: folders below a root, but none that contains a root."""
        self._roots = [Path(os.path.realpath(each)) for each in roots]
        self._seen: set[Identity] = set()
        self._folders: list[Path] = []
        self._problems: list[tuple[str, str]] = []

    def files(self, folder: Path, *, confined: bool) -> Iterator[Path]:
        """Yields the files below a folder by name, the files of each folder before those of its subfolders.

        Args:
            confined: do not follow links that lead out of the roots; report them as problems.
        """
        if not confined or self._is_inside(folder):
            waiting = [(folder, 0)]
            walked = 0
            while waiting:
                here, depth = waiting.pop()
                if not self._is_new(here):
                    continue
                walked += 1
                if walked > MAX_FOLDERS:
                    self._problems.append(
                        (str(folder), f"holds more than {MAX_FOLDERS} folders; the rest is left out")
                    )
                    return
                files, folders = self._entries(here)
                yield from (each for each in files if self._is_new(each))
                self._folders += folders
                if depth < MAX_DEPTH:
                    inside = [each for each in folders if not confined or self._is_inside(each)]
                    waiting += [(each, depth + 1) for each in reversed(inside)]

    def taken_folders(self) -> list[Path]:
        """Returns the folders found since the last call, followed or not."""
        taken, self._folders = self._folders, []
        return taken

    def taken_problems(self) -> list[tuple[str, str]]:
        """Returns path and reason of each problem since the last call."""
        taken, self._problems = self._problems, []
        return taken

    def _entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        files: list[Path] = []
        folders: list[Path] = []
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda each: each.name):
                    if not _is_text(entry.name):
                        reason = f"{os.fsencode(entry.name)!r} has a name that is not UTF-8; rename it"
                        self._problems.append((str(folder), reason))
                    elif not entry.is_dir():
                        files.append(folder / entry.name)
                    elif not entry.name.startswith("."):
                        folders.append(folder / entry.name)
        except (FileNotFoundError, NotADirectoryError):
            pass  # the folders of most tools do not exist
        except OSError as error:
            self._problems.append((str(error.filename or folder), f"cannot be read: {error.strerror}"))
        return files, folders

    def _is_new(self, path: Path) -> bool:
        try:
            found = path.stat()
        except (OSError, ValueError):
            return True  # its reader says what is wrong with it
        identity = (found.st_dev, found.st_ino)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _is_inside(self, folder: Path) -> bool:
        real = Path(os.path.realpath(folder))
        if not folder.exists():
            return True  # nothing to follow
        inside = any(real.is_relative_to(each) for each in self._roots)
        if inside and not any(each.is_relative_to(real) for each in self._roots):
            return True
        self._problems.append((str(folder), f"is a link that leads to {real}, which is not followed"))
        return False


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
