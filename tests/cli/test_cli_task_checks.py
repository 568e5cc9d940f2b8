"""`- Check:` in task files: run by Aurora after trust, shown with each task, and never run before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.terminals import on_terminal

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

AGENT = """prompt=$(cat)
case $prompt in *"is not done yet"*) echo right > out.txt;; *) echo wrong > out.txt;; esac
echo done"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
CHECK = "grep right out.txt || { cat out.txt; exit 1; }"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.delenv("AURORA_TRUST", raising=False)
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = make_shed(tmp_path, monkeypatch)
    made.leave_main()
    made.repository.commit({"tasks.md": f"- [ ] 1 Write it\n  - Check: `{CHECK}; touch {tmp_path}/ran`\n"})
    return made


def test_a_check_of_a_task_file_needs_trust_and_yes_is_none(aur: Aur, shed: Shed, tmp_path: Path) -> None:
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "tasks.md: its check will not run until you trust the file: aur trust tasks.md" in outcome.stderr
    assert "succeeded" in outcome.stderr
    assert ", unverified" in outcome.stderr
    assert not (tmp_path / "ran").exists()
    assert "tasks.md: open until their checks have run: 1; trust them, then spawn again" in outcome.stderr
    assert (shed.path / "tasks.md").read_text().startswith("- [ ] 1 ")
    assert aur("trust", "tasks.md").returncode == ExitCode.NOT_REACHED
    assert json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)["checks_trusted"] is False


def test_a_trusted_check_sends_work_back_and_proves_it(aur: Aur, shed: Shed) -> None:
    shown = aur("trust", "tasks.md", "--yes")
    assert shown.returncode == ExitCode.DONE
    assert f"runs {CHECK}" in shown.stdout
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "round 1 of 2" in outcome.stderr
    assert ", verified: `" in outcome.stderr
    assert (shed.path / "out.txt").read_text() == "right\n"
    assert (shed.path / "tasks.md").read_text().startswith("- [x] 1 ")
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    (task,) = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert (task["verification"], task["attempts"]) == ("verified", 2)
    assert [each["status"] for each in task["checked"]["runs"]] == [0]
    assert "      verified: `" in aur("runs", "show", run_id).stdout


def test_another_command_asks_again_and_one_less_does_not(aur: Aur, shed: Shed) -> None:
    file = shed.path / "tasks.md"
    file.write_text("- [ ] 1 Write it\n  - Check: `true`\n  - Check: `test 1`\n")
    assert aur("trust", "tasks.md", "--yes").returncode == ExitCode.DONE
    file.write_text("- [ ] 1 Write it better\n  - Check: `test 1`\n")
    assert aur("trust", "tasks.md", "--json").returncode == ExitCode.DONE
    file.write_text("- [ ] 1 Write it\n  - Check: `true; curl evil`\n")
    assert aur("trust", "tasks.md", "--json").returncode == ExitCode.NOT_REACHED
    other = shed.path / "other.md"
    other.write_text("- [ ] 1 Write it\n  - Check: `true`\n")
    assert aur("trust", "other.md", "--json").returncode == ExitCode.NOT_REACHED
    assert aur("trust", "--yes").returncode == ExitCode.DONE  # the project is another matter
    assert aur("trust", "other.md", "--json").returncode == ExitCode.NOT_REACHED


def test_a_terminal_asks_once(aur: Aur, shed: Shed) -> None:
    code, shown = on_terminal("spawn", "tasks.md", typed="y\ny\nn\ny\n")
    assert code == ExitCode.DONE, shown
    assert "runs grep right" in shown
    assert "Trust them?" in shown
    assert "verified: `" in shown
    assert aur("trust", "tasks.md", "--json").returncode == ExitCode.DONE


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tasks.md", "---\ncheck:\n  - |\n    # style only:\n    touch x\n---\n- [ ] 1 Write it\n"),
        (".aurora/config.yaml", 'check: ["# style only:\\n touch x"]\n'),
        (".aurora/worktree.yaml", 'setup: ["# style only:\\r touch x"]\n'),
    ],
)
def test_a_command_of_several_lines_cannot_pass_for_a_comment(aur: Aur, shed: Shed, file: str, text: str) -> None:
    (shed.path / ".aurora").mkdir(exist_ok=True)
    (shed.path / file).write_text(text)
    outcome = aur("trust", *(["tasks.md"] if file == "tasks.md" else []), "--yes")
    assert outcome.returncode == ExitCode.USAGE, outcome.stdout
    assert "one line; put a longer script into a file" in outcome.stderr
