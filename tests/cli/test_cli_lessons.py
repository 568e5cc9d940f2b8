"""Lessons: kept with consent from work that a check sent back, told to the next agent, listed, and forgotten."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.terminals import Terminal, on_terminal
from tests.cli.test_cli_review import COMMENTS, edit
from tests.cli.waiting import wait_for

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
TYPIST = """prompt=$(cat)
printf '%s' "$prompt" > prompt-$AURORA_TASK_ID.txt
case $prompt in *"a typing error"*) echo hello > note.txt;; *) echo hallo > note.txt;; esac
echo done"""
LATE = """cat > prompt-$AURORA_TASK_ID.txt
test -e TRIED || { touch TRIED; echo the whole suite takes too long >&2; exit 124; }
echo done"""
CHECK = (
    "! grep -L SPDX $(find . -name 'out-*.txt') /dev/null | grep out-"
    " || { echo error: SPDX line is missing; exit 1; }"
)


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    waits, late = f"touch {tmp_path}/begun; sleep 60", LATE.replace("TRIED", f"{tmp_path}/tried")
    agents = {"sh": AGENT, "typist": TYPIST, "late": late, "waits": waits}
    backends = {name: {"kind": "command", "command": ["sh", "-c", each]} for name, each in agents.items()}
    at_once = {"recovery": {"base_delay": 0}}
    config = {"tool": "sh", "backends": backends, "check": [CHECK], "spawner": at_once}
    (folder / "config.yaml").write_text(json.dumps(config))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = make_shed(tmp_path, monkeypatch)
    made.leave_main()
    made.repository.commit(
        {"one.md": "- [ ] 1 Write the first note\n", "two.md": "- [x] 1 Done\n- [ ] 2 Write another note\n"}
    )
    return made


def newest(aur: Aur) -> str:
    return str(json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"])


def attempts_of_newest(aur: Aur) -> int:
    (task,) = json.loads(aur("runs", "show", newest(aur), "--json").stdout)["tasks"]
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


def test_what_the_user_commented_is_told_to_the_next_agent(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_MEMORY_LESSONS", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    (shed.path / "greet.md").write_text("- [ ] 1 Write the greeting note\n  - Agent: typist\n")
    assert aur("spawn", "greet.md", "--merge", "never").returncode == ExitCode.DONE
    run_id = newest(aur)
    assert lessons(aur) == []
    edit(monkeypatch, tmp_path, COMMENTS + '"$1"')
    assert aur("review", run_id, "1").returncode == ExitCode.DONE
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    (lesson,) = lessons(aur)
    assert (lesson["persona"], lesson["kind"], lesson["state"]) == ("typist", "comments", "new")
    (shed.path / "greet.md").write_text("- [x] 1 Done\n- [ ] 2 Write a greeting note once more\n  - Agent: typist\n")
    spawn(aur, "greet.md")
    told = (shed.path / "prompt-2.txt").read_text()
    assert f"lesson {lesson['id']}, from {run_id}/1" in told
    assert "a typing error" in told


def test_what_had_ended_an_attempt_is_told_to_the_next_agent(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_MEMORY_LESSONS", "true")
    (shed.path / "late.md").write_text("- [ ] 1 Test the price table\n  - Agent: late\n")
    spawn(aur, "late.md")
    assert attempts_of_newest(aur) == 2
    (lesson,) = lessons(aur)
    assert (lesson["persona"], lesson["kind"], lesson["subject"]) == ("late", "cause", "deadline")
    (shed.path / "late.md").write_text("- [x] 1 Done\n- [ ] 2 Test the price list and table\n  - Agent: late\n")
    spawn(aur, "late.md")
    told = (shed.path / "prompt-2.txt").read_text()
    assert f"lesson {lesson['id']}, from {lesson['run_id']}/1" in told
    assert "the whole suite takes too long" in told


def test_an_interrupted_run_asks_nothing(shed: Shed, tmp_path: Path) -> None:
    (shed.path / "two.md").write_text("- [ ] 1 Write a note\n- [ ] 2 Wait\n  - Agent: waits\n  - Depends: 1\n")
    with closing(Terminal()) as terminal:
        terminal.start("spawn", "two.md", "--yes")
        terminal.type("n\n")  # if it asks, it has an answer
        wait_for((tmp_path / "begun").exists)
        terminal.interrupt()
        code, shown = terminal.end()
    assert code == ExitCode.INTERRUPTED
    assert "continues it" in shown
    assert "agents with like tasks" not in shown


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
