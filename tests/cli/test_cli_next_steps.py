"""What a command says when its work is not done: the right next step, by a name that can be typed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.soar.replanned_runs import make

from aurora_cli.exits import ExitCode
from aurora_cli.render.withheld import withheld_lines
from aurora_cli.run_names import named_in
from aurora_spawner import SpawnResult, SpawnTask
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def failed(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that has failed, in the project that the test stands in."""
    for name in ("EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    make(root := shop / "calculator")
    monkeypatch.chdir(root)
    return json.loads(aur("spawn", "tasks.md", "--yes", "--json").stdout)["run_id"]  # type: ignore[no-any-return]


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    return make_shed(tmp_path, monkeypatch)


def test_a_failed_run_names_what_shows_its_output_and_what_runs_it_again(aur: Aur, failed: str) -> None:
    again = aur("resume", failed)
    assert again.returncode == ExitCode.NOT_REACHED
    advice = f"what the agents wrote: aur logs {failed}; to run again what failed: aur resume {failed} --retry-failed"
    assert advice in again.stderr
    assert f"run again what failed: aur resume {failed} --retry-failed" in aur("runs", "list").stdout
    assert f"the newest run (failed): aur runs show {failed}" in aur("status").stderr
    assert "continues it" not in aur("status", failed).stdout
    assert f"it has failed, and no process works on it; its results: aur runs show {failed}" in (
        aur("attach", failed).stderr
    )
    assert f"its state is failed; continue it with: aur resume {failed}" in aur("pause", failed).stderr


def test_errors_about_a_run_of_a_workspace_name_it_with_the_workspace(aur: Aur, failed: str, tmp_path: Path) -> None:
    assert aur("workspace", "add", "--name", "sums").returncode == ExitCode.DONE
    (tmp_path / "elsewhere").mkdir()
    assert f"run sums:{failed} is not running" in (refused := aur("pause", f"sums:{failed}").stderr)
    assert f"aur resume sums:{failed}" in refused
    assert f"`aur runs show sums:{failed}` names them" in aur("logs", f"sums:{failed}/9").stderr
    unknown = aur("pause", "sums:spawn-1").stderr
    assert f"no run named sums:spawn-1; the newest are sums:{failed}" in unknown
    assert "`aur runs list --all` lists the runs of all workspaces" in unknown


def test_a_name_in_a_path_or_a_branch_stays_as_it_is() -> None:
    text = "see /x/spawn-1.log, aurora/spawn-1/integration or spawn-12; aur logs spawn-1/2, or aur resume spawn-1"
    assert named_in("shop", text, "spawn-1") == (
        "see /x/spawn-1.log, aurora/spawn-1/integration or spawn-12; "
        "aur logs shop:spawn-1/2, or aur resume shop:spawn-1"
    )
    assert named_in("", text, "spawn-1") == text


@pytest.mark.parametrize(
    "words",
    [
        ("merge", "nope"),
        ("pr", "nope"),
        ("discard", "nope", "1"),
        ("review", "nope", "1"),
        ("plan", "replan", "nope"),
    ],
)
def test_a_wrong_name_is_told_before_a_missing_yes_or_editor(aur: Aur, failed: str, words: tuple[str, ...]) -> None:
    outcome = aur(*words)
    assert outcome.returncode == ExitCode.USAGE
    assert f"no run named nope; the newest are {failed}" in outcome.stderr
    right = aur(*(failed if word == "nope" else word for word in words))
    assert right.returncode == ExitCode.USAGE
    assert ("set EDITOR" if words[0] == "review" else "use --yes") in right.stderr


def test_outside_a_repository_there_are_no_worktrees_to_list(aur: Aur, shop: Path) -> None:
    assert aur("init", "--no-index").returncode == ExitCode.DONE
    assert "hint: tasks have worktrees, and work that can be merged, only in a git" in aur("worktrees", "list").stderr


def test_a_missing_run_names_the_list_and_a_missing_choice_is_told_in_one_line(aur: Aur, shop: Path) -> None:
    assert "`aur runs list` lists the runs" in aur("merge").stderr
    assert "`aur runs list` lists the runs" in aur("logs").stderr
    assert aur("completion").stderr.splitlines()[0].endswith("Choose from: bash, zsh, fish")
    assert aur("exec", "look", "--agent", "nope").stderr.startswith("aur exec: no agent named 'nope'\n")


def test_a_change_that_the_local_agent_is_asked_for_is_told_to_be_an_answer_only(aur: Aur, shop: Path) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Add a discount to the till\n- [ ] 2 Where is the till?\n")
    shown = aur("spawn", "tasks.md", "--tool", "local", "--dry-run").stdout
    assert "note: @local changes no file; task 1 will only get an answer from the code" in shown
    (shop / "tasks.md").write_text("- [ ] 2 Where is the till?\n")
    assert "changes no file" not in aur("spawn", "tasks.md", "--tool", "local", "--dry-run").stdout


def test_work_that_is_delivered_is_not_offered_again_by_a_resume(aur: Aur, shed: Shed) -> None:
    task = SpawnTask("echo one > one.txt; echo done", "sh", id="1")
    run_id = shed.run(task, merge=MergeMode.ASK).run_id
    (shed.path / ".aurora" / "config.yaml").write_text("backends: {sh: {kind: command, command: [sh]}}\n")
    before = aur("resume", run_id)
    assert f"not on main: deliver it with: aur merge {run_id}" in before.stderr, before.stderr
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    after = aur("resume", run_id)
    assert "main has the work already" in after.stderr
    assert "deliver it" not in after.stderr
    assert "integration" not in shed.repository("branch", "--list")


def test_a_run_whose_agent_has_changed_nothing_says_so(aur: Aur, shed: Shed) -> None:
    sh = {"kind": "command", "command": ["sh", "-c", "cat > /dev/null; echo all is well"]}
    (shed.path / ".aurora" / "config.yaml").write_text(json.dumps({"backends": {"sh": sh}}))
    outcome = aur("exec", "Look around", "--agent", "sh")
    assert outcome.returncode == ExitCode.DONE
    assert "no task has changed a file, so there is nothing to merge" in outcome.stderr


def test_a_repository_that_git_refuses_is_told_by_the_doctor(aur: Aur, shop: Path) -> None:
    (shop / ".git").write_text("gitdir: /nowhere\n")
    found = {each["check"]: each for each in json.loads(aur("doctor", "--json").stdout)["findings"]}["git"]
    assert found["level"] == "warn"
    assert f"cannot read the repository {shop}" in found["says"]
    (shop / ".git").unlink()
    subprocess.run(["git", "init", "-q"], cwd=shop, check=True)
    assert "cannot read" not in aur("doctor").stdout


def test_a_variable_that_the_user_has_set_and_the_agent_misses_is_told() -> None:
    why = "it reports: Missing environment variable: `LOOP_KEY`."
    missing = SpawnResult(task_id="1", agent="codex", state=TaskState.FAILED, error=why)
    (line,) = withheld_lines([missing], {"LOOP_KEY": "x"})
    assert line.startswith("LOOP_KEY is set here")
    assert "env_pass of backends.codex" in line
    assert not list(withheld_lines([missing], {}))


def test_settings_say_what_is_missing_and_what_is_not_set(aur: Aur, shop: Path) -> None:
    assert aur("init", "--no-index").returncode == ExitCode.DONE
    refused = aur("config", "set", "backends.codex.env_pass", "[LOOP_KEY]").stderr
    assert "backends.codex.kind: is required; set it too, as in backends.codex: {kind: claude}" in refused
    unset = aur("config", "get", "tool")
    assert (unset.stdout, unset.stderr) == ("\n", "not set\n")
    assert "`aur config list` shows all" in aur("config", "get", "nope").stderr
