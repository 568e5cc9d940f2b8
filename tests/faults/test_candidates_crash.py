"""kill -9 of a coordinator of a task with candidates, around each fact and each git: none runs again, none is lost.

AURORA_FAULT_STRIDE as in `test_coordinator_crash`.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.faults.test_worktree_crash import ROOT, begin, killed, set_up
from tests.spawner.workspaces.repository import ALONE, Repository
from tests.warm_python import run_warm

from aurora_spawner.control.merging import merge_work
from aurora_spawner.journal.facts import TaskSettled
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events, load_tasks
from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.testing import processes_of_run

STRIDE = int(os.environ.get("AURORA_FAULT_STRIDE", "3"))
FACTS = 26
"""Of an undisturbed run, the one that makes it not counted."""
POINTS = 230 // STRIDE
"""Of an undisturbed run, which starts about 230 git commands: evenly spread over those that it really starts."""
SCRIPT = (
    "number=${AURORA_TASK_ID#a:}; seq $((5 - number)) > out.txt; git add out.txt; git commit -qm own;"
    " echo rest > rest.txt; test $number != 3 || exit 3; echo done $number"
)
"""The second candidate has the smallest change, the third fails with a commit and a file that no commit has."""
TASKS: tuple[str, dict[str, tuple[object, ...]]] = (
    "auto",
    {"a": (SCRIPT, (), 3), "after": ("cat out.txt rest.txt > after.txt; echo done; exit", ("a",))},
)
PICK_GITS = 45
"""Of an undisturbed pick."""


def finish(folder: Path) -> dict[str, Any]:
    with begin(folder) as coordinator:
        assert coordinator.wait(timeout=55) == 0
    said: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return said


def prepared(folder: Path) -> Repository:
    (folder / "tasks.json").write_text(json.dumps(TASKS))
    return set_up(folder)


def check_the_best_one_counts(folder: Path, repository: Repository, said: dict[str, Any]) -> None:
    """Each candidate ran once, the choice was made once, the winner is merged, and the attic has the others whole."""
    run_id = (folder / "run_id").read_text()
    assert said["states"] == {"a": "succeeded", "after": "succeeded"}
    assert said["candidates"] == {"a:1": "succeeded", "a:2": "succeeded", "a:3": "failed"}
    starts = {path.name.removeprefix("starts."): path.read_text().split() for path in folder.glob("starts.*")}
    assert starts == {name: ["started"] for name in ("a:1", "a:2", "a:3", "after")}
    assert said["choices"]["a"]["winner"] == "a:2"
    assert {name: each["outcome"] for name, each in said["merges"].items()} == {
        "a:2": MergeOutcome.MERGED,
        "after": MergeOutcome.MERGED,
    }
    assert Delivery(said["delivery"]["outcome"]).arrived
    assert repository.shown("main", "after.txt") == "1\n2\n3\nrest"
    assert repository("status", "--porcelain") == ""

    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        events = load_events(journal, run_id)
        rows = {row.task_id: row for row in load_tasks(journal, run_id)}
    settled = [event.task_id for event in events if isinstance(event.fact, TaskSettled)]
    assert sorted(map(str, settled)) == ["a", "a:1", "a:2", "a:3", "after"]

    listed = repository("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    refs = {name: commit for commit, _, name in (line.partition(" ") for line in listed)}
    kept = {name: commit for name, commit in refs.items() if name.startswith("refs/aurora/attic/")}
    assert [name for name in refs if name not in kept] == ["refs/heads/main"]
    first, third = (rows[each].branch for each in ("a:1", "a:3"))
    assert said_files(repository, kept, first) == ("1\n2\n3\n4", "rest")
    assert said_files(repository, kept, third) == ("1\n2", "rest")
    assert repository("worktree", "list", "--porcelain").count("worktree ") == 1
    assert list((folder / "worktrees").glob(f"*/{run_id}")) == []
    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
    assert repository("fsck", "--no-dangling", "--no-progress") == ""
    assert processes_of_run(run_id, within_s=5.0) == []


def said_files(repository: Repository, attic: dict[str, str], branch: str | None) -> tuple[str, str]:
    """Return the two files of a candidate as the attic has them, in its newest entry that has both."""
    found = [commit for name, commit in sorted(attic.items()) if name.rpartition(f"/{branch}")[1]]
    whole = [commit for commit in found if "rest.txt" in repository.files(commit)]
    assert whole, (branch, attic)
    return repository.shown(whole[-1], "out.txt"), repository.shown(whole[-1], "rest.txt")


@pytest.fixture(scope="module")
def gits(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many git commands an undisturbed run starts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    repository = prepared(folder)
    check_the_best_one_counts(folder, repository, finish(folder))
    return int((folder / "gits").read_text())


@pytest.mark.parametrize(
    "fault", few([f"{moment}:{n}" for n in range(1, FACTS + 1, STRIDE) for moment in ("before", "after")], 1)
)
def test_killed_around_a_fact(tmp_path: Path, fault: str) -> None:
    repository = prepared(tmp_path)
    killed(tmp_path, AURORA_FAULT=fault)
    check_the_best_one_counts(tmp_path, repository, finish(tmp_path))


@pytest.mark.parametrize(
    ("moment", "point"), few([(moment, point) for point in range(POINTS) for moment in ("before", "after")], 3)
)
def test_killed_around_a_git(tmp_path: Path, moment: str, point: int, gits: int) -> None:
    repository = prepared(tmp_path)
    killed(tmp_path, AURORA_GIT_FAULT=f"{moment}:{1 + point * gits // POINTS}")
    check_the_best_one_counts(tmp_path, repository, finish(tmp_path))


PICK = """
import sys
from pathlib import Path
from tests.faults.faulty_worktree_coordinator import arm_git
from aurora_spawner.control.candidates import pick_candidate
started = arm_git(sys.argv[3])
pick_candidate(Path(sys.argv[1]), sys.argv[2], "a", 1)
print(started())
"""


def pick(folder: Path, fault: str = "before:0") -> subprocess.CompletedProcess[str]:
    """The user picks the first candidate instead of the second."""
    arguments = (str(folder / "runs.db"), (folder / "run_id").read_text(), fault)
    command = [sys.executable, "-c", PICK, *arguments]
    return run_warm(command, cwd=ROOT, env={**os.environ, **ALONE}, capture_output=True, timeout=55)


@pytest.mark.parametrize(
    "fault", few([f"{moment}:{n}" for n in range(1, PICK_GITS + 1, STRIDE) for moment in ("before", "after")], 1)
)
def test_a_pick_that_is_killed_is_completed_by_a_second_one(tmp_path: Path, fault: str) -> None:
    repository = set_up(tmp_path)
    (tmp_path / "tasks.json").write_text(json.dumps(["never", {"a": TASKS[1]["a"]}]))
    finish(tmp_path)
    assert pick(tmp_path, fault).returncode == -signal.SIGKILL
    done = pick(tmp_path)
    assert done.returncode == 0, done.stderr
    run_id = (tmp_path / "run_id").read_text()
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).problem is None
        rows = {row.task_id: row for row in load_tasks(journal, run_id)}
    taken = rows["a"].result
    assert taken is not None
    assert taken.work is not None
    assert rows["a"].worker == "a:1"
    assert repository("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").splitlines() == [
        taken.work.branch,
        "main",
    ]
    assert repository("rev-parse", taken.work.branch) == taken.work.commit
    listed = repository("for-each-ref", "--format=%(objectname) %(refname)", "refs/aurora/attic").splitlines()
    attic = {name: commit for commit, _, name in (line.partition(" ") for line in listed)}
    assert said_files(repository, attic, rows["a:2"].branch) == ("1\n2\n3", "rest")
    assert merge_work(tmp_path / "runs.db", run_id).arrived
    assert repository.shown("main", "out.txt") == "1\n2\n3\n4"
    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
