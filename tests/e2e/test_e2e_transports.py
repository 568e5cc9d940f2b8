"""One conversation with each kind of agent, over its own transport; docs/interact.md has a table of what was seen.

UPDATE_AGENT_TABLE=1 with --all and -n 0 writes the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.cli import talks as talk_lines
from tests.cli.talks import Talk, talks_begun
from tests.cli.waiting import wait_for
from tests.e2e.wirings import SETTINGS, address, write_settings
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.stage import Stage
    from tests.e2e.table import Table

    Begin = Callable[..., Talk]
    Need = Callable[[str], None]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TESTS: Final = Path(__file__).resolve().parents[1]
OWN_SESSION: Final = "goes on with its own session"
GOES_ON: Final = "fails, and the turn goes on"
WRITES_IN_PLACE: Final = ("gemini", "qwen")
"""The agents that refuse to write to the path of the play before they ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is said to an agent so that it does what a scenario needs."""

    tool: str = "Write a note"
    delete: str = "Remove the victim"
    ask: str = "Ask me"
    sleep: str = "Sleep"
    slow: str = "Speak slowly"
    on: str = "Go on"


REAL: Final = Words()
SCRIPTED: Final = {
    "json-lines": Words(
        tool="run:ls",
        delete="run:rm_-r_victim",
        ask="ask:Which_colour?",
        sleep="x slow:200",
        slow="slow:200",
        on="on",
    ),
    "acp": Words(
        tool="run:ls", delete="run:rm_-r_victim", ask="ask:Which_colour?", sleep="sleep:60", slow="slow:200", on="on"
    ),
}
RESUMES: Final = {"gemini": "is told the earlier turns"}
"""The agents whose sessions cannot be gone on with."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real agents take long to start on a busy machine."""
    monkeypatch.setattr(talk_lines, "PATIENCE_S", 90.0)


@pytest.fixture
def begin(stage: Stage) -> Iterator[Begin]:
    """Starts a process that talks; ends what is left of it."""
    with talks_begun(lambda *words: Talk(stage.begin("interact", *words, stdin=subprocess.PIPE))) as begun:
        yield begun


def add_agent(stage: Stage, kind: str, play: str) -> None:
    """Adds an agent named `it`, as its users have it."""
    if kind in SCRIPTED:
        stage.home.mkdir()
        sessions = stage.folder / "sessions"
        sessions.mkdir()
        program = {"json-lines": "talking_agent.py", "acp": "acp_agent.py"}[kind]
        command = [sys.executable, str(TESTS / program), str(sessions)]
        stage.backends["it"] = {"kind": "command", "command": command, "conversation": kind}
        return
    stage.add_agent(kind, play, f"{kind}-{play}", name="it", **({"isolated": False} if kind in SETTINGS else {}))
    write_settings(kind, stage.home)


def words_of(talk: Talk, turn: int) -> str:
    return "".join(each["text"] for each in talk.seen if each["event"] == "text" and each["turn"] == turn)


def tools_of(talk: Talk, turn: int) -> list[str]:
    return [each["about"] for each in talk.seen if each["event"] == "tool" and each["turn"] == turn]


KINDS: Final = ["acp", "json-lines", "opencode", "qwen", "claude", "copilot", "codex", "gemini"]


@pytest.mark.parametrize("kind", few(KINDS, 1))
def test_ten_turns_with_a_tool_a_question_an_interrupt_and_a_kill(
    kind: str, stage: Stage, begin: Begin, need: Need, talks: Table
) -> None:
    said = SCRIPTED.get(kind, REAL)
    if kind not in SCRIPTED:
        need(kind)
    add_agent(stage, kind, "whole")
    stage.set_up()
    victim = stage.project / "victim" / "kept.txt"
    victim.parent.mkdir()
    victim.write_text("kept\n")

    talk = begin("--agent", "it")
    talk.say(said.tool)
    assert tools_of(talk, 1)
    assert kind in SCRIPTED or (stage.project / "note.txt").exists()
    talks.note(kind, "tool", "shown as it runs")
    talks.note(kind, "transport", transport_of(talk))

    talk.tell(say=said.delete)
    asked = talk.until("permission")
    assert "rm -r victim" in asked["subject"]
    talk.tell(approve=asked["id"])
    talk.until("turn_over", turn=2, state="done")
    assert kind in SCRIPTED or not victim.exists()
    talks.note(kind, "allowed", "is done")

    talk.tell(say=said.ask)
    asked = talk.until("question")
    talk.tell(answer=asked["id"], text="blue")
    talk.until("turn_over", turn=3, state="done")
    told = words_of(talk, 3) if kind in SCRIPTED else stage.cell.asked(f"{kind}-whole")[-1]["told"]
    assert "blue" in told
    talks.note(kind, "question", "reaches you" if kind in SCRIPTED else "reaches you, by `aur ask`")

    talk.tell(say=said.sleep)
    if kind in SCRIPTED:
        talk.until("tool" if kind == "acp" else "text", turn=4)
    else:
        stage.appears("tool.pid")
    talk.tell(interrupt=True)
    assert talk.until("turn_over", turn=4)["state"] == "interrupted"
    if kind not in SCRIPTED:
        sleeper = Path("/proc") / (stage.project / "tool.pid").read_text().strip()
        wait_for(lambda: not sleeper.exists())
    talks.note(kind, "interrupt", "ends the answer" if kind == "json-lines" else "ends the tool")

    talk.tell(say=said.slow)
    again = after_a_kill(talk, begin, turn=5)
    talks.note(kind, "kill", "nothing lost")

    again.say(said.on)
    assert how_of(again) == RESUMES.get(kind, OWN_SESSION)
    for number in range(3):
        assert again.say(f"{said.on} {number}")
    if kind in SCRIPTED:  # the others are asked for more in a test of their own
        again.tell(say=f"{said.delete} on")
        again.tell(deny=again.until("permission")["id"])
        again.until("turn_over", turn=10, state="done")
        assert words_of(again, 10).endswith("on ")
        talks.note(kind, "denied", GOES_ON)
    else:
        assert again.say(said.on)
    assert again.leave() == ExitCode.DONE
    assert processes_of_run(talk.id) == []
    if kind not in SCRIPTED:
        told = stage.cell.asked(f"{kind}-whole")[-1]["told"]
        assert all(told.count(words) == 1 for words in (said.tool, said.slow, f"{said.on} 2"))
    talks.note(kind, "resume", how_of(again))
    talks.note(kind, "turns", str(len(turns_of(stage, talk.id))))
    talks.note(kind, "left", "none")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SCRIPTED])
