"""Runs of the past: listed, shown, cleaned, exported, verified, resumed."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_soar import Aurora
from aurora_spawner.attempts.process_identity import identify
from aurora_spawner.journal.store import Journal

Aur = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., "subprocess.Popen[str]"]

CONFIG = """\
spawner: {recovery: {base_delay: 0.01}}
tool: echo
backends:
  echo: {kind: command, command: ["cat"]}
  broken: {kind: command, command: ["sh", "-c", "echo no luck >&2; exit 7"]}
  slow: {kind: command, command: ["sh", "-c", "echo begun; sleep 27.1828"]}
  gated: {kind: command, command: ["sh", "-c", "until [ -e go ]; do sleep 0.05; done; echo gone"]}
"""


@pytest.fixture
def works(shop: Path) -> Path:
    """Configure agents in the project and return its task file's path."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return shop / "tasks.md"


def write_tasks(path: Path, *tasks: str) -> None:
    path.write_text("".join(f"- [ ] {task}\n" for task in tasks), encoding="utf-8")


def spawned(aur: Aur, *options: str) -> str:
    """Run the task file and return the run's name."""
    run_id = json.loads(aur("spawn", "tasks.md", "--json", *options).stdout)["run_id"]
    assert isinstance(run_id, str)
    return run_id


def test_a_list_has_the_newest_first_and_counts(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    first = spawned(aur)
    write_tasks(works, "1 Break\n  - Agent: broken", "2 Say more")
    second = spawned(aur)
    lines = aur("runs", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [second, first]
    assert "1 succeeded, 1 failed" in lines[0]
    rows = json.loads(aur("runs", "list", "--limit", "1", "--json").stdout)["runs"]
    assert [(row["run_id"], row["state"], row["held"]) for row in rows] == [(second, "failed", False)]
    assert rows[0]["counts"] == {"succeeded": 1, "failed": 1}


def test_a_project_without_runs_says_so_and_makes_no_journal(aur: Aur, works: Path) -> None:
    assert "no run in this project yet" in aur("runs", "list").stderr
    assert "nothing is running" in aur("status").stderr
    assert "no run was cut off" in aur("spawn", "--list-checkpoints").stderr
    assert "nothing to verify" in aur("audit", "verify").stderr
    assert aur("runs", "clean", "--older-than", "1").stdout == "removed 0 runs\n"
    assert not (works.parent / ".aurora" / "runs.db").exists()


def test_a_run_is_shown_task_by_task(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Break\n  - Agent: broken", "2 Say more")
    run_id = spawned(aur)
    text = aur("runs", "show", run_id).stdout
    assert text.splitlines()[0].startswith(run_id)
    assert "  1  Break  @broken  failed" in text
    assert "no luck" in text
    document = json.loads(aur("runs", "show", run_id, "--json").stdout)
    assert [(task["id"], task["state"]) for task in document["tasks"]] == [("1", "failed"), ("2", "succeeded")]
    assert document["tasks"][1]["output"].strip() == "Say more"


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "show"),
        ("status",),
        ("logs",),
        ("pause",),
        ("resume",),
        ("cancel",),
        ("checkpoint", "export"),
        ("spawn", "--resume"),
    ],
)
@pytest.mark.parametrize("journal", few(["there", "not there"], 1))
def test_an_unknown_run_is_a_usage_error(aur: Aur, works: Path, words: tuple[str, ...], journal: str) -> None:
    if journal == "there":
        write_tasks(works, "1 Say hello")
        spawned(aur)
    outcome = aur(*words, "spawn-1")
    assert outcome.returncode == ExitCode.USAGE
    assert "no run named spawn-1" in outcome.stderr
    assert "hint: `aur runs list`" in outcome.stderr


