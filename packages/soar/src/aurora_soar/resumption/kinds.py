"""The kinds of the runs of questions and of their parts, as the journal has them."""

from __future__ import annotations

from typing import Final

__all__ = ["MODEL_RUN", "QUESTION_RUN", "SUBGOALS_RUN"]

QUESTION_RUN: Final = "soar"
"""The kind of the runs of questions."""
SUBGOALS_RUN: Final = "subgoals"
"""The kind of the runs of a question's subgoals."""
MODEL_RUN: Final = "model"
"""The kind of the runs that ask a model one thing."""
