"""An execution as a turn of its session, and what "it" means in the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.evidence.cited_code import symbol_at
from aurora_soar.sessions import Turn

if TYPE_CHECKING:
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.report.execution import Execution
    from aurora_soar.sessions import Conversation

__all__ = ["keep_turn", "subject_of", "turn_of"]


def turn_of(execution: Execution, subject: str) -> Turn:
    """Returns the turn, without its number; a question outside of a session begins one of its own name."""
    return Turn(
        session=execution.session or execution.query_id,
        query_id=execution.query_id,
        at=execution.started_at.timestamp(),
        asked=execution.asked,
        question=execution.question.text,
        answer=execution.answer,
        sources=tuple(f"{source.file}:{source.line}" for source in execution.sources),
        subject=subject,
    )


def subject_of(execution: Execution, memory: SoarMemory) -> str:
    """Returns the code that a question names, else the definition at the first source, else the question's words."""
    question = execution.question
    if question.identifiers:
        return question.identifiers[0]
    if execution.sources and not execution.synthesis.absent:
        first = execution.sources[0]
        if symbol := symbol_at(memory, first.file, first.line):
            return symbol
    return question.focus


def keep_turn(conversation: Conversation, turn: Turn) -> str:
    """Stores a turn; returns why that failed, "" if it did not."""
    try:
        conversation.add(turn)
    except OSError as error:
        return f"the session was not written: {error.strerror or error}"
    return ""
