"""Names of runs and questions with their workspace, as in `shop:spawn-1`, written and read."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["WORKSPACE", "named", "named_in", "parted"]

WORKSPACE: Final = "aurora_cli.workspace"
"""The key in a command's context of the workspace that it is about; absent if it is the current folder's project."""


def named(workspace: str, name: str) -> str:
    """Returns the name of a run or of a question with its workspace; the bare name if that is ""."""
    return f"{workspace}:{name}" if workspace else name


def parted(name: str) -> tuple[str, str]:
    """Returns the workspace of a name, "" if it has none, and the name in the journal; a task may follow a `/`."""
    workspace, found, rest = name.partition(":")
    return (workspace, rest) if found and workspace and "/" not in workspace else ("", name)


def named_in(workspace: str, text: str, run_id: str) -> str:
    """Returns a text in which a run has its name with its workspace; paths and branches stay as they are."""
    return re.sub(rf"(?<![\w:/-]){re.escape(run_id)}(?![\w:-]|\.\w)", named(workspace, run_id), text)
