"""Turns that are too long: refused before anything of them is kept or sent, wherever they come from."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.spawner.held_sessions import imagined_session
from tests.spawner.imagined_agents import World

from aurora_cli.interaction.input_lines import _lines
from aurora_cli.interaction.requests import LINE_LIMIT, BadLineError, read_request
from aurora_cli.interaction.terminal import TerminalTalk
from aurora_cli.render.talks import end_line
from aurora_spawner.conversations.acp.conversation import ENDED_BY_DENIAL
from aurora_spawner.conversations.session_events import TurnOver
from aurora_spawner.conversations.transcript import TURN_CHARS, Turn, TurnState
from aurora_spawner.errors import TurnTooLongError

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_cli.interaction.prompt_line import PromptLine
    from aurora_soar import Aurora
    from aurora_spawner.conversations.session_events import SessionEvent

WORDS = '[["say", "yes"], ["done"]]'


class Typed:
    """A prompt at which these texts are typed."""

    def __init__(self, *texts: str) -> None:
        self.left = [*texts]

    async def read(self, _prompt: str, *, unless: object) -> str:
        del unless
        if not self.left:
            raise EOFError
        return self.left.pop(0)


def test_a_line_with_a_turn_that_is_too_long_is_refused_and_the_longest_is_not() -> None:
    longest = "é" * TURN_CHARS
    assert read_request(json.dumps({"say": longest}).encode()).say == longest
    with pytest.raises(TurnTooLongError, match="at most 1,048,576 characters, and this one has 1,048,577"):
        read_request(json.dumps({"say": f"{longest}x"}).encode())


def test_a_line_that_is_too_long_is_kept_only_so_far_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"x" * (LINE_LIMIT + 500_000) + b"\n{}\n")
    with (tmp_path / "input").open("rb") as file:
        long, other = _lines(file.fileno())
    assert (LINE_LIMIT < len(long) < LINE_LIMIT + 100_000, other) == (True, b"{}")
    with pytest.raises(BadLineError, match="more than 8,388,608 bytes"):
        read_request(long)


def test_a_turn_that_is_too_long_at_the_prompt_is_refused_and_the_session_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def talk() -> list[str]:
        seen: list[SessionEvent] = []
        async with imagined_session(tmp_path, seen, World()) as session:
            aurora = SimpleNamespace(project=SimpleNamespace(runs_db=tmp_path / "runs.db"))
            typed = cast("PromptLine", Typed("x" * (TURN_CHARS + 1), WORDS))
            await TerminalTalk(cast("Aurora", aurora), asks=False, changed=lambda: None).talk(
                session, typed, first="", resumed=False
            )
            return [turn.text for turn in session.transcript.turns]

    assert asyncio.run(talk()) == [WORDS]
    assert "a turn has at most 1,048,576 characters" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["answer", "approve", "deny", "switch"])
def test_a_line_that_names_nothing_is_refused(name: str) -> None:
    with pytest.raises(BadLineError, match=f"{name}: .*at least 1 character"):
        read_request(json.dumps({name: ""}).encode())


def test_a_switch_to_nobody_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def talk() -> str:
        async with imagined_session(tmp_path, [], World()) as session:
            aurora = SimpleNamespace(project=SimpleNamespace(runs_db=tmp_path / "runs.db"))
            typed = cast("PromptLine", Typed("/switch", "/switch @"))
            await TerminalTalk(cast("Aurora", aurora), asks=False, changed=lambda: None).talk(
                session, typed, first="", resumed=False
            )
            return session.transcript.agent

    assert asyncio.run(talk()) == "able"
    assert capsys.readouterr().err.count("/switch needs the NAME of an agent") == 2


def test_an_empty_goal_begins_no_session(aur: Any) -> None:
    for goal in ("", " "):
        refused = aur("interact", goal)
        assert (refused.returncode, "the GOAL is empty" in refused.stderr) == (2, True)


def test_a_goal_that_is_too_long_begins_no_session(aur: Any) -> None:
    refused = aur("interact", *["x" * 100_000] * 11)
    assert refused.returncode == 2
    assert "a turn has at most 1,048,576 characters" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("state", "problem", "shown"),
    [
        (TurnState.DONE, "", ""),
        (TurnState.DONE, ENDED_BY_DENIAL, "(done: it has ended its turn because a tool call was denied)"),
        (TurnState.INTERRUPTED, "", "(interrupted)"),
    ],
)
def test_an_answer_that_ended_early_is_told_at_the_prompt_and_in_the_log(
    capsys: pytest.CaptureFixture[str], state: TurnState, problem: str, shown: str
) -> None:
    aurora = SimpleNamespace(project=SimpleNamespace(runs_db="runs.db"))
    turn = Turn(number=1, agent="bot", text="go", at=0.0, state=state, pieces=["so far"], problem=problem)
    TerminalTalk(cast("Aurora", aurora), asks=False, changed=lambda: None).show(TurnOver(turn=turn))
    assert capsys.readouterr().err.strip() == shown
    assert end_line(turn) == shown
