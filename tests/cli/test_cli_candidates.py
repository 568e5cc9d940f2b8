"""Candidates on the command line: asked for, listed with what each did, and picked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed

from aurora_cli.exits import ExitCode
from aurora_spawner import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

AGENT = "cat > /dev/null; n=${AURORA_TASK_ID##*:}; seq $((9 - n)) > out.txt; echo $0 $n"
CONFIG = "tool: one\nbackends:\n" + "".join(
    f"  {name}: {{kind: command, command: {json.dumps(['sh', '-c', AGENT, name])}}}\n" for name in ("one", "two")
)


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"tasks.md": "# Tasks\n\n- [ ] 1 Write it\n- [ ] 2 Count it\n  - Depends: 1\n"})
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def test_the_command_line_asks_for_candidates_and_a_resume_still_knows_them(aur: Aur, shed: Shed) -> None:
    preview = aur("spawn", "tasks.md", "--agents", "one,@two", "--dry-run").stdout
    assert "1  Write it  (@one @two, 2 candidates, the best is taken," in preview
    outcome = aur("spawn", "tasks.md", "--agents", "one,@two", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "2 of 2 succeeded in" in outcome.stdout
    reason = "candidate 2 (two): the smallest change, 7 lines; candidate 1 (one) has 8"
    assert f", unverified; {reason}\n" in outcome.stderr
    assert (shed.path / "tasks.md").read_text().count("[x]") == 2
    run_id = outcome.stdout.split(":")[0]
    again = aur("resume", run_id, "--yes")
    assert "2 of 2 succeeded" in again.stdout
    assert "Write it:" not in again.stderr  # no candidate runs again
    document = json.loads(aur("runs", "show", run_id, "--json").stdout)
    rows = {row["id"]: row for row in document["tasks"]}
    assert [rows[each]["agent"] for each in ("1:1", "1:2", "1")] == ["one", "two", "two"]
    assert rows["1"]["choice"] == {"winner": "1:2", "by": "rule", "why": reason}
    assert f"taken: {reason}" in aur("runs", "show", run_id).stdout
    assert "2 succeeded" in aur("runs", "list").stdout


def test_candidates_without_worktrees_are_refused_with_line_and_reason(aur: Aur, shed: Shed) -> None:
    outcome = aur("spawn", "tasks.md", "--candidates", "2", "--isolation", "none", "--yes")
    assert outcome.returncode == ExitCode.USAGE
    assert "tasks.md:3: its 2 candidates may write files and each needs a worktree of its own" in outcome.stderr
    assert not (shed.path / ".aurora" / "runs.db").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--candidates", "0"), "0 is not in the range"),
        (("--agents", "one,,two"), "must be names of agents with commas between them"),
        (("--agents", "one,nobody"), "nobody"),
        (("--resume", "spawn-1", "--candidates", "2"), "no effect with --resume: --candidates"),
    ],
)
def test_candidates_that_cannot_be_are_refused(aur: Aur, shed: Shed, words: tuple[str, ...], problem: str) -> None:
    file = () if "--resume" in words else ("tasks.md",)
    outcome = aur("spawn", *file, *words)
    assert outcome.returncode == ExitCode.USAGE
    assert problem in outcome.stderr
    assert not (shed.path / ".aurora" / "runs.db").exists()


def test_candidates_are_listed_and_one_is_picked(aur: Aur, shed: Shed) -> None:
    script = "n=${AURORA_TASK_ID##*:}; seq $n > out.txt; test $n != 3 || exit 4; echo done; exit"
    asks = SpawnTask(script, id="a", title="Write it", candidates=3, pick="ask", checks=("test -e out.txt",))
    report = shed.run(asks, SpawnTask("cat out.txt; exit", id="b", depends_on=("a",)))
    run_id = report.run_id
    listed = aur("candidates", run_id, "a").stdout.splitlines()
    assert listed[0] == "a  Write it"
    assert listed[1] == "  1  @sh  succeeded  1 of 1 check passed, 1 file +1 -0"
    assert listed[2].startswith(f"     branch aurora/{run_id}/a-1-")
    assert listed[5] == "  3  @sh  failed  it exited with code 4"
    assert listed[-1] == f"none is taken; take one with: aur pick {run_id} a NUMBER"
    refused = aur("pick", run_id, "a", "3")
    assert refused.returncode == ExitCode.NOT_REACHED
    assert "its candidate 3 cannot be taken (failed: it exited with code 4)" in refused.stderr
    assert aur("pick", run_id, "a", "2").stdout == f"a:2 is taken\nb can run now: aur resume {run_id}\n"
    document = json.loads(aur("candidates", run_id, "a:1", "--json").stdout)
    assert document["choice"] == {"winner": "a:2", "by": "user", "why": "candidate 2 (sh): picked by the user"}
    assert [row["taken"] for row in document["candidates"]] == [False, True, False]
    assert [row["branch"] is None for row in document["candidates"]] == [True, False, True]
    assert all(row["attic"] for row in document["candidates"] if not row["taken"])
    again = json.loads(aur("pick", run_id, "a", "1", "--json").stdout)
    assert (again["winner"], again["before"], again["reopened"], again["kept"]) == ("a:1", "a:2", [], [])
    assert "+1" in aur("diff", run_id, "a").stdout
    wrong = aur("pick", run_id, "b", "1")
    assert wrong.stderr.strip().endswith("it was run once, so it has no candidates")
    assert wrong.returncode == aur("pick", run_id, "a", "4").returncode == ExitCode.USAGE
