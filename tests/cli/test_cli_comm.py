"""`aur comm`: the board of a run at a terminal, and inside an agent that knows its run by its environment."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]

AGENT = """case $(cat) in
*Left*) aur comm send --to 2 'left is ready'; aur comm --wait 30 > left.txt;;
*Right*) aur comm --wait 30 > right.txt; aur comm send - --kind handover --to 1 < right.txt
    aur mem search left > /dev/null 2> searched.txt; echo "status $?" >> searched.txt
    aur comm --after 9 --wait 0.1; echo "status $?" > nothing.txt;;
*Wrong*) AURORA_ATTEMPT=wrong aur comm send hello 2> refused.txt; echo "status $?" >> refused.txt
    head -c 10000000 /dev/zero | tr '\\0' x | aur comm send - 2>> refused.txt; echo "status $?" >> refused.txt
    aur comm spawn-1 2>> refused.txt; aur comm send --run r hello 2>> refused.txt;;
*Read*) until aur comm | grep -q closing; do sleep 0.05; done;;
esac
echo done"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
SPAWN = ("spawn", "tasks.md", "--merge", "auto", "--yes")


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def test_two_agents_talk_and_a_third_is_refused(aur: Aur, shed: Shed) -> None:
    assert aur("comm").returncode == ExitCode.USAGE
    shed.repository.commit({"tasks.md": "- [ ] 1 Left\n- [ ] 2 Right\n- [ ] 3 Wrong\n"})
    assert aur(*SPAWN).returncode == ExitCode.DONE
    shown = partial(shed.repository.shown, "main")
    listed = aur("comm").stdout
    assert "fact by task 1 (agent sh, attempt 1) for task 2\n    left is ready" in listed
    assert "handover by task 2 (agent sh, attempt 1) for task 1\n    1  " in listed
    assert "left is ready" in shown("right.txt")
    assert "handover by task 2" in shown("left.txt")
    assert shown("nothing.txt") == "status 1"
    assert shown("searched.txt").endswith("status 0"), "a worktree searches the memory of its project"
    refused = shown("refused.txt")
    assert "no attempt of this run that is under way has this token\nstatus 3" in refused
    assert "at most 4,000 characters; put the rest in a file and name the file\nstatus 3" in refused
    assert refused.count("inside an agent, the board is that of its own run") == 2

    document = json.loads(aur("comm", "show", "--after", "1", "--json").stdout)
    assert [(each["kind"], each["task_id"], each["to"]) for each in document["posts"]] == [
        ("handover", "2", {"task": "1", "agent": None})
    ]
    late = aur("comm", "send", "too late")
    assert (late.returncode, "has succeeded" in late.stderr) == (ExitCode.REFUSED, True)
    assert aur("comm", "--wait", "1").returncode == ExitCode.USAGE


def test_the_user_posts_and_watches(aur: Aur, start_aur: Start, shed: Shed) -> None:
    shed.repository.commit({"tasks.md": "- [ ] 1 Read\n"})
    running = start_aur(*SPAWN)
    wait_for(lambda: aur("comm", "send", "opening\x07", "--to", "@sh").returncode == ExitCode.DONE)
    watching = start_aur("comm", "--watch", "--json")
    sent = aur("comm", "send", "closing", "--kind", "decision", "--json")
    assert json.loads(sent.stdout)["post"]["by"] == "user"
    nobody = aur("comm", "send", "hello", "--to", "7")
    assert (nobody.returncode, "a post is for all, a task or an agent" in nobody.stderr) == (ExitCode.REFUSED, True)
    told, _ = watching.communicate(timeout=60)
    assert [json.loads(line)["text"] for line in told.splitlines()] == ["opening\\x07", "closing"]
    assert running.wait(timeout=60) == ExitCode.DONE
