"""Names of runs and questions with their workspace, as in `shop:spawn-1`, written and read."""

from __future__ import annotations

__all__ = ["named", "parted"]


def named(workspace: str, name: str) -> str:
    """Returns the name of a run or of a question with its workspace; the bare name if that is ""."""
    return f"{workspace}:{name}" if workspace else name


def parted(name: str) -> tuple[str, str]:
    """Returns the workspace of a name, "" if it has none, and the name in the journal; a task may follow a `/`."""
    workspace, found, rest = name.partition(":")
    return (workspace, rest) if found and workspace and "/" not in workspace else ("", name)
