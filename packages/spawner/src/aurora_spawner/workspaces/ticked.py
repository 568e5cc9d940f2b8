"""Uncommitted changes that are ticks alone: what Aurora writes into the task files of earlier runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.workspaces.git import Git

_SUFFIXES: Final = frozenset({".md", ".markdown"})
_OPEN_BOX: Final = re.compile(rb"(?P<before>[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)]|#{1,6})[ \t]+)+\[) \]")
_TICKED: Final = rb"\g<before>x]"


def ticked_files(git: Git, files: Iterable[str]) -> frozenset[str]:
    """Returns the Markdown files of a checkout that differ from its commit in nothing but boxes that were ticked.

    Args:
        files: Changed files, relative to the checkout.
    """
    return frozenset(name for name in files if _is_ticked(git, name))


def _is_ticked(git: Git, name: str) -> bool:
    path = git.folder / name
    if path.suffix.lower() not in _SUFFIXES or path.is_symlink() or not path.is_file():
        return False
    try:
        committed = git.run("cat-file", "blob", f"HEAD:{name}").data
    except GitError:  # it is in no commit
        return False
    try:
        return _ticks_alone(committed, path.read_bytes())
    except OSError:  # it is being replaced, or may not be read
        return False


def _ticks_alone(old: bytes, new: bytes) -> bool:
    # Git may have written other line ends into the checkout.
    before, after = (text.replace(b"\r\n", b"\n").split(b"\n") for text in (old, new))
    return len(before) == len(after) and all(
        line == now or _ticked(line) == now for line, now in zip(before, after, strict=True)
    )


def _ticked(line: bytes) -> bytes | None:
    box = _OPEN_BOX.match(line)
    return None if box is None else box.expand(_TICKED) + line[box.end() :]
