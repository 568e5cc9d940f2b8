"""Reads conversation logs, also those of the earlier system: found by the execution, with the JSON block as data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_core.bounded import read_regular, read_start
from aurora_soar.errors import LogFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ConversationLog", "find_log", "read_log"]

_LARGEST: Final = 32_000_000
_HEAD: Final = 600
_QUERY_ID: Final = re.compile(rb"^\*\*Query ID\*\*: (\S+)", re.MULTILINE)
_BLOCK: Final = "```json\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLog:
    """A log that was read.

    Attributes:
        document: its JSON block.
    """

    path: Path
    document: Mapping[str, Any]

    def phase(self, name: str) -> Mapping[str, Any]:
        """Returns what a phase has written; empty if the log has none of that name."""
        phases = self.document.get("phases")
        found = phases.get(name) if isinstance(phases, dict) else None
        return found if isinstance(found, dict) else {}


def find_log(folder: Path, query_id: str) -> ConversationLog | None:
    """Returns the log of an execution; None if there is none.

    Args:
        folder: of the logs, with a folder for each year in it.

    Raises:
        LogFileError: the log is there and cannot be read.
    """
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/*.md"), reverse=True):
        try:
            match = _QUERY_ID.search(read_start(path, _HEAD))
        except OSError:
            continue  # one that cannot be opened is not known to be the one
        if match is not None and match[1].decode("utf-8", "replace") == query_id:
            return read_log(path)
    return None


def read_log(path: Path) -> ConversationLog:
    """Reads one log.

    Raises:
        LogFileError: it cannot be read, or holds no JSON block.
    """
    try:
        text = read_regular(path, _LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise LogFileError(path, f"cannot be read: {error.strerror or error}") from error
    start = text.find(_BLOCK)
    if start < 0:
        raise LogFileError(path, "holds no JSON block; a part of it is missing")
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start + len(_BLOCK))
    except (ValueError, RecursionError) as error:
        line = text.count("\n", 0, start) + 2
        raise LogFileError(path, f"line {line}: the JSON block is broken: {error}") from error
    if not isinstance(document, dict):
        raise LogFileError(path, "its JSON block is no object")
    return ConversationLog(path=path, document=document)
