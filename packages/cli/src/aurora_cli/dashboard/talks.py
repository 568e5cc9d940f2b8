"""The parts of the page of a session: its turns, each answer in pieces, of which only the last one still changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_cli.render.talks import usage_line
from aurora_cli.render.words import count, one_line
from aurora_spawner.conversations.stored import ReadSession
from aurora_spawner.conversations.transcript import TurnState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.conversations.transcript import Transcript, Turn

__all__ = ["MOST_CHARS", "DrawnTurns", "cut_at", "head_values", "session_row"]

PIECE_CHARS: Final = 4_000
"""A piece of an answer ends with the first paragraph after so many characters."""
LONGEST_PIECE: Final = 12_000
"""It ends with a line after so many, without a paragraph."""
KEY_CHARS: Final = 20_000
"""More than a private key has; a longer one is no key."""
MOST_CHARS: Final = 400_000
"""The characters of an answer that are shown."""
_TONES: Final[Mapping[str, str]] = {
    "waits for an answer": "waits",
    "cut off": "waits",
    "answering": "busy",
    "open": "good",
}


def cut_at(text: str, start: int) -> int | None:
    """Returns the end of the piece of an answer that begins at `start`; None while it may go on.

    Pieces are masked one by one: no line is cut in two, and no private key, which has many lines.
    """
    paragraph, line = text.find("\n\n", start + PIECE_CHARS), text.find("\n", start + LONGEST_PIECE)
    end = min((found + long for found, long in ((paragraph, 2), (line, 1)) if found >= 0), default=None)
    if end is None:
        return None
    key = text.rfind("PRIVATE KEY-----", start, end)
    if key < 0 or "-----END " in text[key - 40 : key]:
        return end
    closed = text.find("-----END ", key)
    if closed >= 0:
        return max(end, text.find("\n", closed) + 1)
    return end if len(text) - key > KEY_CHARS else None


@dataclass(slots=True)
class _Drawn:
    """The parts of a turn that were rendered.

    Attributes:
        pieces: those that do not change any longer.
        upto: the characters of the answer that are in them.
        whole: all parts, once the turn is over.
    """

    pieces: list[str] = field(default_factory=list)
    upto: int = 0
    whole: dict[str, str] | None = None


class DrawnTurns:
    """The turns of a session as HTML; what does not change any longer is not rendered again.

    Args:
        render: returns the HTML of a template for a turn, and for a piece of its answer.
    """

    def __init__(self, render: Callable[[str, Turn, str], str]) -> None:
        self._render = render
        self._of: Transcript | None = None
        self._drawn: dict[int, _Drawn] = {}

    def html(self, talk: Transcript) -> dict[str, str]:
        """Returns the parts of all turns, in their order."""
        if talk is not self._of:
            self._of, self._drawn = talk, {}
        return {name: html for turn in talk.turns for name, html in self._parts(turn).items()}

    def _parts(self, turn: Turn) -> dict[str, str]:
        drawn = self._drawn.setdefault(turn.number, _Drawn())
        if drawn.whole is not None:
            return drawn.whole
        found = {f"turn-{turn.number}": self._render("parts/turn", turn, "")}
        pieces = enumerate(self._pieces(drawn, turn), 1)
        found |= {f"turn-{turn.number}-{number}": html for number, html in pieces}
        if turn.state is not TurnState.ANSWERING:
            found[f"turn-{turn.number}-end"] = self._render("parts/turn_end", turn, "")
            drawn.whole = found
        return found

    def _pieces(self, drawn: _Drawn, turn: Turn) -> Iterator[str]:
        """Yields the pieces of an answer."""
        whole = turn.answer
        answer = whole[:MOST_CHARS]
        while (end := cut_at(answer, drawn.upto)) is not None:
            drawn.pieces.append(self._render("parts/turn_text", turn, answer[drawn.upto : end]))
            drawn.upto = end
        yield from drawn.pieces
        if rest := answer[drawn.upto :]:
            yield self._render("parts/turn_text", turn, rest)
        if len(whole) > MOST_CHARS:
            yield self._render("parts/turn_text", turn, "[the rest is in `aur interact --log`]")


def head_values(live: LiveRun, talk: Transcript) -> dict[str, Any]:
    """Returns the values of the head of a session's page."""
    state = _session(live, talk).state
    return {
        "run_id": live.run.run_id,
        "goal": one_line(talk.goal, 200) or live.run.run_id,
        "state": state,
        "tone": _TONES.get(state, "faint"),
        "talk": talk,
        "how": talk.went_on[-1][1] if talk.went_on else "",
        "turns": count(len(talk.turns), "turn"),
        "used": usage_line(talk.usage),
        "answering": state in ("answering", "waits for an answer") and live.status.pid is not None,
    }


def session_row(session: ReadSession) -> dict[str, Any]:
    """Returns the values of a line of the list of sessions."""
    talk = session.transcript
    return {
        "run_id": session.run_id,
        "about": one_line(talk.goal or (talk.turns[0].text if talk.turns else session.run_id), 120),
        "state": session.state,
        "tone": _TONES.get(session.state, "faint"),
        "agent": talk.agent,
        "turns": count(len(talk.turns), "turn"),
        "at": talk.turns[-1].at if talk.turns else session.created_at,
    }


def _session(live: LiveRun, talk: Transcript) -> ReadSession:
    return ReadSession(
        run_id=live.run.run_id,
        created_at=live.run.created_at,
        held=live.status.pid is not None,
        transcript=talk,
        questions=tuple(live.status.approvals),
    )
