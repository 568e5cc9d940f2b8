"""The kind of the runs that sessions are."""

from __future__ import annotations

from typing import Final

SESSION_RUN: Final = "interact"
"""The kind of the runs of sessions, as the journal has it; their names begin with it."""
