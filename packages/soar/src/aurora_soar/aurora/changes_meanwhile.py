"""Changes of the project's folder while an agent answers or plans: it works there, and should change nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.git import run_git
from aurora_soar.notices import Notice
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aurora_soar.notices import Notify

__all__ = ["achanges_told", "changes_told"]

_NAMED: Final = 5
_STATUS: Final = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ".")


@contextmanager
def changes_told(root: Path, tool: str | None, notify: Notify) -> Iterator[None]:
    """Tells of files that have changed when the block ends, as far as git sees them; nothing without an agent.

    Args:
        tool: the agent that answers.
    """
    before = _state(root) if _works(tool) else None
    try:
        yield
    finally:
        if before is not None:
            _tell(before, _state(root), tool, notify)


@asynccontextmanager
async def achanges_told(root: Path, tool: str | None, notify: Notify) -> AsyncIterator[None]:
    """Does what `changes_told` does, and looks in a thread."""
    before = await asyncio.to_thread(_state, root) if _works(tool) else None
    try:
        yield
    finally:
        if before is not None:
            _tell(before, await asyncio.to_thread(_state, root), tool, notify)


def _works(tool: str | None) -> bool:
    return tool not in (None, LOCAL_AGENT)


def _tell(before: Mapping[str, object], after: Mapping[str, object] | None, tool: str | None, notify: Notify) -> None:
    if after is not None and (files := _changed(before, after)):
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        named = f"{', '.join(files[:_NAMED])}{more}"
        notify(Notice(message=f"changed in your folder while {tool} worked in it: {named}", warning=True))


def _state(root: Path) -> Mapping[str, object] | None:
    """Returns what differs from the last commit, by path, and the commit itself; None where git cannot say."""
    top = run_git(root, "rev-parse", "--show-toplevel")
    status = run_git(root, *_STATUS)
    if top is None or status is None or not status.complete:
        return None
    head = run_git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    folder = Path(os.fsdecode(top.data.removesuffix(b"\n")))
    found: dict[str, object] = {"HEAD": head.data if head else b""}
    for entry in filter(None, status.data.decode("utf-8", "surrogateescape").split("\0")):
        path = folder / entry[3:]
        if path.is_relative_to(root / ".aurora"):
            continue
        try:
            seen = path.lstat()
            found[entry[3:]] = (entry[:2], seen.st_mtime_ns, seen.st_size)
        except OSError:
            found[entry[3:]] = (entry[:2],)
    return found


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    paths = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return [path.encode("utf-8", "backslashreplace").decode() for path in paths]
