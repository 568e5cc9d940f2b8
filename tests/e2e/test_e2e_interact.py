"""Conversations with real agent CLIs: many turns, questions, an interrupt in a tool, a kill in a streaming answer."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.talks import Talk, talks_begun
from tests.cli.waiting import wait_for
from tests.e2e.wirings import address
from tests.exhaustive import few

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
    with talks_begun(lambda *words: Talk(stage.begin("interact", *words, stdin=subprocess.PIPE))) as begun:
        yield begun


def logged(stage: Stage, session: str) -> dict[str, Any]:
    with stage.begin("interact", "--log", session, "--json") as process:
        return dict(json.loads(process.communicate(timeout=60)[0]))


@pytest.mark.parametrize(("kind", "play"), few([("claude", "talk"), ("codex", "talk-codex")], 1))
def test_an_agent_asks_is_interrupted_and_goes_on_after_a_kill(
    kind: str, play: str, stage: Stage, begin: Begin, need: Need
) -> None:
    need(kind)
    key = f"{kind}-talk"
    stage.add_agent(kind, play, key)
    stage.set_up()
    talk = begin("--agent", key)
    assert "The note is written." in talk.say("Write a note")
    assert (stage.project / "note.txt").exists()
    talk.tell(say="Ask me")
    asked = talk.until("question")
    assert (asked["subject"], "red | blue" in asked["reason"]) == ("Which colour?", True)
    talk.tell(answer=asked["id"], text="blue")
    talk.until("turn_over", state="done")
    assert "blue" in stage.cell.asked(key)[-1]["told"]
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
    told = stage.cell.asked(key)[-1]["told"]
    assert all(words in told for words in ("Write a note", "Speak slowly", "And 3"))
    assert [turn["state"] for turn in logged(stage, talk.id)["turns"]] == [
        *("done", "done", "interrupted", "cut off"),
        *("done" for _ in range(6)),
    ]


def test_a_provider_that_refuses_codex_fails_the_turn_and_not_the_process(
    stage: Stage, begin: Begin, need: Need
) -> None:
    need("codex")
    stage.add_agent("codex", "r429", "codex-limited")
    stage.set_up()
    talk = begin("Hello", "--agent", "codex-limited")
    over = talk.until("turn_over", turn=1)
    assert (over["state"], "429" in over["problem"]) == ("failed", True), over
    assert any("tries again" in each["text"] for each in talk.seen if each["event"] == "notice")
    assert talk.say("Again") == "Patience was rewarded."
    assert [each["event"] for each in talk.seen].count("ready") == 1
    assert talk.leave() == ExitCode.NOT_REACHED


def test_what_codex_asks_by_its_hook_and_by_its_protocol_is_asked_once(
    stage: Stage, begin: Begin, need: Need
) -> None:
    need("codex")
    victim = stage.project / "victim"
    stage.add_agent("codex", "danger", "codex-asks")
    stage.set_up()
    victim.mkdir()
    talk = begin("Go", "--agent", "codex-asks")
    asked = talk.until("permission", subject="rm -rf victim")
    talk.tell(approve=asked["id"])
    talk.until("permission")
    assert not victim.exists()
    talk.tell(interrupt=True)
    assert talk.until("turn_over")["state"] == "interrupted"
    assert [each["subject"] for each in talk.seen if each["event"] == "permission"].count("rm -rf victim") == 1
    assert talk.leave() == ExitCode.NOT_REACHED


@pytest.mark.parametrize(
    ("kind", "sessions"), [("claude", "projects/*/*.jsonl"), ("codex", "sessions/*/*/*/*.jsonl")]
)
def test_a_lost_session_is_replaced_by_a_transcript(
    kind: str, sessions: str, stage: Stage, begin: Begin, need: Need
) -> None:
    need(kind)
    key = f"{kind}-lost"
    stage.add_agent(kind, "recall", key)
    stage.set_up()
    talk = begin("My word is plum", "--agent", key)
    talk.until("turn_over", turn=1)
    assert talk.leave() == ExitCode.DONE
    lost = list(stage.project.glob(f".aurora/runs/*/homes/*/{sessions}"))
    assert lost
    for each in lost:
        each.unlink()
    again = begin("--resume", talk.id)
    assert again.say("Which word?") == "Glad to help."
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["is told the earlier turns"]
    assert "My word is plum" in stage.cell.asked(key)[-1]["told"]
    assert again.leave() == ExitCode.DONE


def test_codex_resumes_its_session_turn_by_turn(stage: Stage, begin: Begin, need: Need) -> None:
    need("codex")
    stage.add_agent("codex", "recall", "codex-turns")
    stage.backends["codex-turns"]["args"] += ["--color", "never"]  # which its app-server does not take
    stage.set_up()
    talk = begin("My word is plum", "--agent", "codex-turns")
    assert "resumes its session" in talk.until("ready")["transport"]
    talk.until("turn_over", turn=1)
    assert "Glad to help." in talk.say("Which word?")
    assert talk.leave() == ExitCode.DONE
    again = begin("--resume", talk.id)
    assert "Glad to help." in again.say("And now?")
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["goes on with its own session"]
    told = stage.cell.asked("codex-turns")[-1]["told"]
    assert told.count("My word is plum") == 1
    assert all(words in told for words in ("Which word?", "And now?"))
    assert again.leave() == ExitCode.DONE


@pytest.mark.parametrize(
    ("api", "path"), few([("anthropic", ""), ("openai", "/v1"), ("openai-responses", "/v1"), ("gemini", "")], 1)
)
def test_a_model_is_sent_what_was_said_by_each_side(api: str, path: str, stage: Stage, begin: Begin) -> None:
    url = address("recall!", f"model-{api}")
    stage.backends["m"] = {"kind": "model", "api": api, "base_url": f"{url}{path}", "model": "m"}
    stage.set_up()
    talk = begin("My word is plum", "--agent", "m")
    talk.until("turn_over", turn=1)
    assert talk.say("Which word?") == "Glad to help."
    assert talk.leave() == ExitCode.DONE
    again = begin("--resume", talk.id)
    assert again.say("And now?") == "Glad to help."
    assert again.leave() == ExitCode.DONE
    told = stage.cell.asked(f"model-{api}")[-1]["told"]
    assert [told.count(words) for words in ("My word is plum", "Glad to help.", "Which word?", "And now?")] == [
        1,
        2,
        1,
        1,
    ]
