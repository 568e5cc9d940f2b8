"""kill -9 of a coordinator with tasks in worktrees, around each fact and each git: nothing is lost or done twice.

AURORA_FAULT_STRIDE as in `test_coordinator_crash`: around the writes of which facts, and around which calls of git, a
coordinator is killed (1 for all).
"""

import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.faults.faulty_worktree_coordinator import SCRIPTS
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.testing import processes_of_run

ROOT = Path(__file__).resolve().parents[2]
STRIDE = int(os.environ.get("AURORA_FAULT_STRIDE", "5"))
FACTS = 37
"""Of an undisturbed run, the one that makes it not counted."""
POINTS = 250 // STRIDE
"""Of an undisturbed run, which starts about 250 git commands: evenly spread over those that it really starts."""
TREE = {
    ".gitignore": "*.log\n",
    "after.txt": "first\nown\nmore\n",
    "own.txt": "own\nmore\n",
    "shared.txt": "first\n",
    "src/app.py": "print()\n",
}
CHANGED = "task own: the check `echo spoilt > src/app.py; echo junk > junk.txt; test -e own.txt` changed"
MERGED = ("first", "own", "after")


def set_up(folder: Path) -> Repository:
    files: dict[str, str | None] = {"README.md": "# Project\n", "src/app.py": "print()\n", ".gitignore": "*.log\n"}
    repository = make_repository(folder / "project", files)
    (repository.path / "mine.log").write_text("ignored, and of the user\n")
    return repository


def begin(folder: Path, **fault: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-m", "tests.faults.faulty_worktree_coordinator", str(folder)]
    return WarmPopen(command, cwd=ROOT, env={**kept, **ALONE, **fault})


def finish(folder: Path) -> dict[str, Any]:
    with begin(folder) as coordinator:
        assert coordinator.wait(timeout=55) == 1  # a task fails, and a conflict stays
    said: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return said


def killed(folder: Path, **fault: str) -> None:
    with begin(folder, **fault) as coordinator:
        assert coordinator.wait(timeout=55) == -signal.SIGKILL


def check_nothing_is_lost(folder: Path, repository: Repository, said: dict[str, Any]) -> None:
    """Each task ran once, each commit is merged or unmerged on its branch, and no lock or stray worktree is left."""
    run_id = (folder / "run_id").read_text()
    failed = {"fails": "failed", "never": "skipped"}
    assert said["states"] == {name: failed.get(name, "succeeded") for name in SCRIPTS}
    starts = {path.suffix[1:]: path.read_text().split() for path in folder.glob("starts.*")}
    assert starts == {name: ["started"] for name in SCRIPTS if name != "never"}
    outcomes = {name: each["outcome"] for name, each in said["merges"].items()}
    assert outcomes == {**dict.fromkeys(MERGED, MergeOutcome.MERGED), "second": MergeOutcome.CONFLICT}
    assert Delivery(said["delivery"]["outcome"]).arrived
    assert said["delivery"]["problem"] is None
    assert sum(CHANGED in notice for notice in said["notices"]) <= 1

    assert {name: repository.shown("main", name) + "\n" for name in repository.files("main")} == TREE
    log = repository("log", "--format=%s", "main").splitlines()
    assert sorted(each for each in log if each.startswith("Merge task ")) == [
        f"Merge task {n}" for n in sorted(MERGED)
    ]
    for name in MERGED:
        repository("merge-base", "--is-ancestor", said["works"][name]["commit"], "main")

    # The failed one keeps its commit and its file, the conflicting one its branch; nothing else of the run is left.
    branches = repository("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").splitlines()
    assert branches == [f"aurora/{run_id}/fails", f"aurora/{run_id}/second", "main"], said["notices"]
    assert repository("rev-parse", f"aurora/{run_id}/second") == said["works"]["second"]["commit"]
    assert repository.shown(f"aurora/{run_id}/second", "shared.txt") == "second"
    assert repository.shown(f"aurora/{run_id}/fails", "half.txt") == "half"
    refs = repository("for-each-ref", "--format=%(refname)", "refs/aurora").splitlines()
    others = [ref for ref in refs if not ref.startswith("refs/aurora/attic/")]  # of a check that was killed
    assert others == [f"refs/aurora/bases/{run_id}/{name}" for name in ("fails", "second")]
    listed = repository("worktree", "list", "--porcelain").split("\n\n")
    places = [Path(block.splitlines()[0].removeprefix("worktree ")) for block in listed]
    assert [place.name for place in places] == ["project", "fails", "second"]
    assert all("\nlocked aurora: " in block for block in listed[1:])
    assert (places[1] / "rest.txt").read_text() == "rest\n"
    assert {*places[1].parent.iterdir()} == set(places[1:])

    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
    assert repository("fsck", "--no-dangling", "--no-progress") == ""
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        merges = {row.task_id: row.merge for row in load_tasks(journal, run_id)}
    assert {name for name, merge in merges.items() if merge} == {*MERGED, "second"}
    assert processes_of_run(run_id, within_s=5.0) == []


def check_clean_checkout(repository: Repository) -> None:
    _, files = repository.state()
    assert {name: content.decode() for name, content in files.items()} == {
        **TREE,
        "mine.log": "ignored, and of the user\n",
    }
    assert repository("status", "--porcelain") == ""


MOMENTS = ("before", "after")


@pytest.fixture(scope="module")
def gits(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many git commands an undisturbed run starts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    set_up(folder)
    finish(folder)
    return int((folder / "gits").read_text())


@pytest.mark.parametrize(("moment", "number"), few(product(MOMENTS, range(1, FACTS + 1, STRIDE)), 1))
def test_killed_around_a_fact(tmp_path: Path, moment: str, number: int) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_FAULT=f"{moment}:{number}")
    said = finish(tmp_path)
    check_nothing_is_lost(tmp_path, repository, said)
    check_clean_checkout(repository)


@pytest.mark.parametrize(("moment", "point"), few(product(MOMENTS, range(POINTS)), 1))
def test_killed_around_a_git(tmp_path: Path, moment: str, point: int, gits: int) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_GIT_FAULT=f"{moment}:{1 + point * gits // POINTS}")
    said = finish(tmp_path)
    check_nothing_is_lost(tmp_path, repository, said)
    check_clean_checkout(repository)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "kind",
    few(
        [
            "workspace_intended",
            "checks_intended",
            "work_checked",
            "attempt_ended",
            "task_settled",
            "work_merged",
            "run_ended",
        ],
        2,
    ),
)
def test_killed_around_a_kind_of_fact(tmp_path: Path, moment: str, kind: str) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_FAULT=f"{moment}:{kind}")
    said = finish(tmp_path)
    check_nothing_is_lost(tmp_path, repository, said)
    check_clean_checkout(repository)


