"""`routing:` gives tasks that name no agent to the one with the best results here, and says why."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aurora_cli.exits import ExitCode
from aurora_soar import Aurora
from aurora_spawner.control.lookup import find_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

BACKENDS = """\
spawner: {recovery: {base_delay: 0.01}}
check_rounds: 0
backends:
  first: {kind: command, command: ["cat"]}
  second: {kind: command, command: ["cat"]}
  gone: {kind: command, command: ["/nowhere/agent"]}
  closed: {kind: codex, command: ["cat"]}
"""
ROUTING = "routing: {among: [first, second], at_least: 2}\n"
OPEN = "- [ ] 1 Open\n"


@pytest.fixture
def works(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    (shop / ".aurora/policies.yaml").write_text("agent_recovery: {max_retries: 0, fallback_to_llm: false}\n")
    configure(shop, ROUTING)
    (shop / "tasks.md").write_text(OPEN)
    return shop


def configure(shop: Path, more: str) -> None:
    (shop / ".aurora/config.yaml").write_text(more + BACKENDS)


def give_results(aur: Aur, shop: Path, *, first: str = "01", second: str = "11") -> None:
    """Runs tasks with a check each, of which 0 fails and 1 passes."""
    lines = [
        f"- [ ] {agent}{number} Do it\n  - Agent: {agent}\n  - Check: `{'true' if passes == '1' else 'test -e NO'}`\n"
        for agent, marks in (("first", first), ("second", second))
        for number, passes in enumerate(marks)
    ]
    (shop / "earlier.md").write_text("".join(lines))
    aur("spawn", "earlier.md", "--yes")


def planned(aur: Aur, *options: str) -> dict[str, Any]:
    outcome = aur("spawn", "tasks.md", "--dry-run", "--json", *options)
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    document: dict[str, Any] = json.loads(outcome.stdout)
    return document


def agent_and_reason(aur: Aur, *options: str) -> tuple[str, str]:
    found = planned(aur, *options)
    return found["tasks"][0]["agent"], (found["routing"] or {"because": ""})["because"]


def test_with_enough_results_the_best_is_used_shown_journalled_and_kept_by_a_resume(
    aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert agent_and_reason(aur) == ("first", "too few results here to choose by (0 of 2)")
    give_results(aur, works)
    stats = {each["agent"]: each for each in json.loads(aur("agents", "stats", "--json").stdout)["agents"]}
    assert [(stats[each]["judged"], stats[each]["passed_at_once"]) for each in ("first", "second")] == [
        (2, 1),
        (2, 2),
    ]
    document = planned(aur)["routing"]
    assert (document["agent"], document["at_least"]) == ("second", 2)
    assert [(each["agent"], each["judged"], each["passed_at_once"]) for each in document["agents"]] == [
        ("first", 2, 1),
        ("second", 2, 2),
    ]
    assert "its checks passed at once in 2 of 2 tasks" in document["because"]
    line = f"second for tasks that name no agent: {document['because']}"
    assert line in aur("spawn", "tasks.md", "--dry-run").stdout
    assert line in aur("exec", "Say it", "--dry-run").stdout
    with Aurora.open() as aurora:
        run_id = aurora.new_run(aurora.plan(Path("tasks.md"))).run_id
    configure(works, "routing: {among: [first, second], at_least: 500}\n")
    assert agent_and_reason(aur)[0] == "first"
    assert aur("resume", run_id, "--yes").returncode == ExitCode.DONE
    shown = json.loads(aur("runs", "show", run_id, "--json").stdout)
    assert shown["tasks"][0]["agent"] == shown["default_agent"] == "second"
    assert shown["chosen_because"] == document["because"]
    assert f"@{line}" in aur("runs", "show", run_id).stdout


def test_the_chosen_one_falls_back_as_any_other(aur: Aur, works: Path) -> None:
    give_results(aur, works)
    failing = BACKENDS.replace(
        'second: {kind: command, command: ["cat"]}', "second: {kind: command, command: ['false'], fallback: [first]}"
    )
    (works / ".aurora/config.yaml").write_text(ROUTING + failing)
    assert agent_and_reason(aur)[0] == "second"
    outcome = aur("spawn", "tasks.md", "--yes", "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    run = json.loads(outcome.stdout)
    assert run["tasks"][0]["agent"] == "first"
    assert json.loads(aur("runs", "show", run["run_id"], "--json").stdout)["default_agent"] == "second"


def test_whoever_is_named_comes_before_results(aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_results(aur, works)
    assert agent_and_reason(aur, "--tool", "first") == ("first", "")
    monkeypatch.setenv("AURORA_TOOL", "first")
    assert agent_and_reason(aur) == ("first", "")
    monkeypatch.delenv("AURORA_TOOL")
    configure(works, "tool: first\n" + ROUTING)
    assert agent_and_reason(aur)[0] == "second", "in one file, `tool` still plans and answers, and results route"
    (works / ".claude/agents").mkdir(parents=True)
    (works / ".claude/agents/tester.md").write_text("---\nname: tester\ndescription: Tests.\n---\nYou test.\n")
    (works / "tasks.md").write_text(OPEN + "- [ ] 2 Named\n  - Agent: first\n- [ ] 3 Cast\n  - Agent: @tester\n")
    assert [each["agent"] for each in planned(aur)["tasks"]] == ["second", "first", "second"]
    (works / "tasks.md").write_text("- [ ] 2 Named\n  - Agent: first\n")
    assert planned(aur)["routing"] is None, "nothing is left to it"
    configure(works, "tool: first\n")
    (works / "tasks.md").write_text(OPEN)
    assert agent_and_reason(aur) == ("first", "")


def test_one_that_cannot_work_here_is_left_out(aur: Aur, works: Path) -> None:
    configure(works, "routing: {among: [gone, closed, claude, second, first]}\n")
    agent, because = agent_and_reason(aur)
    assert agent == "second"
    for problem in ("gone is not installed", "closed is not signed in", "claude is not installed"):
        assert problem in because
    configure(works, "routing: {among: [gone, claude]}\n")
    outcome = aur("spawn", "tasks.md", "--dry-run")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "/nowhere/agent" in outcome.stderr


def test_a_name_that_no_agent_has_is_refused_with_its_place(aur: Aur, works: Path) -> None:
    configure(works, "routing: {among: [first, secnd]}\n")
    outcome = aur("spawn", "tasks.md", "--dry-run")
    assert outcome.returncode == ExitCode.USAGE
    assert "config.yaml:1" in outcome.stderr
    assert "did you mean second?" in outcome.stderr
    configure(works, "")
    assert aur("config", "set", "routing.among", "first", "secnd").returncode == ExitCode.USAGE
    assert aur("config", "set", "routing.among", "first", "second").returncode == ExitCode.DONE
    assert json.loads(aur("config", "get", "routing", "--json").stdout)["value"]["at_least"] == 20


def test_an_untrusted_project_routes_nothing(aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_results(aur, works)
    monkeypatch.delenv("AURORA_TRUST")
    found = planned(aur)
    assert (found["tasks"][0]["agent"], found["routing"]) == ("local", None)
    assert "routing" in aur("trust", "--json").stdout + aur("trust").stdout
    home = Path.home() / ".config/aurora"
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(
        "routing: {among: [first, mine]}\nbackends: {mine: {kind: command, command: [cat]}}\n"
    )
    agent, because = agent_and_reason(aur)
    assert agent == "mine"
    assert "first is not trusted" in because


def test_a_journal_of_somebody_else_has_no_say(
    aur: Aur, works: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_results(aur, works)
    (tmp_path / "other-home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "other-home"))
    agent, because = agent_and_reason(aur)
    assert agent == "first"
    assert "you have not written it in this place" in because


def test_hostile_values_in_the_journal_decide_nothing(aur: Aur, works: Path, tmp_path: Path) -> None:
    give_results(aur, works)
    journal = works / ".aurora/runs.db"
    shutil.copy(journal, tmp_path / "kept.db")
    unread = "the results here cannot be read ("
    cases = {
        "UPDATE tasks SET checked = '{'": unread,
        "UPDATE attempts SET agent = x'00ff' WHERE agent = 'first'": unread,
        "UPDATE tasks SET checked = '{\"0\": 1}'": "too few results",
        "UPDATE tasks SET checked = '[[1], \"x\"]'": "too few results",
        'UPDATE tasks SET checked = \'[{"number": 1e300, "outcome": "passed"}]\'': "too few results",
        "UPDATE tasks SET checked = replace(checked, 'passed', 'passed at once, 1000 times')": "too few results",
        "UPDATE attempts SET agent = 'second' || char(27) || '[2J' WHERE agent = 'second'": "too few results",
    }
    for change, said in cases.items():
        shutil.copy(tmp_path / "kept.db", journal)
        with sqlite3.connect(journal) as database:
            database.execute(change)
        database.close()
        agent, because = agent_and_reason(aur)
        assert agent == "first", change
        assert because.startswith(said), change
        assert "\x1b" not in aur("spawn", "tasks.md", "--dry-run").stdout


def test_without_routing_nothing_is_looked_up(aur: Aur, works: Path) -> None:
    configure(works, "")
    give_results(aur, works)
    assert agent_and_reason(aur) == ("local", "")
    with Aurora.open() as aurora:
        run = find_run(works / ".aurora/runs.db", aurora.new_run(aurora.plan(Path("tasks.md"))).run_id)[0]
    assert run.options is not None
    assert run.options.chosen_because is None


def test_a_goal_says_why_its_default_agent_was_chosen_and_leaves_it_open(aur: Aur, works: Path) -> None:
    configure(works, "tool: local\n" + ROUTING)
    give_results(aur, works)
    outcome = aur("goals", "Add a discount to the till", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "@second is the default: its checks passed at once in 2 of 2 tasks" in outcome.stdout + outcome.stderr
    (tasks,) = works.glob(".aurora/plans/*/tasks.md")
    assert "Agent: second" not in tasks.read_text(), "the one with the best results at the time of the run does it"


def test_results_that_come_while_a_plan_is_reviewed_do_not_pin_its_tasks(aur: Aur, works: Path) -> None:
    configure(works, "tool: local\n" + ROUTING)
    give_results(aur, works)
    with Aurora.open() as aurora:
        review = aurora.plan_goal("Add a discount to the till")
        assert review is not None
        before = aurora.taskfile_of(review)
        with sqlite3.connect(works / ".aurora/runs.db") as database:
            database.execute("UPDATE tasks SET checked = NULL")
        database.close()
        assert aurora.project_agents.default_agent == "first"
        assert aurora.taskfile_of(review) == before
        edited = aurora.edited_review(review, before + "\n", works / "tasks.md")
    assert "Agent: second" not in before
    assert (edited.preview.default_agent, edited.preview.agents) == ("second", review.preview.agents)
