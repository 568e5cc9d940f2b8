"""Sessions with an agent in ACP: a kill in an answer, answers from another terminal, what nobody answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.talks import talks_begun
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    from tests.cli.talks import Talk

    Aur = Callable[..., CompletedProcess[str]]
    Begin = Callable[..., Talk]

AGENT = Path(__file__).resolve().parents[1] / "acp_agent.py"


@pytest.fixture
def begin(shop: Path, tmp_path: Path) -> Iterator[Begin]:
    """Starts a process that talks with `bot`, which keeps its sessions, or with `fresh`, which keeps none."""
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    command = [sys.executable, str(AGENT)]
    backends = {
        "bot": {"kind": "command", "command": [*command, str(sessions)], "conversation": "acp"},
        "fresh": {"kind": "command", "command": command, "conversation": "acp"},
    }
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(json.dumps({"tool": "bot", "backends": backends}))
    with talks_begun() as begun:
        yield begun


@pytest.mark.parametrize(
    ("agent", "how", "known"),
    few([("bot", "goes on with its own session", "3 "), ("fresh", "is told the earlier turns", "1 ")], 1),
)
def test_a_kill_in_an_answer_loses_nothing_and_leaves_nothing(begin: Begin, agent: str, how: str, known: str) -> None:
    talk = begin("--agent", agent)
    assert talk.say("one") == "one "
    talk.tell(say="child slow:200")
    talk.until("text", text="3,")
    talk.kill()
    wait_for(lambda: processes_of_run(talk.id) == [])
    shown = "".join(each["text"] for each in talk.seen if each["event"] == "text" and each["turn"] == 2)
    again = begin("--resume", talk.id)
    cut = again.until("earlier", number=2)
    assert cut["state"] == "cut off"
    assert cut["messages"][1]["content"].startswith(shown)
    assert again.say("count") == known
    assert [each["how"] for each in again.seen if each["event"] == "ready"] == [how]
    again.tell(say="slow:200")
    again.until("text", text="3,")
    again.kill()
    last = begin("--resume", talk.id)
    cut = last.until("earlier", number=4)
    assert cut["messages"][1]["content"].startswith("0,1,2,3,")
    assert "REPLAYED" not in cut["messages"][1]["content"]
    assert last.leave() == ExitCode.DONE
    assert processes_of_run(talk.id) == []


def test_what_it_asks_is_judged_and_answered_from_any_terminal(aur: Aur, begin: Begin) -> None:
    talk = begin()
    talk.tell(say="run:rm_-rf_victim")
    asked = talk.until("permission")
    assert asked["id"] in aur("approvals").stdout
    assert aur("deny", asked["id"], "--note", "never").returncode == ExitCode.DONE
    talk.until("turn_over", state="done")
    talk.tell(say="run:rm_-rf_victim")
    talk.tell(approve=talk.until("permission")["id"])
    talk.until("text", text="once ")
    talk.until("turn_over")
    assert talk.say("run:git_push_--force_origin_main") == "no "
    talk.tell(say="ask:Which_colour?")
    talk.tell(answer=talk.until("question")["id"], text="blue")
    assert '"blue"' in talk.until("text", turn=4)["text"]
    talk.tell(say="run:rm_-rf_victim")
    talk.until("permission")
    talk.tell(interrupt=True)
    assert talk.until("turn_over", turn=5)["state"] == "interrupted"
    assert talk.leave() == ExitCode.NOT_REACHED
    assert any("it asks about what it chooses to" in each["text"] for each in talk.seen if each["event"] == "notice")
