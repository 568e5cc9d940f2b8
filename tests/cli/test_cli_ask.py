"""Agents ask the user by `aur ask`; the answer comes from another terminal, from the limit, or not at all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.sites import served
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]

AGENT = """case $(cat) in
*Port*) aur ask 'Which port?' --choices 80,81 --default 80 > port.txt;;
*Open*) aur ask 'May I?' > may.txt; echo "status $?" >> may.txt;;
*Twice*) timeout 1 aur ask 'Again?'; aur ask 'Again?' > again.txt; aur ask 'Again?' >> again.txt
    aur answer k7m2xq yes 2> refused.txt; echo "status $?" >> refused.txt;;
esac
echo done"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def tasks(shed: Shed, name: str) -> None:
    shed.repository.commit({"tasks.md": f"- [ ] 1 {name}\n"})


def asked(aur: Aur) -> list[dict[str, Any]]:
    outcome = aur("approvals", "--json")
    return list(json.loads(outcome.stdout)["approvals"]) if outcome.returncode == ExitCode.DONE else []


SPAWN = ("spawn", "tasks.md", "--merge", "auto", "--yes")


def test_an_agent_gets_the_words_of_the_user(aur: Aur, start_aur: Start, shed: Shed) -> None:
    tasks(shed, "Port")
    running = start_aur(*SPAWN)
    wait_for(lambda: len(asked(aur)) == 1)
    (one,) = asked(aur)
    listed = aur("approvals").stdout
    assert "what  Which port?" in listed
    assert "why   asks you to choose: 80 | 81; without an answer: 80 [question]" in listed
    assert f'say   aur answer {one["approval"]} "…"' in listed
    assert f'aur answer {one["approval"]} "…"' in aur("status").stdout
    answered = aur("answer", one["approval"], "8080, as before")
    assert (answered.returncode, "answered" in answered.stderr) == (ExitCode.DONE, True)
    late = aur("answer", one["approval"], "81")
    assert late.returncode != ExitCode.DONE
    assert "was answered before: by user: 8080, as before; nothing changed" in late.stderr
    assert "  answered by user: 8080, as before  (" in aur("approvals", "--all").stdout
    assert running.wait(timeout=60) == ExitCode.DONE
    assert shed.repository.shown("main", "port.txt") == "8080, as before"
    decisions = aur("audit", "export", "--decisions").stdout
    assert "8080, as before" in decisions


def test_an_agent_gets_the_words_that_were_typed_on_the_page(aur: Aur, start_aur: Start, shed: Shed) -> None:
    tasks(shed, "Port")
    running = start_aur(*SPAWN)
    with served(shed) as site, site.client() as client:
        wait_for(lambda: 'value="answer">' in client.get("/").text)
        page = client.get("/").text
        key, asked_for = (re.findall(f'name="{name}" value="(\\w+)"', page)[0] for name in ("key", "question"))
        given = {"key": key, "question": asked_for, "do": "answer"}
        assert "the answer is empty" in client.post("/act", data={**given, "note": " "}).text
        assert "answered" in client.post("/act", data={**given, "note": "8080"}).text
    assert running.wait(timeout=60) == ExitCode.DONE
    assert shed.repository.shown("main", "port.txt") == "8080"


def test_the_default_counts_if_nobody_is_asked(aur: Aur, shed: Shed) -> None:
    (shed.path / ".aurora" / "policies.yaml").write_text("approvals: {limit_seconds: 0}\n")
    shed.repository.commit({"tasks.md": "- [ ] 1 Port\n- [ ] 2 Open\n"})
    aur("spawn", "tasks.md", "--merge", "never", "--yes")
    for name, said in (("port.txt", "80"), ("may.txt", "status 1")):
        assert shed.repository.shown(shed.repository("log", "--all", "-1", "--format=%H", "--", name), name) == said


def test_a_call_that_was_cut_off_asks_nothing_new(aur: Aur, start_aur: Start, shed: Shed) -> None:
    tasks(shed, "Twice")
    running = start_aur(*SPAWN)
    wait_for(lambda: len(asked(aur)) == 1)
    (one,) = asked(aur)
    assert aur("approve", one["approval"], "--note", "go").returncode == ExitCode.DONE
    assert running.wait(timeout=60) == ExitCode.DONE
    assert shed.repository.shown("main", "again.txt") == "go\ngo"
    assert "belongs to an agent" in shed.repository.shown("main", "refused.txt")
    assert len(json.loads(aur("approvals", "--all", "--json").stdout)["approvals"]) == 1


def test_only_an_agent_asks_and_only_its_question_has_a_text(aur: Aur, shed: Shed) -> None:
    outcome = aur("ask", "Anybody?")
    assert outcome.returncode == ExitCode.USAGE
    assert "belongs to none" in outcome.stderr
