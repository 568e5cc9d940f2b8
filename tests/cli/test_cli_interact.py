"""Sessions with agents: what was said survives a kill, questions reach a person, nothing is left running."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.talks import talking_project, talks_begun
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.cli.talks import Talk

    Aur = Callable[..., CompletedProcess[str]]
    Begin = Callable[..., Talk]


@pytest.fixture
def begin(shop: Path) -> Iterator[Begin]:
    talking_project(shop)
    with talks_begun() as begun:
        yield begun


def session(aur: Aur, session_id: str) -> dict[str, Any]:
    return dict(json.loads(aur("interact", "--log", session_id, "--json").stdout))


def said(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each turn: what the user said, what the agent did, and how it ended."""
    return [(*(each["content"] for each in turn["messages"]), turn["state"]) for turn in document["turns"]]


def test_turns_go_to_one_process_and_are_kept(aur: Aur, begin: Begin) -> None:
    talk = begin("Hello", "there")
    assert talk.until("ready")["how"] == "begins"
    talk.until("turn_over", turn=1)
    assert talk.say("count slow:2") == "2 0,1,"
    assert talk.say("fail") == ""
    assert talk.say("garbage") == ""
    assert "a line of 9,437,185 bytes, which is too long" in json.dumps(talk.seen)
    assert talk.leave() == ExitCode.NOT_REACHED
    kept = session(aur, talk.id)
    assert said(kept) == [
        ("Hello there", "Hello there ", "done"),
        ("count slow:2", "2 0,1,", "done"),
        ("fail", "", "failed"),
        ("garbage", "", "done"),
    ]
    assert (kept["goal"], kept["agent"], kept["state"]) == ("Hello there", "bot", "left")
    assert kept["usage"]["cost_usd"] == pytest.approx(0.03)
    assert [each["event"] for each in talk.seen].count("ready") == 1
    log = aur("interact", "--log", talk.id).stdout
    assert "2 0,1," in log
    assert "(failed: it went wrong)" in log
    assert talk.id in aur("interact", "--list").stdout
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_a_kill_in_the_middle_of_a_turn_loses_nothing_that_was_said(aur: Aur, begin: Begin) -> None:
    talk = begin()
    assert talk.say("one") == "one "
    talk.tell(say="child slow:200")
    talk.until("text", text="3,")
    talk.kill()
    wait_for(lambda: processes_of_run(talk.id) == [])
    told = aur("status").stdout
    assert f"{talk.id}  crashed  a session" in told
    assert f"aur interact --resume {talk.id} continues it" in told
    shown = "".join(each["text"] for each in talk.seen if each["event"] == "text" and each["turn"] == 2)
    again = begin("--resume", talk.id)
    again.until("earlier", number=1)
    cut = again.until("earlier", number=2)
    assert cut["state"] == "cut off"
    assert cut["messages"][1]["content"].startswith(shown)
    assert again.say("count") == "3 "
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["goes on with its own session"]
    assert again.leave() == ExitCode.DONE
    assert said(session(aur, talk.id))[1][1] == cut["messages"][1]["content"]
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_a_killed_session_can_be_ended_and_still_be_gone_on_with(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.say("one")
    talk.kill()
    assert f"aur cancel {talk.id} ends it" in aur("status").stdout
    assert aur("cancel", talk.id).returncode == ExitCode.DONE
    assert talk.id not in aur("status").stdout
    again = begin("--resume", talk.id)
    again.until("earlier", number=1)
    assert again.say("count") == "2 "
    assert again.leave() == ExitCode.DONE


def test_an_agent_without_sessions_is_told_the_earlier_turns(aur: Aur, begin: Begin) -> None:
    talk = begin("--agent", "fresh")
    talk.say("remember blue")
    assert talk.leave() == ExitCode.DONE
    again = begin("--resume", talk.id)
    again.say("count")
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == ["is told the earlier turns"]
    assert 'fresh is told 1 earlier turn"' in json.dumps(again.seen)
    assert again.leave() == ExitCode.DONE
    assert [turn[1] for turn in said(session(aur, talk.id))] == ["remember blue ", "1 "]


def test_the_agent_can_be_changed_back_and_forth_and_each_knows_what_was_said_and_stays_warm(begin: Begin) -> None:
    talk = begin()
    talk.say("a secret word")
    talk.tell(switch="cat")
    heard = talk.say("Which word?")
    assert "\na secret word\n--- end of turn 1, the user" in heard
    assert heard.endswith("The user now says:\nWhich word?\n")
    talk.tell(switch="bot")
    assert talk.say("count") == "2 "
    talk.tell(say="ask:Which?|red")
    talk.tell(answer=talk.until("question")["id"], text="blue")
    talk.until("turn_over", turn=4)
    talk.tell(switch="cat")
    talk.say("And you?")
    talk.tell(switch="bot")
    talk.tell(say="slow:200")
    talk.until("text", turn=6)
    talk.tell(interrupt=True)
    talk.until("turn_over", turn=6, state="interrupted")
    assert talk.say("count") == "5 "
    assert [each["agent"] for each in talk.seen if each["event"] == "ready"] == ["bot", "cat"]
    talk.tell(switch="nobody")
    assert talk.until("error")["problem"] == "switch: no agent named 'nobody'"
    assert talk.leave() == ExitCode.USAGE


def test_what_the_policies_ask_about_waits_for_a_person(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.tell(say="run:rm_-rf_victim")
    asked = talk.until("permission")
    assert "rm -rf victim" in asked["subject"]
    assert asked["id"] in aur("approvals").stdout
    assert aur("deny", asked["id"], "--note", "never").returncode == ExitCode.DONE
    assert talk.until("answered")["approved"] is False
    assert aur("approve", asked["id"]).returncode == ExitCode.NOT_REACHED
    talk.until("turn_over", state="done")
    assert "never" in "".join(each["text"] for each in talk.seen if each["event"] == "text")
    talk.tell(say="run:rm_-rf_victim")
    talk.tell(approve=talk.until("permission")["id"])
    talk.until("text", text="allowed ")
    talk.until("turn_over")
    assert talk.say("run:ls") == "allowed "
    assert "denied: the policies do not allow this" in talk.say("run:git_push_--force_origin_main")
    assert talk.leave() == ExitCode.DONE
    assert [each["state"] for each in session(aur, talk.id)["questions"]] == ["denied", "approved"]


def test_a_question_is_answered_from_the_input_or_another_terminal(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.tell(say="ask:Port?|80")
    talk.tell(answer=talk.until("question")["id"], text="8080")
    talk.until("text", text="answered 8080 ")
    talk.tell(say="ask:Host?")
    assert aur("answer", talk.until("question")["id"], "here").returncode == ExitCode.DONE
    talk.until("text", text="answered here ")
    assert talk.leave() == ExitCode.DONE


def test_an_input_that_ends_leaves_the_answer_to_other_terminals_and_says_so(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.tell(say="ask:Port?")
    asked = talk.until("question")["id"]
    talk.tell(say="ask:Host?")
    assert talk.process.stdin is not None
    talk.process.stdin.close()
    assert f"only another terminal can answer {asked} (aur approvals)" in talk.until("notice")["text"]
    aur("answer", asked, "8080")
    asked = talk.until("question")["id"]
    assert f"only another terminal can answer {asked} (aur approvals)" in talk.until("notice")["text"]
    aur("answer", asked, "here")
    assert talk.leave() == ExitCode.DONE


def test_an_answer_that_comes_after_a_kill_reaches_the_agent_with_the_next_turn(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.tell(say="ask:Port?|80")
    asked = talk.until("question")["id"]
    talk.kill()
    assert session(aur, talk.id)["state"] == "waits for an answer"
    answered = aur("answer", asked, "8080")
    assert (answered.returncode, f"aur interact --resume {talk.id}" in answered.stderr) == (ExitCode.DONE, True)
    again = begin("--resume", talk.id)
    assert "8080" in again.say("go on")
    assert again.leave() == ExitCode.DONE


def test_batch_answers_by_the_stated_defaults_and_lists_them(begin: Begin) -> None:
    talk = begin("ask:Port?|80", "run:rm_-rf_victim", "--mode", "batch")
    assert talk.leave() == ExitCode.DONE
    defaults = [(each["subject"], each["answer"]) for each in talk.seen if each["event"] == "default"]
    assert defaults == [("Port?", "80"), ("rm -rf victim", "denied")]
    assert talk.seen[-1]["defaults"] == 2
    assert "answered 80 " in [each["text"] for each in talk.seen if each["event"] == "text"]


@pytest.mark.parametrize("turn", few(["slow:200", "hang", "ask:Port?"], 2))
def test_an_interrupt_ends_the_turn_and_not_the_session(begin: Begin, turn: str) -> None:
    talk = begin()
    talk.tell(say=f"now {turn}")
    talk.until("text", text="now ")
    if turn != "ask:Port?":
        talk.tell(interrupt=True)
    else:
        talk.until("question")
        talk.process.send_signal(signal.SIGINT)
    assert talk.until("turn_over")["state"] == "interrupted"
    assert talk.say("count") == "2 "
    assert talk.leave() == ExitCode.NOT_REACHED


def test_control_c_interrupts_each_turn_and_a_second_one_in_the_same_turn_leaves(begin: Begin) -> None:
    talk = begin()
    for _ in range(2):
        talk.tell(say="now slow:200")
        talk.until("text", text="now ")
        talk.process.send_signal(signal.SIGINT)
        assert talk.until("turn_over")["state"] == "interrupted"
    talk.tell(say="now hang")
    talk.until("text", text="now ")
    talk.process.send_signal(signal.SIGINT)
    time.sleep(0.1)  # two signals of one kind at once are one
    talk.process.send_signal(signal.SIGINT)
    assert talk.process.wait(timeout=30) == ExitCode.INTERRUPTED


def test_a_turn_for_which_nobody_waits_has_a_time_limit(shop: Path, begin: Begin) -> None:
    config = shop / ".aurora" / "config.yaml"
    config.write_text(config.read_text().replace("kind: command,", "kind: command, timeout_s: 0.5,"))
    talk = begin("slow:500", "--mode", "batch")
    over = talk.until("turn_over")
    assert (over["state"], over["problem"]) == ("failed", "it has not answered within 0.5 s")
    assert talk.leave() == ExitCode.NOT_REACHED


def test_a_session_whose_agent_is_gone_goes_on_with_another(shop: Path, begin: Begin) -> None:
    talk = begin("one")
    talk.until("turn_over")
    assert talk.leave() == ExitCode.DONE
    config = shop / ".aurora" / "config.yaml"
    config.write_text(config.read_text().replace("  bot:", "  other:").replace("tool: bot", "tool: other"))
    again = begin("--resume", talk.id)
    again.tell(say="two")
    assert "is not configured any more" in again.until("turn_over", state="failed")["problem"]
    again.tell(switch="cat")
    assert "\none\n--- end of turn 1, the user" in again.say("three")
    assert again.leave() == ExitCode.NOT_REACHED


def test_a_session_whose_journal_was_changed_is_not_taken_for_what_was_said(
    aur: Aur, begin: Begin, shop: Path
) -> None:
    talk = begin("one")
    talk.until("turn_over")
    assert talk.leave() == ExitCode.DONE
    change = "UPDATE events SET payload = replace(payload, ?, ?) WHERE kind = 'note_kept'"
    with closing(sqlite3.connect(shop / ".aurora" / "runs.db")) as journal, journal:
        journal.execute(change, ('"text":"one "', '"text":"two "'))
    assert aur("interact", "--resume", talk.id).returncode == ExitCode.ENVIRONMENT
    accepted = begin("--resume", talk.id, "--accept-changes")
    assert accepted.until("earlier", number=1)["messages"][1]["content"] == "two "
    assert accepted.leave() == ExitCode.DONE
    with closing(sqlite3.connect(shop / ".aurora" / "runs.db")) as journal, journal:
        journal.execute(change, ('"text":"two "', '"text":5'))
    for words in (["--log", talk.id], ["--list"]):
        outcome = aur("interact", *words)
        assert (outcome.returncode, "changed from outside" in outcome.stderr) == (ExitCode.ENVIRONMENT, True)


def test_a_second_signal_leaves_and_nothing_is_left_running(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.tell(say="child hang")
    talk.until("turn")
    wait_for(lambda: len(processes_of_run(talk.id)) > 1)
    talk.process.send_signal(signal.SIGTERM)
    assert talk.process.wait(timeout=30) == ExitCode.INTERRUPTED
    assert processes_of_run(talk.id) == []
    assert said(session(aur, talk.id)) == [("child hang", "", "cut off")]


BAD_LINES = ("{", "[1]", '{"say": ""}', '{"say": "a", "switch": "b"}', '{"hello": 1}', "{}")


@pytest.mark.parametrize("line", few(BAD_LINES, 2))
def test_a_line_that_is_no_request_is_named_and_the_session_goes_on(begin: Begin, line: str) -> None:
    talk = begin()
    assert talk.process.stdin is not None
    talk.process.stdin.write(f"{line}\n")
    talk.process.stdin.flush()
    assert talk.until("error")["line"] == 1
    assert talk.say("on") == "on "
    assert talk.leave() == ExitCode.USAGE


def test_a_session_has_one_process_and_is_no_run_of_tasks(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.say("one")
    second = begin("--resume", talk.id)
    assert (second.leave(), second.seen) == (ExitCode.ENVIRONMENT, [])
    assert "no run of tasks" in aur("comm").stderr
    assert "a session has no board" in aur("comm", "send", "hello", "--run", talk.id).stderr
    assert talk.leave() == ExitCode.DONE
    assert f"aur interact --resume {talk.id}" in aur("resume", talk.id).stderr
    assert "give one" in aur("interact", "hi", "--agent", "echo", "--tool", "echo").stderr
    for words in (["--resume", "interact-1"], ["--log", "spawn-1"], ["--list", "x"], ["hi", "--agent", "local"]):
        refused = aur("interact", *words)
        assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, ""), words
    assert (
        "no session named interact-1\n  hint: `aur interact --list`" in aur("interact", "--log", "interact-1").stderr
    )


def test_what_asks_a_session_for_tasks_is_told_where_its_words_are(aur: Aur, begin: Begin) -> None:
    talk = begin("hi", "--agent", "cat")
    assert talk.leave() == ExitCode.DONE
    log = f"all that was said: aur interact --log {talk.id}"
    for words in (["logs", talk.id], ["runs", "result", talk.id]):
        refused = aur(*words)
        assert (refused.returncode, log in refused.stderr) == (ExitCode.USAGE, True), words
    shown = aur("runs", "show", talk.id)
    assert (shown.returncode, log in shown.stderr) == (ExitCode.DONE, True)
