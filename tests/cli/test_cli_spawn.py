"""`aur spawn`: a task file run by real agent processes."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]

CONFIG = """\
spawner: {recovery: {base_delay: 0.01}}
backends:
  echo: {kind: command, command: ["cat"]}
  broken: {kind: command, command: ["sh", "-c", "echo no luck >&2; exit 7"]}
  slow: {kind: command, command: ["sleep", "31.4159"]}
"""


@pytest.fixture
def works(shop: Path) -> Path:
    """Configure agents in the project and return its task file's path."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return shop / "tasks.md"


def write_tasks(path: Path, *tasks: str) -> None:
    path.write_text("# Plan\n\n" + "".join(f"- [ ] {task}\n" for task in tasks), encoding="utf-8")


def test_tasks_run_boxes_are_ticked_and_each_end_is_a_line(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello\n  - Agent: echo", "2 Say more\n  - Agent: @echo\n  - Depends: 1")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.DONE
    assert "tasks.md: 2 tasks to run" in outcome.stderr
    assert "[1/2] 1 Say hello: succeeded (" in outcome.stderr
    assert "[2/2] 2 Say more: succeeded (" in outcome.stderr
    assert outcome.stdout.startswith("spawn-")
    assert "2 of 2 succeeded in" in outcome.stdout
    assert works.read_text(encoding="utf-8").count("- [x]") == 2


def test_a_failed_task_skips_what_depends_on_it_and_the_status_says_so(aur: Aur, works: Path) -> None:
    write_tasks(
        works, "1 Break\n  - Agent: broken", "2 Wait\n  - Depends: 1\n  - Agent: echo", "3 Go\n  - Agent: echo"
    )
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    document = json.loads(outcome.stdout)
    assert document["ok"] is False
    assert document["counts"] == {"succeeded": 1, "failed": 1, "skipped": 1, "cancelled": 0}
    first, second, third = document["tasks"]
    assert (first["state"], first["exit_code"]) == ("failed", 7)
    assert second["state"] == "skipped"
    assert (third["state"], third["output"].strip()) == ("succeeded", "Go")
    assert "- [ ] 1 Break" in works.read_text(encoding="utf-8")


def test_only_open_tasks_run(aur: Aur, works: Path) -> None:
    works.write_text("- [x] 1 Done\n- [ ] 2 Open\n  - Agent: echo\n  - Depends: 1\n", encoding="utf-8")
    document = json.loads(aur("spawn", "tasks.md", "--json").stdout)
    assert [task["id"] for task in document["tasks"]] == ["2"]


def test_a_file_with_no_open_task_is_done_without_a_run(aur: Aur, works: Path) -> None:
    works.write_text("- [x] 1 Done\n", encoding="utf-8")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.DONE
    assert "nothing to run" in outcome.stderr
    assert not (works.parent / ".aurora" / "runs.db").exists()
    document = json.loads(aur("spawn", "tasks.md", "--json").stdout)
    assert (document["ok"], document["run_id"], document["tasks"]) == (True, None, [])


def test_a_dry_run_shows_the_plan_and_changes_nothing(aur: Aur, shop: Path) -> None:
    write_tasks(shop / "tasks.md", "1 Ask\n  - Timeout: 45s")
    outcome = aur("spawn", "tasks.md", "--dry-run")
    assert outcome.returncode == ExitCode.DONE
    assert "1  Ask  (@local, timeout 45 s)" in outcome.stdout
    document = json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)
    assert document["tasks"][0]["agent"] == "local"
    assert not (shop / ".aurora").exists()