@pytest.mark.parametrize("number", few([1, 3], 1))
def test_killed_while_it_looks_for_conflicts(tmp_path: Path, number: int) -> None:
    """Each of the two agents goes on until the coordinator is gone."""
    repository = set_up(tmp_path)
    waits = "for n in $(seq 600); do test -e {folder}/gone && break; echo $n > {name}.txt; sleep 0.1; done"
    scripts = {
        name: f"echo {name} > shared.txt; {waits.format(folder=tmp_path, name=name)}; echo done; exit"
        for name in ("one", "two")
    }
    tasks = ["auto", {name: (script, ()) for name, script in scripts.items()}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    killed(tmp_path, AURORA_LOOK_FAULT=str(number))
    (tmp_path / "gone").touch()
    said = finish(tmp_path)
    assert [(tmp_path / f"starts.{name}").read_text() for name in scripts] == ["started\n"] * 2
    assert {each["outcome"] for each in said["merges"].values()} == {MergeOutcome.MERGED, MergeOutcome.CONFLICT}
    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
    assert repository("fsck", "--no-dangling", "--no-progress") == ""
    assert processes_of_run((tmp_path / "run_id").read_text(), within_s=5.0) == []


def test_resumed_although_it_has_ended(tmp_path: Path) -> None:
    repository = set_up(tmp_path)
    finish(tmp_path)
    head = repository("rev-parse", "main")
    check_nothing_is_lost(tmp_path, repository, finish(tmp_path))
    assert repository("rev-parse", "main") == head
