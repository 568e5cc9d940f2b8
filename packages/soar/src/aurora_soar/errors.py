"""What can go wrong in SOAR, as types a caller may tell apart."""

from __future__ import annotations

__all__ = ["AgentOutputError", "EmptyQuestionError", "ModelAnswerError", "SoarError"]


class SoarError(Exception):
    """The root of every error that this package raises on purpose."""


class EmptyQuestionError(SoarError, ValueError):
    """The question holds no word to look for."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"the question {text[:60]!r} holds no word to look for; ask about something by its name, "
            'for example "Where are retries limited?"'
        )


class ModelAnswerError(SoarError, ValueError):
    """A model's words hold no document of the kind that it was asked for."""


class AgentOutputError(SoarError, ValueError):
    """An agent's output is not the document it promised.

    Attributes:
        agent: the agent's id.
        field: dotted path of the first field that is wrong, "" for the document as a whole.
    """

    def __init__(self, agent: str, field: str, reason: str) -> None:
        self.agent = agent
        self.field = field
        super().__init__(f"output of agent {agent}: {field or 'document'}: {reason}")
