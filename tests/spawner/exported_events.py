"""The events of a journal as an export has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aurora_spawner.control.audit_export import Selection, exported_lines

if TYPE_CHECKING:
    from pathlib import Path


def exported_events(journal: Path, *kinds: str) -> list[dict[str, Any]]:
    """Returns the events of some kinds, the oldest first."""
    lines = exported_lines(journal, Selection(), keep_days=None)
    return [event for event in map(json.loads, lines) if event["kind"] in kinds]
