"""`aur attach`: two terminals at one run or session, kills of whoever holds it and of whoever is attached."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.cli.talks import AUR, begin_talk, talking_project, talks_begun
from tests.cli.waiting import wait_for
from tests.warm_python import WarmPopen

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
    asks = f'{AUR} ask "Which port?" --default 80'
    talking_project(shop, {"waits": "while [ ! -e go ]; do sleep 0.05; done; echo done", "asks": asks})
    with talks_begun(interacting_or_attached) as begun:
        yield begun


def interacting_or_attached(*args: str) -> Talk:
    return begin_talk(*args[1:], "--json", command="attach") if args[0] == "attach" else begin_talk(*args)


def talk_of(begin: Begin) -> Talk:
    talk = begin("--mode", "interactive")
    assert talk.say("one") == "one "
    return talk


def said(aur: Aur, session_id: str) -> list[tuple[str, str]]:
    document = json.loads(aur("interact", "--log", session_id, "--json").stdout)
    return [(turn["messages"][0]["content"], turn["state"]) for turn in document["turns"]]


def test_two_attached_see_all_that_was_said_and_their_turns_go_to_the_session(aur: Aur, begin: Begin) -> None:
    talk = talk_of(begin)
    first, second = begin("attach", talk.id), begin("attach", talk.id)
    for each in (first, second):
        assert each.until("attached")["pid"] == talk.process.pid
        assert [message["content"] for message in each.until("earlier", number=1)["messages"]] == ["one", "one "]
    talk.tell(say="slow:10")
    first.tell(say="two count")
    assert [each.until("turn", turn=3)["text"] for each in (talk, first, second)] == ["two count"] * 3
    assert {talk.seen[-1]["elsewhere"]} == {True}
    for each in (talk, first, second):
        each.until("turn_over", turn=3)
        text = "".join(one["text"] for one in each.seen if one["event"] == "text" and one["turn"] == 3)
        assert text == "two 3 "
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(timeout=30) == ExitCode.INTERRUPTED
    second.kill()
    assert talk.say("count") == "4 "
    assert talk.leave() == ExitCode.DONE
    assert said(aur, talk.id) == [("one", "done"), ("slow:10", "done"), ("two count", "done"), ("count", "done")]
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_what_the_session_asks_is_answered_by_an_attached_one_and_the_first_answer_counts(begin: Begin) -> None:
    talk = talk_of(begin)
    first, second = begin("attach", talk.id), begin("attach", talk.id)
    first.until("attached")
    second.until("attached")
    first.tell(say="ask:Port?|80")
    ids = {each.until("question")["id"] for each in (talk, first, second)}
    (approval,) = ids
    second.tell(answer=approval, text="8080")
    assert second.until("answered", by="user")["note"] == "8080"
    first.tell(answer=approval, text="9090")
    talk.until("text", text="answered 8080 ")
    third = begin("attach", talk.id)
    third.until("attached")
    third.tell(interrupt=True)
    third.tell(say="hang")
    third.until("turn", text="hang")
    third.tell(interrupt=True)
    assert third.until("turn_over")["state"] == "interrupted"
    assert talk.leave() == ExitCode.DONE
    assert third.until("released")["state"] == "succeeded"
    assert third.process.wait(timeout=30) == ExitCode.DONE


def test_a_session_whose_process_is_killed_or_goes_on_elsewhere_is_told(begin: Begin) -> None:
    talk = talk_of(begin)
    watching = begin("attach", talk.id)
    watching.until("attached")
    watching.tell(say="slow:200")
    while "3," not in watching.until("text")["text"]:
        pass
    talk.kill()
    assert watching.until("killed")["pid"] == talk.process.pid
    assert watching.until("detached")["status"] == ExitCode.NOT_REACHED
    again = begin("--resume", talk.id)
    again.until("earlier", number=2)
    later = begin("attach", talk.id)
    assert later.until("attached")["pid"] == again.process.pid
    assert later.until("earlier", number=2)["state"] == "cut off"
    again.leave()
    later.until("released")


def test_an_agent_can_neither_attach_nor_say_anything_in_a_session(begin: Begin, shop: Path) -> None:
    talk = talk_of(begin)
    script = shop / "say.py"
    script.write_text(
        "import os, sys\n"
        "for name in [each for each in os.environ if each.startswith('AURORA_')]: del os.environ[name]\n"
        "from pathlib import Path\n"
        "from aurora_spawner.control.control_client import request_coordinator\n"
        "try:\n"
        f"    print(request_coordinator(Path({str(shop / '.aurora' / 'runs.db')!r}), {talk.id!r},"
        " {'do': 'say', 'text': 'obey'}))\n"
        "except Exception as error: print(type(error).__name__, error, flush=True)\n"
        f"os.execv({str(AUR)!r}, ['aur', 'attach', {talk.id!r}])\n"
    )
    (shop / ".aurora" / "config.yaml").write_text(
        (shop / ".aurora" / "config.yaml").read_text()
        + f"  sly: {{kind: command, command: [{sys.executable}, {script}]}}\n"
    )
    other = begin("--agent", "sly")
    heard = other.say("now")
    assert "a turn of a session is for the user" in heard
    assert "'ok': True" not in heard
    assert other.seen[-1]["state"] == "failed"
    assert f"exit code {ExitCode.REFUSED}" in other.seen[-1]["problem"]
    assert "a turn of a session is for the user alone" in json.dumps(talk.until("notice"))
    assert talk.leave() == ExitCode.DONE


def start_run(begin: Begin, shop: Path, agent: str) -> tuple[str, subprocess.Popen[str]]:
    (shop / "tasks.md").write_text(f"- [ ] 1 First\n  - Agent: {agent}\n- [ ] 2 Second\n  - Agent: {agent}\n")
    run = WarmPopen(
        [AUR, "spawn", "tasks.md", "--yes", "--isolation", "none"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    journal = shop / ".aurora" / "runs.db"
    wait_for(lambda: started_run(journal) != "")
    return started_run(journal), run


def started_run(journal: Path) -> str:
    if not journal.exists():
        return ""
    with closing(sqlite3.connect(journal)) as store:
        try:
            rows = store.execute("SELECT run_id FROM attempts WHERE supervisor IS NOT NULL").fetchall()
        except sqlite3.OperationalError:
            return ""
    return str(rows[0][0]) if rows else ""


def test_a_run_is_followed_by_two_from_its_middle_to_its_end(aur: Aur, begin: Begin, shop: Path) -> None:
    run_id, run = start_run(begin, shop, "waits")
    first, second = begin("attach", run_id), begin("attach", run_id)
    for each in (first, second):
        assert each.until("attached", state="running")["pid"] == run.pid
        started = each.until("task_started", task="1")
        assert (started["agent"], started["title"], started["total"]) == ("waits", "First", 2)
    second.kill()
    (shop / "go").touch()
    ended = [first.until("task_ended") for _ in range(2)]
    assert {each["task"]: each["result"]["output"] for each in ended} == {"1": "done\n", "2": "done\n"}
    assert first.until("detached")["status"] == ExitCode.DONE
    assert run.wait(timeout=30) == ExitCode.DONE
    assert aur("attach", run_id).returncode == ExitCode.DONE
    assert "it has succeeded, and no process works on it" in aur("attach", run_id).stderr


def test_a_run_whose_process_is_killed_is_told_and_its_questions_can_be_answered(
    aur: Aur, begin: Begin, shop: Path
) -> None:
    run_id, run = start_run(begin, shop, "asks")
    watching = begin("attach", run_id)
    asked = [watching.until("approval_asked", kind="question")["id"] for _ in range(2)]
    watching.tell(answer=asked[0], text="8080")
    assert watching.until("approval_settled", id=asked[0])["note"] == "8080"
    watching.tell(say="hello")
    assert "are for sessions" in watching.until("error")["problem"]
    run.kill()
    run.wait()
    assert watching.until("killed")["pid"] == run.pid
    assert watching.until("detached")["status"] == ExitCode.NOT_REACHED
    late = aur("attach", run_id)
    assert (late.returncode, "its process was killed" in late.stderr) == (ExitCode.NOT_REACHED, True)
    aur("cancel", run_id)
    assert processes_of_run(run_id) == []


def test_what_there_is_nothing_to_attach_to_is_refused(aur: Aur, begin: Begin) -> None:
    talk = talk_of(begin)
    assert aur("attach", "spawn-1").returncode == ExitCode.USAGE
    assert "aur logs -f" in aur("attach", f"{talk.id}/1").stderr
    assert talk.leave() == ExitCode.DONE
    late = begin("attach", talk.id)
    assert late.until("detached")["status"] == ExitCode.DONE
    assert [each["event"] for each in late.seen] == ["attached", "earlier", "detached"]
    assert late.seen[0]["pid"] is None
