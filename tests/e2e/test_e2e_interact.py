"""Conversations with real agent CLIs: many turns, questions, an interrupt in a tool, a kill in a streaming answer."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.talks import Talk
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.stage import Stage

    Begin = Callable[..., Talk]
    Need = Callable[[str], None]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def begin(stage: Stage) -> Iterator[Begin]:
    """Starts a process that talks; ends what is left of it."""
    begun: list[Talk] = []

    def start(*words: str) -> Talk:
        begun.append(talk := Talk(stage.begin("interact", *words, stdin=subprocess.PIPE)))
        return talk

    yield start
    for talk in begun:
        with talk.process:
            talk.process.kill()


def logged(stage: Stage, session: str) -> dict[str, Any]:
    with stage.begin("interact", "--log", session, "--json") as process:
        return dict(json.loads(process.communicate(timeout=60)[0]))


def test_claude_code_asks_is_interrupted_and_goes_on_after_a_kill(stage: Stage, begin: Begin, need: Need) -> None:
    need("claude")
    stage.add_agent("claude", "talk", "claude-talk")
    stage.set_up()
    talk = begin("--agent", "claude-talk")
    assert "The note is written." in talk.say("Write a note")
    assert (stage.project / "note.txt").exists()
    talk.tell(say="Ask me")
    asked = talk.until("question")
    assert (asked["subject"], "red | blue" in asked["reason"]) == ("Which colour?", True)
    talk.tell(answer=asked["id"], text="blue")
    talk.until("turn_over", state="done")
    assert "blue" in stage.cell.asked("claude-talk")[-1]["told"]
    talk.tell(say="Sleep")
    stage.appears("tool.pid")
    talk.tell(interrupt=True)
    assert talk.until("turn_over")["state"] == "interrupted"
    talk.tell(say="Speak slowly")
    talk.until("text", turn=4)
    talk.until("text", turn=4)
    shown = "".join(each["text"] for each in talk.seen if each["event"] == "text" and each["turn"] == 4)
    talk.kill()
    wait_for(lambda: processes_of_run(talk.id) == [])
    again = begin("--resume", talk.id)
    cut = again.until("earlier", number=4)
    assert cut["state"] == "cut off"
    assert cut["messages"][1]["content"].startswith(shown)
    assert again.say("Go on") == "Glad to go on."
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["goes on with its own session"]
    for number in range(5):
        assert again.say(f"And {number}") == "Glad to go on."
    assert again.leave() == ExitCode.DONE
    assert processes_of_run(talk.id) == []
    told = stage.cell.asked("claude-talk")[-1]["told"]
    assert all(words in told for words in ("Write a note", "Speak slowly", "And 3"))
    assert [turn["state"] for turn in logged(stage, talk.id)["turns"]] == [
        *("done", "done", "interrupted", "cut off"),
        *("done" for _ in range(6)),
    ]


def test_a_lost_session_of_claude_code_is_replaced_by_a_transcript(stage: Stage, begin: Begin, need: Need) -> None:
    need("claude")
    stage.add_agent("claude", "recall", "claude-lost")
    stage.set_up()
    talk = begin("My word is plum", "--agent", "claude-lost")
    talk.until("turn_over", turn=1)
    assert talk.leave() == ExitCode.DONE
    for each in stage.project.glob(".aurora/runs/*/homes/*/projects/*/*.jsonl"):
        each.unlink()
    again = begin("--resume", talk.id)
    assert again.say("Which word?") == "Glad to help."
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["is told the earlier turns"]
    assert "My word is plum" in stage.cell.asked("claude-lost")[-1]["told"]
    assert again.leave() == ExitCode.DONE


def test_codex_resumes_its_session_turn_by_turn(stage: Stage, begin: Begin, need: Need) -> None:
    need("codex")
    stage.add_agent("codex", "recall", "codex-talk")
    stage.set_up()
    talk = begin("My word is plum", "--agent", "codex-talk")
    assert "resumes its session" in talk.until("ready")["transport"]
    talk.until("turn_over", turn=1)
    assert "Glad to help." in talk.say("Which word?")
    assert talk.leave() == ExitCode.DONE
    again = begin("--resume", talk.id)
    assert "Glad to help." in again.say("And now?")
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["goes on with its own session"]
    told = stage.cell.asked("codex-talk")[-1]["told"]
    assert told.count("My word is plum") == 1
    assert all(words in told for words in ("Which word?", "And now?"))
    assert again.leave() == ExitCode.DONE
