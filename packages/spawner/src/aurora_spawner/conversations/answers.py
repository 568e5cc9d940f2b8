"""Questions to a user that have several parts: how each is put, and the answer that each gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.backends.fields import Fields


def answer_of_each(names: Sequence[str], text: str) -> dict[str, str]:
    """Returns the answer to each part: as many lines as parts answer one each, any other text answers all."""
    lines = text.splitlines()
    return dict(zip(names, lines if len(lines) == len(names) else [text] * len(names), strict=True))


def with_choices(said: str, choices: Sequence[str]) -> str:
    """Returns a part of a question with the answers that may be given to it."""
    return f"{said} ({' | '.join(choices)})" if choices else said


def in_words(questions: Sequence[Fields]) -> str:
    """Returns questions as one text: of several, each with the labels of its options."""
    if len(questions) == 1:
        return questions[0].text("question")
    labels = ([option.text("label") for option in each.rows("options")] for each in questions)
    return "\n".join(with_choices(each.text("question"), of) for each, of in zip(questions, labels, strict=True))
