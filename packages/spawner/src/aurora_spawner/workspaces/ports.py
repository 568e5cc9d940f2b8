"""Blocks of ports for worktrees: each is of one worktree of this user until that is removed, over all processes.

A block is a file in a folder beside the worktrees, named by its ports, with the path of its worktree in it. A
worktree that is gone has no block, whatever has removed it: a kill leaves nothing to tidy up.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.regular_files import read_regular
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.turns import turn

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = ".ports"
FIRST: Final = 20_000
END: Final = 32_000
"""The range, below the ports that systems give to outgoing connections."""
_NAME: Final = re.compile(r"(\d{1,5})-(\d{1,5})\Z")
_PATH_BYTES: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class PortBlock:
    """Ports that one worktree has for itself."""

    base: int
    count: int


def allot_ports(home: Path, worktree: Path, count: int) -> PortBlock:
    """Returns the block of a worktree: the one that it has, or else a free one, which it has from now on.

    Args:
        home: The folder for the worktrees of all repositories.
        worktree: Its folder, which is there.
        count: At least 1.

    Raises:
        WorkspaceError: No block is free, or it cannot be written down.
    """
    folder = home / FOLDER
    try:
        make_private_folder(folder)
        with turn(folder / ".lock"):
            held = {block: place for block, place in _blocks(folder) if _is_there(place) or _drop(folder, block)}
            own = next((block for block, place in held.items() if place == worktree), None)
            if own is not None and own.count == count:
                return own
            if own is not None:  # a block of another size, of an earlier preparation
                _drop(folder, own)
                del held[own]
            block = PortBlock(base=_free(held, count), count=count)
            _write(folder, block, worktree)
            return block
    except OSError as error:
        raise WorkspaceError(folder, f"has no block of {count} ports: {error.strerror or error}") from error


def free_ports(home: Path, worktree: Path) -> None:
    """Frees the block of a worktree that was removed; one that is not freed is found free later."""
    folder = home / FOLDER
    if folder.is_dir():
        with turn(folder / ".lock"), suppress(OSError):
            for block, place in _blocks(folder):
                if place == worktree:
                    _drop(folder, block)


def _blocks(folder: Path) -> Iterator[tuple[PortBlock, Path]]:
    for file in sorted(folder.iterdir()):
        if named := _NAME.match(file.name):
            yield PortBlock(base=int(named[1]), count=int(named[2])), _place(file)


def _is_there(place: Path) -> bool:
    try:
        return place.is_dir()
    except OSError:
        return False  # the name of a damaged file is too long for one


def _place(file: Path) -> Path:
    """Returns the worktree that a block belongs to; a path that is no folder if the file was damaged."""
    with suppress(OSError):
        content = read_regular(file, limit=_PATH_BYTES)
        if content.startswith(b"/") and b"\0" not in content:
            return Path(os.fsdecode(content))
    return file / "nothing"


def _drop(folder: Path, block: PortBlock) -> bool:
    (folder / f"{block.base}-{block.count}").unlink(missing_ok=True)
    return False


def _write(folder: Path, block: PortBlock, worktree: Path) -> None:
    new = folder / ".new"
    new.write_bytes(os.fsencode(worktree))
    new.replace(folder / f"{block.base}-{block.count}")


def _free(held: dict[PortBlock, Path], count: int) -> int:
    """Returns the first port of a block that no worktree has and no program listens in."""
    base = FIRST
    taken = sorted(held, key=lambda each: each.base)
    while base + count <= END:
        inside = next((each for each in taken if each.base < base + count and base < each.base + each.count), None)
        busy = None if inside is not None else next((n for n in range(base, base + count) if not _is_free(n)), None)
        if inside is None and busy is None:
            return base
        base = inside.base + inside.count if inside is not None else (busy or base) + 1
    raise OSError(errno.EADDRINUSE, f"none is free from {FIRST} to {END - 1}; remove worktrees: aur worktrees clean")


def _is_free(port: int) -> bool:
    with ExitStack() as opened:
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                one = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            except OSError:
                continue  # a system without it
            try:
                one.bind(("", port))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    return False
    return True
