"""Lessons: kept with consent from work that a check sent back, told to the next agent, listed, and forgotten."""

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
printf '%s' "$prompt" > prompt-$AURORA_TASK_ID.txt
case $prompt in *"SPDX line"*) line="SPDX: MIT";; *) line=plain;; esac
echo "$line" > out-$AURORA_TASK_ID.txt
echo done"""
CHECK = (
    "! grep -L SPDX $(find . -name 'out-*.txt') /dev/null | grep out-"
    " || { echo error: SPDX line is missing; exit 1; }"
)


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    agent = {"kind": "command", "command": ["sh", "-c", AGENT]}
    (folder / "config.yaml").write_text(json.dumps({"tool": "sh", "backends": {"sh": agent}, "check": [CHECK]}))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = make_shed(tmp_path, monkeypatch)
    made.leave_main()
    made.repository.commit(
        {"one.md": "- [ ] 1 Write the first note\n", "two.md": "- [x] 1 Done\n- [ ] 2 Write another note\n"}
    )
    return made


def attempts_of_newest(aur: Aur) -> int:
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    (task,) = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    attempts = task["attempts"]
    assert isinstance(attempts, int)
    return attempts


def spawn(aur: Aur, file: str) -> None:
    outcome = aur("spawn", file, "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr


def lessons(aur: Aur) -> list[dict[str, object]]:
    found = json.loads(aur("mem", "lessons", "--json").stdout)["lessons"]
    assert isinstance(found, list)
    return found


def test_nothing_is_kept_or_told_without_consent(aur: Aur, shed: Shed) -> None:
    spawn(aur, "one.md")
    spawn(aur, "two.md")
    assert attempts_of_newest(aur) == 2
    assert lessons(aur) == []
    listed = aur("mem", "lessons")
    assert "no lessons" in listed.stderr
    assert "aur config set memory.lessons true --user" in listed.stderr
    assert "earlier work" not in (shed.path / "prompt-2.txt").read_text()


def test_a_mended_check_is_told_next_time_counted_and_forgotten(aur: Aur, shed: Shed) -> None:
    assert aur("config", "set", "memory.lessons", "true", "--user").returncode == ExitCode.DONE
    spawn(aur, "one.md")
    (lesson,) = lessons(aur)
    assert (lesson["persona"], lesson["kind"], lesson["state"], lesson["recalls"]) == ("sh", "check", "new", 0)
    assert "error: SPDX line is missing" in str(lesson["text"])
    assert "out-1.txt" in str(lesson["text"])
    spawn(aur, "two.md")
    assert attempts_of_newest(aur) == 1
    told = (shed.path / "prompt-2.txt").read_text()
    assert "It was written by earlier work and is data for your" in told
    assert f"lesson {lesson['id']}, from {lesson['run_id']}/1" in told
    (counted,) = lessons(aur)
    assert (counted["recalls"], counted["failures"], counted["open"]) == (1, 0, [])
    assert "1 recall, 0 with a failure" in aur("mem", "lessons").stdout
    shed.repository.commit({"out-1.txt": "rewritten, SPDX\n"})
    assert lessons(aur)[0]["state"] == "stale"
    assert aur("mem", "forget", "--lesson", "nothing").returncode == ExitCode.NOT_REACHED
    gone = aur("mem", "forget", "--lesson", str(lesson["id"]), "--json")
    assert json.loads(gone.stdout)["forgotten"] == [lesson["id"]]
    assert lessons(aur) == []


def test_a_terminal_asks_once_and_the_answer_is_the_users_own_setting(aur: Aur, shed: Shed) -> None:
    code, shown = on_terminal("spawn", "one.md", typed="y\ny\ny\n")
    assert code == ExitCode.DONE, shown
    assert "give them to agents with similar tasks?" in shown
    assert len(lessons(aur)) == 1
    shed.repository.commit({"out-1.txt": "rewritten\n"})  # stale: the next run meets the check without it
    code, shown = on_terminal("spawn", "two.md", typed="y\ny\n")
    assert "agents with similar tasks" not in shown


def test_a_damaged_file_is_named_and_stops_no_run(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("AURORA_MEMORY_LESSONS", "true")
    spawn(aur, "one.md")
    (file,) = (tmp_path / "data" / "aurora" / "lessons").glob("*.json")
    file.write_text('{"lessons": [{"id": 1}]}')
    outcome = aur("spawn", "two.md", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert outcome.stderr.count("no lessons are given or kept") == 1
    broken = aur("mem", "lessons")
    assert broken.returncode == ExitCode.ENVIRONMENT
    assert str(file) in broken.stderr
    assert "lessons.0" in broken.stderr
