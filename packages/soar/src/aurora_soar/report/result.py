"""Events and result of an execution, as a caller of the orchestrator receives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.report.conversation_log import log_document
from aurora_soar.report.execution import Execution

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SoarEvent", "SoarResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoarEvent:
    """An event of an execution.

    Attributes:
        phase: the phase's name in the log, for example `phase5_collect`.
        kind: "started", "progress" or "finished".
        message: one line for a person; empty when a phase starts.
        elapsed_ms: since the execution started.
    """

    phase: str
    kind: str
    message: str
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoarResult(Execution):
    """The result of `execute`: the execution, its response and its log.

    Attributes:
        response: the answer in the requested form, made by phase 8.
        log_path: the conversation log; None if it could not be written.
        log_error: the reason why it could not be written; None if it was.
    """

    response: str
    log_path: Path | None
    log_error: str | None

    def to_dict(self) -> dict[str, object]:
        """Returns the conversation log's JSON block as plain data."""
        return log_document(self)
