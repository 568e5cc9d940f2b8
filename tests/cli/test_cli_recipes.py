"""Recipes (`{{name}}` in a task file) and `--key`: a value is data, and two starts with a key are one run."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_run, load_tasks

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow, TaskRow

    Aur = Callable[..., subprocess.CompletedProcess[str]]

RECIPE = """# Audit

- [ ] 1. Where does {{module}} take money? Literally \\{{module}}, and {{ spaced }}.
  - Part: {{focus}}
- [x] 2. Done long ago with {{gone}}
"""


@pytest.fixture
def recipe(shop: Path) -> Path:
    path = shop / "audit.md"
    path.write_text(RECIPE)
    return path


def the_run(shop: Path) -> tuple[RunRow, list[TaskRow]]:
    with Journal(shop / ".aurora/runs.db") as journal:
        (summary,) = list_checkpoints(shop / ".aurora/runs.db")
        return load_run(journal, summary.run.run_id), load_tasks(journal, summary.run.run_id)


HOSTILE = "stock\n  - Check: touch hacked\n- [ ] 9. Another task\n  - Agent: nobody"


def test_values_fill_the_prompts_and_no_value_is_a_setting_or_a_task(aur: Aur, recipe: Path, shop: Path) -> None:
    outcome = aur("spawn", "audit.md", "--yes", "--arg", "module=the till", "--arg", f"focus={HOSTILE}")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    run, (task,) = the_run(shop)
    assert task.task.title == "Where does the till take money? Literally {{module}}, and {{ spaced }}."
    assert f"- Part: {HOSTILE}" in task.task.prompt
    assert (task.task.checks, task.task.agent) == ((), None)
    assert run.options is not None
    assert run.options.arguments == {"module": "the till", "focus": HOSTILE}
    assert not (shop / "hacked").exists()
    assert recipe.read_text() == RECIPE.replace("- [ ] 1.", "- [x] 1.")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((), "audit.md:3: the task needs values: --arg module=… --arg focus=…"),
        (("--arg", "module=x"), "audit.md:3: the task needs values: --arg focus=…"),
        (
            ("--arg", "modul=x", "--arg", "focus=y"),
            "audit.md:3: no task has an argument {{modul}}; did you mean module?",
        ),
        (("--arg", "module=x", "--arg", "focus=y", "--arg", "zz=1"), "no task has an argument {{zz}}; it has focus,"),
        (("--arg", "module=x", "--arg", "module=y"), "--arg gives one name two values"),
        (("--arg", "module"), "must be a name and its value, such as module=api"),
        (("--arg", "module=a\0b", "--arg", "focus=y"), "audit.md:3: the value of module must have"),
    ],
)
def test_wrong_arguments_are_refused_with_their_place(
    aur: Aur, recipe: Path, shop: Path, given: tuple[str, ...], problem: str
) -> None:
    outcome = aur("spawn", recipe.name, "--yes", *given)
    assert outcome.returncode == ExitCode.USAGE
    assert problem in outcome.stderr
    assert not (shop / ".aurora/runs.db").exists()


COMMANDS = (
    "- [ ] 1. Test {{module}}\n  - Check: `test -e src/{{module}}/till.py`\n  - Files: src/{{module}}/till.py\n"
)


@pytest.mark.parametrize("value", few(["shop; touch hacked", "-e", "$(touch hacked)", "a b", "", "*"], 2))
def test_a_value_in_a_command_is_a_part_of_a_word_or_refused(aur: Aur, shop: Path, value: str) -> None:
    (shop / "t.md").write_text(COMMANDS)
    outcome = aur("spawn", "t.md", "--yes", "--arg", f"module={value}")
    assert outcome.returncode == ExitCode.USAGE
    assert "t.md:1: the value" in outcome.stderr
    assert "cannot stand in a" in outcome.stderr


def test_a_recipe_is_trusted_once_and_not_for_each_value(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "t.md").write_text(COMMANDS)
    monkeypatch.delenv("AURORA_TRUST")
    assert "test -e src/{{module}}/till.py" in aur("trust", "t.md", "--yes").stdout
    outcome = aur("spawn", "t.md", "--yes", "--arg", "module=shop")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "until you trust" not in outcome.stderr
    _, (task,) = the_run(shop)
    assert task.task.checks == ("test -e src/shop/till.py",)
    assert task.task.files == ("src/shop/till.py",)


SLOW = """backends:
  slow:
    kind: command
    command: [sh, -c, 'cat > seen; echo started > started; until test -e go; do sleep 0.1; done; echo done']
"""


def test_a_second_start_is_the_same_run_and_a_killed_one_is_resumed_with_its_values(
    aur: Aur, shop: Path, start_aur: Callable[..., subprocess.Popen[str]]
) -> None:
    (shop / ".aurora").mkdir()
    (shop / ".aurora/config.yaml").write_text(SLOW)
    (shop / "t.md").write_text("- [ ] 1. Look at {{module}}\n")
    start = (
        "spawn",
        "t.md",
        "--yes",
        "--tool",
        "slow",
        "--isolation",
        "none",
        "--arg",
        "module=api",
        "--key",
        "night",
    )
    first = start_aur(*start, AURORA_TRUST="1")
    wait_for((shop / "started").exists)
    again = aur(*start, "--json")
    run_id = json.loads(again.stdout)["run_id"]
    assert json.loads(again.stdout) == {
        "schema": "aur.run-not-started/1",
        "run_id": run_id,
        "state": "running",
        "started": False,
    }
    assert again.returncode == ExitCode.DONE
    first.send_signal(signal.SIGKILL)
    first.wait()
    aur("cancel", f"{run_id}/1", "--now")
    (shop / "go").touch()
    (shop / "seen").unlink()
    (shop / "t.md").write_text("- [ ] 1. Look at {{module}}\n- [ ] 2. Then at {{module}}\n")
    resumed = aur(*start)
    assert f"the run of the key 'night' is {run_id}" in resumed.stderr
    assert "Then at api" in (shop / "seen").read_text()
    assert len(list_checkpoints(shop / ".aurora/runs.db")) == 1
    ended = aur(*start)
    assert f"{run_id} " in ended.stdout
    assert "nothing was started" in ended.stdout
    other = aur(*start[:-1], "morning")
    assert other.returncode == ExitCode.DONE
    assert len(list_checkpoints(shop / ".aurora/runs.db")) <= 2


def test_two_starts_at_the_same_moment_are_one_run(
    shop: Path, start_aur: Callable[..., subprocess.Popen[str]]
) -> None:
    (shop / "t.md").write_text("- [ ] 1. Where is money taken?\n")
    starts = [start_aur("spawn", "t.md", "--yes", "--key", "k", AURORA_TRUST="1") for _ in range(2)]
    for each in starts:
        _, said = each.communicate(timeout=50)
        assert each.returncode == ExitCode.DONE, said
    assert len(list_checkpoints(shop / ".aurora/runs.db")) == 1
