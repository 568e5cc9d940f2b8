"""Text and JSON of sessions in which the user talks with agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aurora_cli.render.approvals import settled_line, short_line
from aurora_cli.render.moments import to_the_minute, to_the_second
from aurora_cli.render.words import count, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.conversations.stored import ReadSession
    from aurora_spawner.conversations.transcript import Turn
    from aurora_spawner.tasks.usage import Usage

__all__ = ["end_line", "sessions_document", "sessions_lines", "transcript_lines", "turns_lines", "usage_line"]


def sessions_lines(sessions: Sequence[ReadSession]) -> Iterator[str]:
    """Yields a line for each session."""
    for session in sessions:
        talk = session.transcript
        at = talk.turns[-1].at if talk.turns else session.created_at
        when = to_the_minute(at)
        about = one_line(talk.goal or (talk.turns[0].text if talk.turns else "nothing was said yet"), 80)
        turns = count(len(talk.turns), "turn")
        yield f"{session.run_id}  {when}  @{one_line(talk.agent)}  {turns}, {session.state}: {about}"


def sessions_document(sessions: Sequence[ReadSession]) -> dict[str, Any]:
    """Returns sessions as data for `--json`, without what was said."""
    return {
        "sessions": [
            {
                "id": session.run_id,
                "created_at": session.created_at,
                "state": session.state,
                "goal": session.transcript.goal,
                "agent": session.transcript.agent,
                "turns": len(session.transcript.turns),
            }
            for session in sessions
        ]
    }


def transcript_lines(session: ReadSession) -> Iterator[str]:
    """Yields everything that was said in a session, and its questions."""
    yield from turns_lines(session.transcript.turns)
    for row in session.questions:
        yield short_line(row) if row.state == "open" else settled_line(row)
    yield f"{session.run_id}: {session.state}"


def turns_lines(turns: Sequence[Turn]) -> Iterator[str]:
    """Yields what was said in turns."""
    for turn in turns:
        yield from _turn_lines(turn)


def _turn_lines(turn: Turn) -> Iterator[str]:
    at = to_the_second(turn.at)
    yield f"[{turn.number}] you, {at}"
    yield printable(turn.text)
    yield f"[{turn.number}] @{one_line(turn.agent)}"
    for tool in turn.tools:
        yield f"  · {one_line(tool.name)} {one_line(tool.about, 160)}".rstrip()
    if turn.answer:
        yield printable(turn.answer)
    if end := end_line(turn):
        yield f"  {end}"
    yield ""


def end_line(turn: Turn) -> str:
    """Returns how a turn has ended; "" for one that is done, if there is nothing else to say about it."""
    problem = f": {one_line(turn.problem, 200)}" if turn.problem else ""
    return "" if turn.state == "done" and not problem else f"({turn.state}{problem})"


def usage_line(used: Usage) -> str:
    """Returns what turns have used, in one line."""
    cost = "cost unknown" if used.cost_usd is None else f"${used.cost_usd:.4f}"
    return f"{count(used.total_tokens, 'token')}, {cost}"
