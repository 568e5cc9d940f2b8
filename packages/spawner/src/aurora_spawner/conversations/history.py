"""The history of a session for an agent that keeps none: the newest turns within a budget of tokens. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.base import Said
from aurora_spawner.conversations.transcript import TurnState
from aurora_spawner.tasks.prompts import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.conversations.transcript import Turn

BYTES_PER_TOKEN: Final = 4
"""An estimate: no model's own count is known before it is asked."""


def tokens_of(text: str) -> int:
    """Returns the estimated number of a text's tokens."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def history_for(agent: str, turns: Sequence[Turn], *, tokens: int) -> tuple[tuple[Said, ...], int]:
    """Returns what an agent is sent before a turn, and how many earlier turns that holds.

    It ends with the agent's own last turn: what others were told since then is told with the next turn. The newest
    turns that fit are kept; the last one is cut rather than left out.

    Args:
        turns: all that are over.
    """
    kept: list[Said] = []
    held, left = 0, tokens
    for turn in reversed(known_to(agent, turns)):
        sides = _sides(agent, turn)
        cost = sum(tokens_of(each.text) for each in sides)
        if cost > left and not held:
            sides = [Said(by_user=each.by_user, text=shorten(each.text, tokens)) for each in sides]
            cost = left
        if cost > left:
            break
        kept[:0] = sides
        left -= cost
        held += 1
    return tuple(kept), held


def known_to(agent: str, turns: Sequence[Turn]) -> Sequence[Turn]:
    """Returns the turns up to an agent's own last one."""
    own = max((at for at, each in enumerate(turns) if each.agent == agent), default=-1)
    return turns[: own + 1]


def _sides(agent: str, turn: Turn) -> list[Said]:
    """Returns both sides of a turn; an answer of another agent, or one that is not whole, says so."""
    notes = [
        *([f"by agent {turn.agent}"] if turn.agent != agent else []),
        *([f"{turn.state}{f': {turn.problem}' if turn.problem else ''}"] if turn.state is not TurnState.DONE else []),
    ]
    note = f"({'; '.join(notes)})" if notes else ""
    answer = "\n".join(filter(None, (turn.answer.strip(), note))) or "(no answer)"
    return [Said(by_user=True, text=turn.text.strip() or "(nothing)"), Said(by_user=False, text=answer)]