def test_old_runs_are_cleaned_and_the_journal_still_verifies(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    run_id = spawned(aur)
    assert json.loads(aur("runs", "clean", "--older-than", "1", "--json").stdout)["removed"] == []
    assert json.loads(aur("spawn", "--clean-checkpoints", "0", "--json").stdout)["removed"] == [run_id]
    assert not (works.parent / ".aurora" / "runs" / run_id).exists()
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_a_run_is_exported_as_a_file(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    run_id = spawned(aur)
    path = Path(aur("checkpoint", "export", run_id).stdout.strip())
    assert path == works.parent / ".aurora" / "checkpoints" / f"{run_id}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["execution_id"] == run_id
    assert document["tasks"][0]["status"] == "completed"
    other = Path(aur("checkpoint", "export", run_id, "--output", "backup").stdout.strip())
    assert json.loads(other.read_text(encoding="utf-8")) == document


def test_a_journal_that_was_changed_is_found_out(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    spawned(aur)
    sound = aur("audit", "verify")
    assert sound.returncode == ExitCode.DONE
    assert "events and their tables are intact" in sound.stdout
    assert "as recorded by this machine" in sound.stdout
    with sqlite3.connect(works.parent / ".aurora" / "runs.db") as connection:
        connection.execute("UPDATE events SET payload = replace(payload, 'hello', 'howdy') WHERE seq = 2")
    connection.close()
    changed = aur("audit", "verify", "--json")
    assert changed.returncode == ExitCode.ENVIRONMENT
    document = json.loads(changed.stdout)
    assert document["ok"] is False
    assert "event 2" in document["problem"]
    assert "was changed" in aur("audit", "verify").stdout


def test_what_an_agent_printed_is_shown_byte_for_byte(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Break\n  - Agent: broken", "2 Say ünïcode")
    run_id = spawned(aur)
    assert aur("logs", f"{run_id}/2").stdout == "Say ünïcode"
    assert aur("logs", f"{run_id}/1", "--stderr").stdout == "no luck\n"
    whole = aur("logs", run_id).stdout
    assert "== 1 Break\n" in whole
    assert "== 2 Say ünïcode\nSay ünïcode" in whole
    assert aur("logs", f"{run_id}/2", "-f").stdout == "Say ünïcode"


@pytest.mark.parametrize("words", [["logs"], ["logs", "-f"], ["cancel"]], ids=" ".join)
def test_an_unknown_task_names_the_others_and_the_nearest(aur: Aur, works: Path, words: list[str]) -> None:
    write_tasks(works, "1.10 Say hello", "1.2 Say more")
    run_id = spawned(aur)
    outcome = aur(*words, f"{run_id}/1.1")
    assert outcome.returncode == ExitCode.USAGE
    assert f"run {run_id} has no task '1.1'; its tasks: 1.10, 1.2" in outcome.stderr
    assert "did you mean '1.10'?" in outcome.stderr


def test_following_needs_a_task(aur: Aur, works: Path) -> None:
    outcome = aur("logs", "spawn-1", "-f")
    assert outcome.returncode == ExitCode.USAGE
    assert "RUN/TASK" in outcome.stderr


def test_a_run_without_a_checkpoint_leaves_no_trace(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    outcome = aur("spawn", "tasks.md", "--no-checkpoint", "--json")
    assert outcome.returncode == ExitCode.DONE
    assert json.loads(outcome.stdout)["tasks"][0]["output"].strip() == "Say hello"
    assert "- [x] 1 Say hello" in works.read_text(encoding="utf-8")
    assert not (works.parent / ".aurora" / "runs.db").exists()


def test_one_after_the_other_and_spaced_out(aur: Aur, works: Path) -> None:
    write_tasks(works, *(f"{number} Say it" for number in range(1, 4)))
    tasks = json.loads(aur("spawn", "tasks.md", "--sequential", "--json").stdout)["tasks"]
    assert all(before["ended_at"] <= after["started_at"] for before, after in itertools.pairwise(tasks))
    write_tasks(works, *(f"{number} Say it" for number in range(1, 4)))
    tasks = json.loads(aur("spawn", "tasks.md", "--stagger-delay", "0.3", "--json").stdout)["tasks"]
    starts = sorted(task["started_at"] for task in tasks)
    assert starts[2] - starts[0] >= 0.3  # of 0.6; on a busy machine the first is noted late


@pytest.mark.parametrize(
    "options",
    [
        ["--resume", "spawn-1", "--list-checkpoints"],
        ["tasks.md", "--sequential", "--max-concurrent", "3"],
        ["tasks.md", "--no-checkpoint", "--bg"],
        ["tasks.md", "--retry-failed"],
        ["tasks.md", "--list-checkpoints"],
        ["--clean-checkpoints", "3", "--dry-run"],
        [],
    ],
)
def test_options_that_contradict_each_other_are_refused(aur: Aur, works: Path, options: list[str]) -> None:
    write_tasks(works, "1 Say hello")
    assert aur("spawn", *options).returncode == ExitCode.USAGE
    assert not (works.parent / ".aurora" / "runs.db").exists()


@pytest.mark.parametrize(
    "option",
    few([
        ["--tool", "echo"],
        ["--match"],
        ["--budget", "0"],
        ["--dry-run"],
        ["--force"],
        ["--order", "file"],
        ["--optional"],
        ["--no-checkpoint"],
    ], 3),
    ids=" ".join,
)  # fmt: skip
def test_an_option_of_new_runs_is_refused_with_a_resume(aur: Aur, works: Path, option: list[str]) -> None:
    write_tasks(works, "1 Break\n  - Agent: broken")
    run_id = spawned(aur)
    outcome = aur("spawn", "--resume", run_id, "--retry-failed", *option)
    assert outcome.returncode == ExitCode.USAGE
    assert f"no effect with --resume: {option[0]}\n" in outcome.stderr
    assert json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"][0]["attempts"] == 3


def test_a_run_at_work_refuses_the_options_of_a_resume_and_names_them(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Wait\n  - Agent: gated")
    run_id = aur("spawn", "tasks.md", "--bg").stdout.strip()
    wait_for(lambda: "1  Wait  @gated" in aur("status", run_id).stdout)
    assert aur("pause", run_id).returncode == ExitCode.DONE
    for words, named in (
        (("resume", run_id, "--retry-failed", "--bg"), "--retry-failed, --bg"),
        (("resume", run_id, "--accept-changes"), "--accept-changes"),
        (("spawn", "tasks.md", "--resume", run_id, "--sequential"), "TASKFILE, --max-concurrent or --sequential"),
        (("spawn", "--resume", run_id, "--stagger-delay", "2"), "--stagger-delay"),
    ):
        refused = aur(*words)
        assert refused.returncode == ExitCode.USAGE
        assert f"a process works on {run_id}; no effect there: {named}\n" in refused.stderr
    assert "paused" in aur("status", run_id).stdout
    continued = aur("spawn", "--resume", run_id, "--yes", "--json")
    assert continued.returncode == ExitCode.DONE
    assert json.loads(continued.stdout)["run_id"] == run_id
    (works.parent / "go").touch()
    wait_for(lambda: works.read_text(encoding="utf-8").startswith("- [x]"))


def test_failed_tasks_are_tried_again_on_request(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Look\n  - Agent: broken", "2 Say more\n  - Depends: 1", "3 Say hello")
    run_id = spawned(aur)
    assert json.loads(aur("spawn", "--list-checkpoints", "--json").stdout)["runs"][0]["run_id"] == run_id
    config = works.parent / ".aurora" / "config.yaml"
    config.write_text(CONFIG.replace("exit 7", "cat"), encoding="utf-8")
    outcome = aur("resume", run_id, "--retry-failed", "--json")
    assert outcome.returncode == ExitCode.DONE
    document = json.loads(outcome.stdout)
    assert document["run_id"] == run_id
    assert document["counts"]["succeeded"] == 3
    assert works.read_text(encoding="utf-8").count("- [x]") == 3


def test_only_the_resume_that_gets_the_run_says_that_it_continues(
    aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tasks(works, "1 Look\n  - Agent: broken")
    run_id = spawned(aur)
    with ExitStack() as other:

        def taken_meanwhile(aurora: Aurora, *_: object) -> None:
            store = other.enter_context(Journal(aurora.project.runs_db))
            holder = identify(os.getppid())
            assert holder is not None
            other.enter_context(store.hold(run_id, holder=holder))

        monkeypatch.setattr(Aurora, "refresh_memory", taken_meanwhile)
        outcome = aur("resume", run_id, "--retry-failed")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert f"run {run_id} is held by process" in outcome.stderr
    assert "continuing" not in outcome.stderr


def test_the_runs_of_an_answer_are_shown_and_cannot_be_resumed(aur: Aur, works: Path) -> None:
    aur("soar", "How does the till add up prices?", "--tool", "local")
    runs = json.loads(aur("runs", "list", "--json").stdout)["runs"]
    assert {(run["kind"], run["resumable"]) for run in runs} == {("soar", False), ("subgoals", False)}
    for run in runs:
        assert aur("runs", "show", run["run_id"]).returncode == ExitCode.DONE
        for words in (["resume"], ["spawn", "--resume"]):
            outcome = aur(*words, run["run_id"])
            assert outcome.returncode == ExitCode.USAGE
            assert "to ask again" in outcome.stderr


def test_a_killed_run_goes_on_and_repeats_nothing(start_aur: Start, aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello", "2 Wait\n  - Agent: gated\n  - Depends: 1", "3 Say more\n  - Depends: 2")
    process = start_aur("spawn", "tasks.md")
    wait_for(lambda: "2  Wait  @gated" in aur("status").stdout)
    wait_for(lambda: any(works.parent.glob(".aurora/**/*-2-1/agent")))  # what has only been intended may begin again
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    listed = aur("status").stdout
    run_id = listed.split()[0]
    assert "crashed" in listed
    (works.parent / "go").touch()
    works.write_text(works.read_text(encoding="utf-8").replace("Say more", "Say even more"), encoding="utf-8")
    document = json.loads(aur("spawn", "--resume", run_id, "--json").stdout)
    assert document["counts"]["succeeded"] == 3
    shown = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert [task["attempts"] for task in shown] == [1, 1, 1]
    assert "even more" in shown[2]["output"]
    assert works.read_text(encoding="utf-8").count("- [x]") == 3


def test_a_second_run_of_a_file_at_work_is_refused_but_by_force(start_aur: Start, aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Wait\n  - Agent: gated")
    process = start_aur("spawn", "tasks.md")
    wait_for(lambda: "1  Wait  @gated" in aur("status").stdout)
    run_id = aur("status").stdout.split()[0]
    refused = aur("spawn", "tasks.md")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert f"aur: {run_id} is running tasks.md" in refused.stderr
    assert "--force" in refused.stderr
    second = start_aur("spawn", "tasks.md", "--force")
    wait_for(lambda: aur("status").stdout.count("@gated") == 2)
    (works.parent / "go").touch()
    process.communicate(timeout=30)
    _stdout, told = second.communicate(timeout=30)
    assert f"warning: {run_id} is running tasks.md" in told
    write_tasks(works, "1 Say hello")
    assert "is running" not in aur("spawn", "tasks.md").stderr


@pytest.mark.parametrize(
    "more", few([pytest.param(()), pytest.param(("--bg",))], 1), ids=["here", "in the background"]
)
def test_of_starts_at_the_same_moment_one_runs_the_file(
    start_aur: Start, aur: Aur, works: Path, more: tuple[str, ...]
) -> None:
    write_tasks(works, "1 Wait\n  - Agent: gated")
    aur("status")
    processes = [start_aur("spawn", "tasks.md", "--yes", *more) for _ in range(3)]
    wait_for(lambda: sum(each.poll() == ExitCode.ENVIRONMENT for each in processes) == 2)
    (works.parent / "go").touch()
    told = [each.communicate(timeout=30)[1] for each in processes]
    assert sorted(each.returncode for each in processes) == [
        ExitCode.DONE,
        ExitCode.ENVIRONMENT,
        ExitCode.ENVIRONMENT,
    ]
    assert sum("is running tasks.md" in each for each in told) == 2
    wait_for(lambda: "[x]" in works.read_text(encoding="utf-8"))
    assert len(json.loads(aur("runs", "list", "--json").stdout)["runs"]) == 1


def test_a_file_can_be_started_again_once_who_ran_it_was_killed(start_aur: Start, aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Wait\n  - Agent: gated")
    process = start_aur("spawn", "tasks.md")
    wait_for(lambda: "1  Wait  @gated" in aur("status").stdout)
    wait_for(lambda: '"since": 1' in aur("status", "--json").stdout)  # the journal knows that it has started
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    refused = aur("spawn", "tasks.md")  # its agent still works
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "has crashed, and its agents still work on tasks.md" in refused.stderr
    assert "continue it with `aur resume spawn-" in refused.stderr
    (works.parent / "go").touch()
    wait_for(lambda: any(works.parent.glob(".aurora/**/*-1-1/exit*")))
    wait_for(lambda: aur("spawn", "tasks.md").returncode == ExitCode.DONE)


def test_a_file_that_changes_before_its_run_begins_is_not_run(
    aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another run that has just ended, whose ticks this one has not seen."""
    write_tasks(works, "1 Say hello")
    monkeypatch.setattr(Aurora, "refresh_memory", lambda *_: write_tasks(works, "1 Say something else"))
    refused = aur("spawn", "tasks.md", "--yes")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "tasks.md changed after it was read" in refused.stderr
    assert not (works.parent / ".aurora" / "runs.db").exists() or "no run" in aur("runs", "list").stderr


def test_a_run_whose_file_is_gone_goes_on_from_the_journal(start_aur: Start, aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Wait\n  - Agent: gated", "2 Say more\n  - Depends: 1")
    process = start_aur("spawn", "tasks.md")
    wait_for(lambda: "1  Wait  @gated" in aur("status").stdout)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    works.unlink()
    (works.parent / "go").touch()
    (run,) = json.loads(aur("spawn", "--list-checkpoints", "--json").stdout)["runs"]
    assert run["state"] == "interrupted"
    outcome = aur("resume", run["run_id"], "--json")
    assert outcome.returncode == ExitCode.DONE
    assert json.loads(outcome.stdout)["counts"]["succeeded"] == 2


def test_a_run_in_the_background_is_watched_and_steered_from_elsewhere(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Wait\n  - Agent: gated", "2 Say more\n  - Depends: 1")
    started = json.loads(aur("spawn", "tasks.md", "--bg", "--json").stdout)
    run_id = started["run_id"]
    wait_for(lambda: "1  Wait  @gated" in aur("status", run_id).stdout)
    assert aur("pause", run_id).returncode == ExitCode.DONE
    wait_for(lambda: "paused" in aur("status").stdout)
    (works.parent / "go").touch()
    wait_for(lambda: json.loads(aur("status", run_id, "--json").stdout)["runs"][0]["tasks"].get("succeeded") == 1)
    assert aur("resume", run_id).returncode == ExitCode.DONE
    wait_for(lambda: not psutil.pid_exists(started["pid"]) or is_zombie(started["pid"]))
    assert "2 succeeded" in aur("runs", "list").stdout
    assert works.read_text(encoding="utf-8").count("- [x]") == 2
    assert "2 succeeded" in Path(started["log"]).read_text(encoding="utf-8")


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("words", [["resume"], ["spawn", "--resume"]])
@pytest.mark.parametrize("name", ["spawn-1", "../../outside"])
def test_an_unknown_run_is_refused_before_anything_goes_to_the_background(
    aur: Aur, works: Path, words: list[str], name: str
) -> None:
    write_tasks(works, "1 Say hello")
    spawned(aur)
    before = sorted(works.parent.parent.rglob("*"))
    outcome = aur(*words, name, "--bg")
    assert outcome.returncode == ExitCode.USAGE
    assert f"no run named {name}" in outcome.stderr
    assert sorted(works.parent.parent.rglob("*")) == before


def test_another_task_file_goes_along_into_the_background(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Break\n  - Agent: broken")
    run_id = spawned(aur)
    other = works.parent / "-other.md"
    write_tasks(other, "1 Mend it\n  - Agent: echo")
    assert aur("spawn", "--resume", run_id, "--bg", "--", "-other.md").returncode == ExitCode.DONE
    wait_for(lambda: "- [x] 1 Mend it" in other.read_text(encoding="utf-8"))


def test_a_coordinator_that_dies_at_once_is_an_error_with_its_log(
    aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tasks(works, "1 Say hello")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    outcome = aur("spawn", "tasks.md", "--bg")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "did not start in the background" in outcome.stderr
    assert "coordinator.log" in outcome.stderr


def test_a_task_and_then_its_run_are_cancelled_from_elsewhere(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Sleep\n  - Agent: slow", "2 Sleep too\n  - Agent: slow")
    run_id = aur("spawn", "tasks.md", "--bg").stdout.strip()
    wait_for(lambda: "begun" in aur("logs", f"{run_id}/2").stdout)
    assert aur("cancel", f"{run_id}/1").returncode == ExitCode.DONE
    wait_for(lambda: "1 cancelled" in aur("status", run_id).stdout)
    assert aur("cancel", run_id, "--at-once").returncode == ExitCode.DONE
    wait_for(lambda: aur("status").stdout == "")
    assert not [p for p in psutil.process_iter(["cmdline"]) if "27.1828" in " ".join(p.info["cmdline"] or ())]


def test_pausing_what_does_not_run_is_an_error_with_a_way_out(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello")
    run_id = spawned(aur)
    outcome = aur("pause", run_id)
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "is not running" in outcome.stderr


def test_a_run_whose_agent_is_not_configured_any_more_says_so(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Break\n  - Agent: broken")
    run_id = spawned(aur)
    (works.parent / ".aurora" / "config.yaml").unlink()
    refused = aur("resume", run_id, "--retry-failed")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "has no backend" in refused.stderr
    assert "bug in Aurora" not in refused.stderr
    lost = aur("resume", run_id, "--retry-failed", "--bg")
    assert lost.returncode == ExitCode.ENVIRONMENT
    assert "did not start in the background" in lost.stderr


def test_a_changed_run_is_refused_and_goes_on_when_that_is_wanted(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello", "2 Break\n  - Agent: broken")
    run_id = spawned(aur)
    with sqlite3.connect(works.parent / ".aurora" / "runs.db") as connection:
        connection.execute("UPDATE tasks SET state = 'pending', result = NULL WHERE task_id = '1'")
    connection.close()
    refused = aur("resume", run_id)
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "--accept-changes" in refused.stderr
    accepted = aur("resume", run_id, "--accept-changes", "--json")
    tasks = json.loads(accepted.stdout)["tasks"]
    assert [task["state"] for task in tasks] == ["succeeded", "failed"]
    assert "says so" not in aur("audit", "verify").stdout
    assert aur("audit", "verify").returncode == ExitCode.DONE


@pytest.mark.parametrize("emptied", [False, True], ids=["deleted", "emptied"])
def test_a_journal_that_is_gone_is_not_told_as_nothing(aur: Aur, works: Path, emptied: bool) -> None:
    write_tasks(works, "1 Say hello")
    run_id = spawned(aur)
    for path in works.parent.glob(".aurora/runs.db*"):
        path.unlink()
    if emptied:
        (works.parent / ".aurora" / "runs.db").write_bytes(b"")
    lists = (("runs", "list"), ("status",), ("status", "--json"), ("comm", "show"), ("interact", "--list"))
    for words in (*lists, ("runs", "show", run_id)):
        told = aur(*words)
        assert told.returncode == ExitCode.ENVIRONMENT, words
        assert "is gone or empty" in told.stderr
        assert "start a new one with `aur spawn`" in told.stderr
    assert aur("audit", "verify").returncode != ExitCode.DONE
    write_tasks(works, "1 Say hello once more")
    assert "events was here and is gone; its runs cannot be resumed" in aur("spawn", "tasks.md").stderr
    assert "an earlier journal of this project is missing" in aur("audit", "verify").stdout


def test_what_steers_and_reads_runs_has_documents_too(aur: Aur, start_aur: Start, works: Path) -> None:
    write_tasks(works, "1 Slow\n  - Agent: slow", "2 Wait\n  - Depends: 1")
    start_aur("spawn", "tasks.md", "--yes")
    wait_for(lambda: "begun" in aur("logs", run_now(aur)).stdout if run_now(aur) else False)
    run_id = run_now(aur)
    assert json.loads(aur("pause", run_id, "--json").stdout)["paused"] is True
    logs = json.loads(aur("logs", run_id, "--json").stdout)
    assert (logs["run_id"], logs["stream"]) == (run_id, "stdout")
    assert [(each["id"], each["title"], each["output"]) for each in logs["tasks"]] == [
        ("1", "Slow", "begun\n"),
        ("2", "Wait", ""),
    ]
    assert [each["id"] for each in json.loads(aur("logs", f"{run_id}/2", "--json").stdout)["tasks"]] == ["2"]
    assert aur("logs", f"{run_id}/9", "--json").returncode == ExitCode.USAGE
    assert aur("logs", f"{run_id}/1", "-f", "--json").returncode == ExitCode.USAGE
    cancelled = json.loads(aur("cancel", f"{run_id}/2", "--json").stdout)
    assert (cancelled["task"], cancelled["state_before"], cancelled["changed"]) == ("2", "pending", True)
    assert json.loads(aur("cancel", run_id, "--json").stdout)["changed"] is True
    wait_for(lambda: not run_now(aur))
    again = json.loads(aur("cancel", run_id, "--json").stdout)
    assert (again["task"], again["state_before"], again["changed"]) == (None, "cancelled", False)
    exported = json.loads(aur("checkpoint", "export", run_id, "--json").stdout)
    assert (
        json.loads(Path(exported["path"]).read_text(encoding="utf-8"))["execution_id"] == exported["run_id"] == run_id
    )


def run_now(aur: Aur) -> str:
    """The name of the run that runs now; empty if none does."""
    runs = json.loads(aur("status", "--json").stdout or '{"runs": []}')["runs"]
    return str(runs[0]["run_id"]) if runs else ""
