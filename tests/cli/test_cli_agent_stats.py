"""`aur agents stats`: what the journal and the ledger say of each agent."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.test_cli_budget import RESULT

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

CONFIG = """\
tool: paid
spawner: {recovery: {base_delay: 0.01}}
backends:
  paid: {kind: command, command: ["sh", "agent.sh"], events: claude}
  echo: {kind: command, command: ["cat"]}
  broken: {kind: command, command: ["sh", "-c", "echo no luck >&2; exit 7"], fallback: [echo]}
"""
TASKS = """\
- [ ] 1 Cheap
  - Agent: echo
  - Check: `true`
- [ ] 2 Wrong
  - Agent: echo
  - Check: `test -e NOTHING`
- [ ] 3 Paid
- [ ] 4 Falls back
  - Agent: broken
"""


@pytest.fixture
def works(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    (shop / ".aurora/config.yaml").write_text(CONFIG)
    (shop / ".aurora/policies.yaml").write_text("agent_recovery: {max_retries: 1, fallback_to_llm: false}\n")
    (shop / "agent.sh").write_text(f"echo '{json.dumps(RESULT)}'\n")
    (shop / "tasks.md").write_text(TASKS)
    return shop


def records(aur: Aur) -> dict[str, dict[str, object]]:
    outcome = aur("agents", "stats", "--json")
    assert outcome.returncode == ExitCode.DONE
    return {each["agent"]: each for each in json.loads(outcome.stdout)["agents"]}


def test_each_agent_has_its_tasks_checks_times_and_costs(aur: Aur, works: Path) -> None:
    assert aur("spawn", "tasks.md").returncode == ExitCode.NOT_REACHED
    assert aur("exec", "Do it too").returncode == ExitCode.DONE
    aur("soar", "Where is price_of?")
    found = records(aur)
    assert sorted(found) == ["broken", "echo", "paid"], "questions are not counted"
    assert (found["paid"]["tasks"], found["paid"]["succeeded"], found["paid"]["attempts"]) == (2, 2, 2)
    assert (found["paid"]["priced"], found["paid"]["cost_usd"], found["paid"]["estimated_usd"]) == (2, 0.4, 0.0)
    assert (found["echo"]["tasks"], found["echo"]["succeeded"], found["echo"]["timed"]) == (3, 2, 2)
    assert found["echo"]["checks_passed"] == 1
    assert isinstance(found["echo"]["checked"], int)
    assert found["echo"]["checked"] > 1
    assert (found["echo"]["priced"], found["echo"]["cost_usd"]) == (0, None)
    assert (found["broken"]["tasks"], found["broken"]["succeeded"], found["broken"]["attempts"]) == (1, 0, 2)
    assert found["broken"]["median_s"] is None


def test_a_check_that_fails_on_the_base_too_judges_nobody_unless_it_passes_later(aur: Aur, works: Path) -> None:
    (works / "fix.sh").write_text('test "$AURORA_ATTEMPT_NUMBER" = 1 || touch THERE\necho done\n')
    extra = f'  late: {{kind: command, command: ["sh", "{works / "fix.sh"}"]}}\n'
    (works / ".aurora/config.yaml").write_text(CONFIG + extra)
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@localhost"]
    for command in (["init", "--quiet", "-b", "work"], ["add", "."], ["commit", "--quiet", "--message", "All"]):
        subprocess.run([*git, *command], cwd=works, check=True)
    hopeless = aur("exec", "Add a thing", "--tool", "echo", "--check", "false", "--yes")
    assert "in the same way as on the commit that the task started from" in hopeless.stderr
    later = aur("exec", "Make THERE", "--tool", "late", "--check", "test -e THERE", "--yes")
    assert later.returncode == ExitCode.DONE, later.stderr
    found = records(aur)
    assert (found["echo"]["attempts"], found["echo"]["checked"], found["echo"]["judged"]) == (2, 2, 0)
    assert (found["late"]["judged"], found["late"]["passed_at_once"]) == (1, 0)


def test_the_table_has_every_n(aur: Aur, works: Path) -> None:
    (works / "tasks.md").write_text("- [ ] 1 A\n- [ ] 2 B\n- [ ] 3 C\n  - Agent: broken\n")
    aur("spawn", "tasks.md")
    lines = aur("agents", "stats").stdout.splitlines()
    assert lines[0].split("  ")[0] == "agent"
    assert any(line.startswith("@paid") and "2 of 2 (100%)" in line and "$0.40 (n = 2)" in line for line in lines)
    assert any(line.startswith("@broken") and "0 of 1 (0%)" in line for line in lines)
    assert any("s (n = 2)" in line for line in lines)


def test_runs_that_were_cleaned_are_not_counted_and_none_is_no_error(aur: Aur, works: Path) -> None:
    outcome = aur("agents", "stats")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "")
    assert "no agent has worked on a task" in outcome.stderr
    (works / "tasks.md").write_text("- [ ] 1 A\n  - Agent: echo\n")
    aur("spawn", "tasks.md")
    assert records(aur)["echo"]["tasks"] == 1
    aur("runs", "clean", "--older-than", "0")
    assert records(aur) == {}


def test_a_damaged_journal_is_an_error_with_its_name(aur: Aur, works: Path) -> None:
    (works / "tasks.md").write_text("- [ ] 1 A\n  - Agent: echo\n")
    aur("spawn", "tasks.md")
    with sqlite3.connect(works / ".aurora/runs.db") as database:
        database.execute("UPDATE tasks SET result = '{'")
    outcome = aur("agents", "stats")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "runs.db" in outcome.stderr
    assert "bug in Aurora" not in outcome.stderr
