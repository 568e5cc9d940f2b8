"""Keeps a memory up to date while files change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import watch

from aurora_core.indexing.walk import IGNORE_FILES, TOOL_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from aurora_core.memory import Memory
    from aurora_core.report import IndexReport

__all__ = ["Watched", "watch_files"]

# Changes are gathered until none has come for this long, or for the longest time in all: an edit is to be found
# within a second.
QUIET_MS: Final = 50
LONGEST_MS: Final = 400
# After a change of this many paths (a checkout, an unpacked archive) one scan is cheaper, and misses nothing.
FULL_INDEX_AT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One update of the memory after files changed.

    Attributes:
        paths: changed paths, from the project's root; empty for the first index of everything. A new folder comes
            twice.
    """

    paths: tuple[str, ...]
    report: IndexReport


def _is_relevant(root: Path, path: str) -> bool:
    """Returns True if a change can affect the index: not in skipped folders, except git's HEAD and branches."""
    parts = Path(path).relative_to(root).parts
    return _moves_head(parts) or not any(part in TOOL_FOLDERS for part in parts)


def _moves_head(parts: tuple[str, ...]) -> bool:
    """Returns True if a path is where git records that a branch or HEAD moved."""
    return parts[:1] == (".git",) and (parts[1:] in (("HEAD",), ("packed-refs",)) or parts[1:3] == ("refs", "heads"))


def watch_files(memory: Memory, *, stop: Event | None = None) -> Iterator[Watched]:
    """Indexes a project, then every change until it is stopped; yields after each update.

    The first index and the watch overlap, so that no change is missed between them.

    Args:
        stop: ends the watch when it is set.

    Raises:
        StoreError: memory.db cannot be written.
    """
    changes = watch(
        memory.root,
        watch_filter=lambda _, path: _is_relevant(memory.root, path),
        stop_event=stop,
        step=QUIET_MS,
        debounce=LONGEST_MS,
        rust_timeout=QUIET_MS,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    # The watch stands when it has answered for the first time.
    early = {path for _, path in next(changes, set())}
    yield Watched(paths=(), report=memory.index())
    if early:
        yield _update(memory, early)
    folders = _folders(early)
    for batch in changes:
        changed = {path for _, path in batch}
        if changed or folders:
            yield _update(memory, changed | folders)
        folders = _folders(changed)


def _folders(changed: set[str]) -> set[str]:
    """Returns new folders, to be indexed again: no event comes for files put in before the folder was watched."""
    return {path for path in changed if Path(path).is_dir()}


def _update(memory: Memory, changed: set[str]) -> Watched:
    paths = tuple(sorted(Path(path).relative_to(memory.root).as_posix() for path in changed))
    everything = len(paths) > FULL_INDEX_AT or any(path.startswith(".git/") or _is_rule(path) for path in paths)
    report = memory.index() if everything else memory.update(paths)
    return Watched(paths=paths, report=report)


def _is_rule(path: str) -> bool:
    """Returns True if a file holds ignore rules."""
    return path.rpartition("/")[2] in IGNORE_FILES
