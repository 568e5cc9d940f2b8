"""The background of a question for a model: earlier turns of its session, and earlier answers, within budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.prompts import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Hit
    from aurora_soar.sessions import Turn

__all__ = ["Background", "Carried", "tokens_of"]

_TURN_TOKENS: Final = 2_000
"""The budget of earlier turns."""
_ANSWER_TOKENS: Final = 1_000
"""The budget of earlier answers."""
_CHARACTERS_PER_TOKEN: Final = 4
"""An estimate for English and code; no tokenizer of a model is at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Earlier texts that are carried into a prompt.

    Attributes:
        text: for the prompt; "" if there is nothing.
        tokens: its estimated length.
        budget: the most that it may have.
        carried: the executions whose questions and answers are in it, oldest first.
        left_out: those that did not fit, and the one that was cut, a few words each.
    """

    text: str
    tokens: int
    budget: int
    carried: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """All that is carried into the prompts of one question."""

    turns: Carried
    answers: Carried

    @classmethod
    def of(cls, turns: Sequence[Turn], answers: Sequence[Hit]) -> Background:
        """Returns the background of a question with these earlier turns and answers."""
        return cls(turns=_turns(turns), answers=_answers(answers))

    @property
    def text(self) -> str:
        """The text for a prompt."""
        return self.turns.text + self.answers.text


def tokens_of(text: str) -> int:
    """Returns the estimated number of a text's tokens."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _turns(turns: Sequence[Turn]) -> Carried:
    """Returns the earlier turns of a session, the newest that fit; the last one is cut rather than left out."""
    parts = [
        (
            turn.query_id,
            f"Turn {turn.number}",
            f"Question: {turn.question}\nAnswer: {turn.answer}\n{_places(turn.sources)}",
        )
        for turn in turns
    ]
    return _fitting(parts, "The conversation so far, oldest first:", _TURN_TOKENS)


def _answers(hits: Sequence[Hit]) -> Carried:
    """Returns earlier answers to similar questions, the best that fit."""
    parts = [
        (r.run_id, f"Answer {r.run_id}", f"Question: {r.query}\nAnswer: {r.answer}\n{_places(r.sources)}")
        for hit in reversed(hits)
        if (r := hit.reasoning) is not None
    ]
    lead = "Answers that were given before to similar questions; the code that they cite has not changed since:"
    return _fitting(parts, lead, _ANSWER_TOKENS)


def _places(sources: Sequence[str]) -> str:
    return f"Places: {', '.join(sources)}"


def _fitting(parts: Sequence[tuple[str, str, str]], lead: str, budget: int) -> Carried:
    """Returns the last parts that fit together, each as (execution, title, text)."""
    left = budget * _CHARACTERS_PER_TOKEN - len(lead)
    kept: list[tuple[str, str, str]] = []
    left_out: list[str] = []
    for execution, title, text in reversed(parts):
        cost = len(title) + len(quoted([(title, text)]))
        if cost <= left:
            kept.append((execution, title, text))
            left -= cost
        elif not kept and left > 0:
            kept.append((execution, title, f"{text[: max(0, left - 400)]} …"))
            left_out.append(f"the end of {title.lower()}")
            left = 0
        else:
            left_out.append(title.lower())
    if not kept:
        return Carried(text="", tokens=0, budget=budget)
    kept.reverse()
    text = f"{lead}\n{quoted([(title, words) for _, title, words in kept])}\n"
    return Carried(
        text=text,
        tokens=tokens_of(text),
        budget=budget,
        carried=tuple(execution for execution, _, _ in kept),
        left_out=tuple(reversed(left_out)),
    )