@pytest.mark.parametrize("how", ["option", "environment", "configuration"])
def test_the_default_agent_comes_from_option_environment_or_configuration(
    aur: Aur, works: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tasks(works, "1 Say hello")
    if how == "environment":
        monkeypatch.setenv("AURORA_TOOL", "echo")
    if how == "configuration":
        (works.parent / ".aurora" / "config.yaml").write_text(CONFIG + "tool: echo\n", encoding="utf-8")
    option = ["--tool", "echo"] if how == "option" else []
    document = json.loads(aur("spawn", "tasks.md", "--json", *option).stdout)
    assert document["tasks"][0]["agent"] == "echo"


def test_an_unknown_agent_is_an_error_before_anything_runs(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello\n  - Agent: echo", "2 Say more\n  - Agent: ecko")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "tasks.md:5: no agent named 'ecko'" in outcome.stderr
    assert "did you mean 'echo'?" in outcome.stderr
    assert not (works.parent / ".aurora" / "runs.db").exists()


def test_an_unknown_tool_is_an_error_that_says_where_it_was_named(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    outcome = aur("spawn", "tasks.md", "--tool", "claud")
    assert outcome.returncode == ExitCode.USAGE
    assert "no agent named 'claud'" in outcome.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("- [ ] 1 A\n- [ ] 1 B\n", "tasks.md:2"),
        ("- [ ] 1 A\n  - Depends: 9\n", "tasks.md:1"),
        ("- [ ] 1 A\n  - Depends: 2\n- [ ] 2 B\n  - Depends: 1\n", "tasks.md:1"),
        ("- [ ] 1 A\n  - Agent: a\n  - Agent: b\n", "tasks.md:3"),
        ("nothing here\n", "tasks.md"),
    ],
    ids=["duplicate", "unknown", "cycle", "setting", "empty"],
)
def test_a_task_file_that_makes_no_sense_is_a_usage_error_with_its_line(
    aur: Aur, shop: Path, text: str, place: str
) -> None:
    (shop / "tasks.md").write_text(text, encoding="utf-8")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert place in outcome.stderr
    assert not (shop / ".aurora").exists()


def test_a_mistyped_task_file_is_an_error_that_names_the_nearest(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    outcome = aur("spawn", "task.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "did you mean tasks.md?" in outcome.stderr


def test_a_link_to_nothing_or_to_itself_is_called_so(aur: Aur, works: Path) -> None:
    for target, words in (("loop.md", "loop.md is a link to itself"), ("gone.md", "a link to gone.md, which is not")):
        (works.parent / "loop.md").unlink(missing_ok=True)
        (works.parent / "loop.md").symlink_to(target)
        told = aur("spawn", "loop.md").stderr
        assert words in told
        assert "did you mean" not in told


def test_a_folder_is_no_task_file(aur: Aur, works: Path) -> None:
    assert "is a folder" in aur("spawn", "src").stderr


def test_tasks_for_the_local_agent_are_answered_from_the_project(aur: Aur, shop: Path) -> None:
    write_tasks(shop / "tasks.md", "1 What does price_of raise?")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.DONE
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert "src/shop/stock.py:" in task["output"]


@pytest.mark.slow
def test_an_interrupt_leaves_no_process_and_a_journal_that_says_so(
    start_aur: Callable[..., Popen[str]], works: Path
) -> None:
    write_tasks(works, *(f"{number} Sleep\n  - Agent: slow" for number in range(1, 51)))
    process = start_aur("spawn", "tasks.md", "--max-concurrent", "10")
    wait_for(lambda: len(sleepers()) >= 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    assert "50 cancelled" in out
    assert f"aur resume {out.partition(':')[0]} continues it" in err
    assert sleepers() == []
    assert (works.parent / ".aurora" / "runs.db").stat().st_size > 0


def sleepers() -> list[int]:
    """Agents of the interrupt test that are alive."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] == ["sleep", "31.4159"] and process.status() != psutil.STATUS_ZOMBIE
    ]


def test_a_reader_that_leaves_early_ends_the_output_and_not_the_run(
    works: Path, start_aur: Callable[..., Popen[str]]
) -> None:
    write_tasks(works, "1 Say hello\n  - Agent: echo", "2 Break\n  - Agent: broken")
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = start_aur("spawn", "tasks.md", "--json", stdout=write_end)
    os.close(write_end)
    _, err = process.communicate(timeout=50)
    assert process.returncode == ExitCode.NOT_REACHED
    assert "BrokenPipe" not in err


def test_who_is_to_be_told_is_told_and_what_fails_is_said(aur: Aur, works: Path) -> None:
    works.parent.joinpath(".aurora/config.yaml").write_text(
        CONFIG
        + 'notify:\n  - {command: [sh, -c, "cat >> told; echo >> told"]}\n  - {command: ["false"], on: [run_ended]}\n'
    )
    write_tasks(works, "1 Break\n  - Agent: broken", "2 Go\n  - Agent: echo")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.NOT_REACHED
    told = [json.loads(line) for line in (works.parent / "told").read_text().splitlines()]
    assert [(each["event"], each["task"]) for each in told] == [("task_failed", "1"), ("run_ended", "")]
    assert told[1]["message"].endswith(": failed, 2 of 2 tasks ended")
    assert "notify: could not notify false: it ended with exit status 1" in outcome.stderr
