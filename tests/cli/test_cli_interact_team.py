"""`aur interact --team`: a plan, a run of its tasks, and a talk that has their results, in one session."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.talks import AUR, talking_project, talks_begun
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.cli.talks import Talk

    Aur = Callable[..., CompletedProcess[str]]
    Begin = Callable[..., Talk]

GOAL = "Document the shop: (1) write the price list; (2) write the manual of the till"


@pytest.fixture
def begin(shop: Path) -> Iterator[Begin]:
    git = ["git", "-c", "user.email=a@example.org", "-c", "user.name=A"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    (shop / ".gitignore").write_text(".aurora/\ngo\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Begin"], check=True)
    go = shop / "go"
    plans = f'[ "$PWD" = "{shop}" ] && exit 1'  # so that rules do
    writes = f'{plans}; while [ ! -e "{go}" ]; do sleep 0.05; done; cat > "out-$AURORA_TASK_ID.txt"; echo written'
    slow = f'touch "{shop}/.aurora/asked"; while [ ! -e "{go}" ]; do sleep 0.05; done; echo no plan'
    talking_project(shop, {"writer": writes, "slow": slow}, tool="writer")
    (shop / ".aurora" / "policies.yaml").write_text("safety:\n  protected_branches: []\n")
    with talks_begun() as begun:
        yield begun


def test_a_team_whose_aur_is_killed_goes_on_and_the_talk_has_its_results(aur: Aur, begin: Begin, shop: Path) -> None:
    talk = begin(GOAL, "--team", "--agent", "bot", "--mode", "batch")
    session_id = talk.id
    assert "the plan of" in talk.until("default")["subject"]
    run_id = talk.until("team")["run"]
    talk.until("task_started")
    talk.kill()
    (shop / "go").touch()
    again = begin("--resume", session_id, "--mode", "batch")
    assert again.until("team")["run"] == run_id
    again.until("run_ended", state="succeeded")
    team = again.until("earlier", number=1)
    assert (team["agent"], team["state"]) == ("the team", "done")
    assert f"Run {run_id}: " in team["messages"][1]["content"]
    assert "written" in team["messages"][1]["content"]
    again.tell(say="count")
    assert "bot is told 1 earlier turn" in again.until("notice")["text"]
    assert again.leave() == ExitCode.DONE
    runs = json.loads(aur("runs", "list", "--json").stdout)["runs"]
    assert [each["run_id"] for each in runs if each["kind"] == "spawn"] == [run_id]
    third = begin("--resume", session_id)
    assert third.say("count") == "2 "
    assert third.leave() == ExitCode.DONE


def test_an_interrupted_plan_is_made_again_for_the_agent_that_the_session_was_begun_with(
    aur: Aur, begin: Begin, shop: Path
) -> None:
    talk = begin(GOAL, "--team", "--tool", "slow", "--mode", "batch")
    session_id = talk.id
    wait_for((shop / ".aurora" / "asked").exists)
    talk.process.send_signal(signal.SIGINT)
    assert talk.process.wait(30) == ExitCode.INTERRUPTED
    (shop / "go").touch()
    again = begin("--resume", session_id, "--mode", "batch")
    run_id = again.until("team")["run"]
    again.leave()
    tasks = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert {each["agent"] for each in tasks if each["id"] != "1"} == {"slow"}, tasks


def test_a_team_works_where_the_session_was_begun_with_also_after_a_kill(aur: Aur, begin: Begin, shop: Path) -> None:
    talk = begin(GOAL, "--team", "--tool", "slow", "--mode", "batch", "--isolation", "none")
    session_id = talk.id
    wait_for((shop / ".aurora" / "asked").exists)
    talk.kill()
    (shop / "go").touch()
    again = begin("--resume", session_id, "--mode", "batch")
    run_id = again.until("team")["run"]
    again.leave()
    assert json.loads(aur("runs", "show", run_id, "--json").stdout)["work"] is None
    assert aur("interact", "--isolation", "none").returncode == ExitCode.USAGE


def test_a_team_needs_a_goal_of_a_new_session(aur: Aur, begin: Begin) -> None:
    del begin
    assert aur("interact", "--team").returncode == ExitCode.USAGE
    assert aur("interact", "Go on", "--team", "--resume", "interact-1").returncode == ExitCode.USAGE
    assert aur("interact", "--team", "--list").returncode == ExitCode.USAGE


@needs_tmux
def test_the_plan_is_reviewed_at_the_terminal_and_the_work_is_merged_from_the_prompt(
    begin: Begin, shop: Path
) -> None:
    del begin
    (shop / "go").touch()
    screen = Tmux(
        "env", "TERM=screen-256color", AUR, "interact", GOAL, "--team", "--agent", "bot", columns=160, rows=50
    )
    try:
        screen.wait_for("p = proceed")
        screen.press("p", "Enter")
        screen.wait_for("Merge it into main?")
        screen.press("n", "Enter")
        screen.wait_for("the team", "@bot>")
        screen.press("/diff", "Enter")
        screen.wait_for("+++ b/out-")
        screen.press("/merge", "Enter")
        screen.wait_for("main has the work", lambda now: now.rstrip().endswith("@bot>"))
        assert "out-" in _files_of_main(shop)
        screen.press("C-d")
        screen.wait_for("status 0")
    finally:
        with suppress(Exception):
            screen.kill()


def _files_of_main(shop: Path) -> str:
    listed = ["git", "ls-tree", "--name-only", "main"]
    return subprocess.run(listed, cwd=shop, check=True, capture_output=True, text=True).stdout
