"""kill -9 of a coordinator whose merge makes a lock file again and whose conflict an agent resolves, at each step.

AURORA_FAULT_STRIDE as in `test_coordinator_crash`.
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
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.tasks.work import Delivery
from aurora_spawner.testing import processes_of_run

ROOT = Path(__file__).resolve().parents[2]
STRIDE = int(os.environ.get("AURORA_FAULT_STRIDE", "5"))
FACTS = 26
"""Of an undisturbed run, the one that makes it not counted."""
POINTS = 200 // STRIDE
"""Of the git commands of an undisturbed run, evenly spread over those that it really starts."""
LOCK = "sort -u names > sorted.lock; cksum < sorted.lock >> sorted.lock"
TASKS = {
    "one": "sed -i s/^two$/ONE/ same; echo one >> names",
    "other": "sed -i s/^two$/OTHER/ same; sed -i 1iother names",
}
RESOLVER = "sed -i -e '/^|||||||/,/^=======/d' -e '/^<<<<<<</d' -e '/^>>>>>>>/d' same; echo resolved"
TREE = {"names": "other\nfirst\n\n\nlast\none\n", "same": "first\nONE\nOTHER\nthree\n"}


def set_up(folder: Path) -> Repository:
    repository = make_repository(
        folder / "project", {"names": "first\n\n\nlast\n", "same": "first\ntwo\nthree\n", "sorted.lock": "none\n"}
    )
    scripts = {name: (f"{script}; {LOCK}; echo done", ()) for name, script in TASKS.items()}
    (folder / "tasks.json").write_text(json.dumps(["auto", scripts]))
    (folder / "preparation.json").write_text(json.dumps({"ports": 0, "regenerate": {"sorted.lock": LOCK}}))
    (folder / "resolver.sh").write_text(f"cat > /dev/null; echo started >> {folder}/starts.resolver; {RESOLVER}\n")
    return repository


def begin(folder: Path, **fault: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-m", "tests.faults.faulty_worktree_coordinator", str(folder)]
    return WarmPopen(command, cwd=ROOT, env={**kept, **ALONE, **fault})


def finish(folder: Path) -> dict[str, Any]:
    with begin(folder) as coordinator:
        assert coordinator.wait(timeout=55) == 0
    said: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return said


def killed(folder: Path, **fault: str) -> None:
    with begin(folder, **fault) as coordinator:
        assert coordinator.wait(timeout=55) == -signal.SIGKILL


def check_everything_arrived_once(folder: Path, repository: Repository, said: dict[str, Any]) -> None:
    run_id = (folder / "run_id").read_text()
    assert said["states"] == dict.fromkeys(("one", "other", "resolve-other"), "succeeded"), said["errors"]
    starts = {path.suffix[1:]: path.read_text().split() for path in folder.glob("starts.*")}
    assert starts == {name: ["started"] for name in ("one", "other", "resolver")}
    assert {name: each["outcome"] for name, each in said["merges"].items()} == dict.fromkeys(said["states"], "merged")
    told = {(each["path"], each["kind"]) for each in said["merges"]["other"]["resolved"]}
    assert ("same", "agent") in told
    assert Delivery(said["delivery"]["outcome"]).arrived

    expected = subprocess.run(["sh", "-c", LOCK], cwd=repository.path, check=True, env=ALONE | os.environ)
    assert expected.returncode == 0
    assert repository("status", "--porcelain") == ""  # the lock file is what the command makes of the merged names
    assert {name: (repository.path / name).read_text() for name in TREE} == TREE
    assert repository("log", "main", "-S<<<<<<<", "--format=%h") == ""
    assert repository("for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main"
    refs = repository("for-each-ref", "--format=%(refname)", "refs/aurora").splitlines()
    assert [ref for ref in refs if not ref.startswith("refs/aurora/attic/")] == []
    assert repository("worktree", "list", "--porcelain").count("worktree ") == 1
    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        rows = {row.task_id: row for row in load_tasks(journal, run_id)}
    assert rows["resolve-other"].task.resolves == "other"
    assert processes_of_run(run_id, within_s=5.0) == []


@pytest.fixture(scope="module")
def gits(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many git commands an undisturbed run starts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    repository = set_up(folder)
    check_everything_arrived_once(folder, repository, finish(folder))
    return int((folder / "gits").read_text())


@pytest.mark.parametrize("moment", few(["before", "after"], 1))
@pytest.mark.parametrize("number", few(range(1, FACTS + 1, STRIDE), 1))
def test_killed_around_a_fact(tmp_path: Path, moment: str, number: int) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_FAULT=f"{moment}:{number}")
    check_everything_arrived_once(tmp_path, repository, finish(tmp_path))


@pytest.mark.parametrize(("moment", "point"), few(product(("after", "before"), range(POINTS)), 1))
def test_killed_around_a_git(tmp_path: Path, gits: int, moment: str, point: int) -> None:
    number = 1 + point * (gits - 1) // POINTS  # not the very last: runs differ by a command or two
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_GIT_FAULT=f"{moment}:{number}")
    check_everything_arrived_once(tmp_path, repository, finish(tmp_path))


def test_a_finished_resolver_does_not_run_again(tmp_path: Path) -> None:
    """Killed between its result and the merge that takes it."""
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_FAULT="before:run_delivered")
    with Journal(tmp_path / "runs.db") as journal:
        rows = {row.task_id: row for row in load_tasks(journal, (tmp_path / "run_id").read_text())}
    assert "resolve-other" not in rows  # the first merge found the conflict, and nothing was known of it yet
    killed(tmp_path, AURORA_FAULT="after:task_settled")
    assert (tmp_path / "starts.resolver").read_text() == "started\n"
    check_everything_arrived_once(tmp_path, repository, finish(tmp_path))