def test_what_is_denied_does_not_happen(kind: str, stage: Stage, begin: Begin, need: Need, talks: Table) -> None:
    need(kind)
    add_agent(stage, kind, "danger")
    stage.set_up()
    victim = stage.project / "victim" / "kept.txt"
    victim.parent.mkdir()
    victim.write_text("kept\n")
    talk = begin("Go", "--agent", "it", "--mode", "batch")
    talk.until("turn_over", turn=1, state="done")
    allowed = stage.project / "allowed.txt"
    goes_on = allowed.exists()
    for turn in range(2, 6):
        if not allowed.exists():
            talk.tell(say="Go on")
            talk.until("turn_over", turn=turn)
    assert allowed.exists()
    defaults = [each["subject"] for each in talk.seen if each["event"] == "default"]
    assert any(each.startswith("rm -rf victim") for each in defaults)
    assert kind in WRITES_IN_PLACE or any(".env" in each for each in defaults)
    talk.leave()
    assert victim.exists()
    assert not (stage.project / ".env").exists()
    talks.note(kind, "transport", transport_of(talk))
    talks.note(kind, "denied", GOES_ON if goes_on else "fails, and ends the turn")


def test_ten_turns_with_a_model_an_interrupt_and_a_kill(stage: Stage, begin: Begin, talks: Table) -> None:
    url = address("words-slowly!", "model-talk")
    stage.backends["it"] = {"kind": "model", "api": "openai", "base_url": f"{url}/v1", "model": "m"}
    stage.set_up()
    talk = begin("--agent", "it")
    for words in ("My word is plum", "And yours?"):
        assert talk.say(words) == "Glad to go on."
    talks.note("model", "transport", transport_of(talk))
    talk.tell(say="Speak slowly")
    talk.until("text", turn=3)
    talk.tell(interrupt=True)
    assert talk.until("turn_over", turn=3)["state"] == "interrupted"
    talks.note("model", "interrupt", "ends the answer")
    talk.tell(say="Once more, slowly")
    again = after_a_kill(talk, begin, turn=4)
    talks.note("model", "kill", "nothing lost")
    for number in range(6):
        assert again.say(f"Go on {number}") == "Glad to go on."
    assert again.leave() == ExitCode.DONE
    assert processes_of_run(talk.id) == []
    told = stage.cell.asked("model-talk")[-1]["told"]
    said = ("My word is plum", "Speak slowly", words_of(talk, 3), "Once more, slowly", words_of(talk, 4), "Go on 4")
    assert all(told.count(words) for words in said)
    talks.note("model", "resume", how_of(again))
    talks.note("model", "turns", str(len(turns_of(stage, talk.id))))
    talks.note("model", "left", "none")


def after_a_kill(talk: Talk, begin: Begin, *, turn: int) -> Talk:
    """Kills Aurora in the answer of a turn; goes on with the session, in which nothing is lost."""
    talk.until("text", turn=turn)
    talk.until("text", turn=turn)
    talk.kill()
    wait_for(lambda: processes_of_run(talk.id) == [])
    again = begin("--resume", talk.id)
    cut = again.until("earlier", number=turn)
    assert cut["state"] == "cut off"
    assert cut["messages"][1]["content"].startswith(words_of(talk, turn))
    return again


def transport_of(talk: Talk) -> str:
    return next(str(each["transport"]) for each in talk.seen if each["event"] == "ready")


def how_of(talk: Talk) -> str:
    return next(str(each["how"]) for each in talk.seen if each["event"] == "ready")


def turns_of(stage: Stage, session: str) -> list[dict[str, Any]]:
    with stage.begin("interact", "--log", session, "--json") as process:
        return list(json.loads(process.communicate(timeout=60)[0])["turns"])
