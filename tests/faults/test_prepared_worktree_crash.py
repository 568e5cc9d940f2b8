"""kill -9 of a coordinator while it prepares worktrees: a resume prepares them again, and loses and leaks nothing."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.faults.test_worktree_crash import begin, killed
from tests.spawner.workspaces.repository import Repository, make_repository, write

from aurora_spawner.testing import processes_of_run

COPIES = {"secret.log": "s3cret" * 5000, "config/mine.json": "{}"}
USERS = {**COPIES, "big/data.bin": "data"}
SETUP = "cat config/mine.json big/data.bin > made.log; echo 1 > gen.py; echo spoilt > app.py"
TASK = "cat secret.log config/mine.json big/data.bin made.log gen.py app.py | cksum; cat app.py > $AURORA_TASK_ID.py"
POINTS = 24
"""Of an undisturbed run, evenly spread over the git commands that it starts."""


def set_up(folder: Path, *setup: str) -> Repository:
    repository = make_repository(folder / "project", {"app.py": "print()\n", ".gitignore": "*.log\n"})
    write(repository.path, dict(USERS))
    preparation = {
        "copy": ["secret.log", "config"],
        "link": ["big"],
        "setup": [SETUP, *setup],
        "env": {"X": "{slug}"},
    }
    (folder / "preparation.json").write_text(json.dumps(preparation))
    scripts = dict.fromkeys(("one", "two"), (f"{TASK}; echo $X $AURORA_PORT_BASE", ()))
    (folder / "tasks.json").write_text(json.dumps(("auto", scripts)))
    return repository


def finish(folder: Path) -> None:
    with begin(folder) as coordinator:
        assert coordinator.wait(timeout=55) == 0


def check(folder: Path, repository: Repository) -> None:
    """Both agents had all of it, each ran once, the user's files are as they were, and nothing is left."""
    run_id = (folder / "run_id").read_text()
    said = json.loads((folder / "report.json").read_text())
    assert said["states"] == {"one": "succeeded", "two": "succeeded"}
    assert sorted(path.read_text() for path in folder.glob("starts.*")) == ["started\n"] * 2
    outputs = [next((folder / "runs" / run_id).glob(f"*{name}*/**/stdout*")).read_text() for name in ("one", "two")]
    assert len({output.splitlines()[0] for output in outputs}) == 1
    assert len({output.split()[-1] for output in outputs}) == 2  # each has ports of its own
    assert {name: repository.shown("main", name) for name in repository.files("main")} == {
        ".gitignore": "*.log",
        "app.py": "print()",
        "one.py": "print()",
        "two.py": "print()",
    }
    assert {name: (repository.path / name).read_text() for name in USERS} == USERS
    assert repository("worktree", "list").count("\n") == 0
    assert [path.name for path in (folder / "worktrees").rglob("*") if path.is_file()] == [
        path.name for path in (folder / "worktrees").rglob("*lock") if path.is_file()
    ]
    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
    assert repository("fsck", "--no-dangling", "--no-progress") == ""
    assert processes_of_run(run_id, within_s=5.0) == []


@pytest.fixture(scope="module")
def gits(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many git commands an undisturbed run starts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    repository = set_up(folder)
    finish(folder)
    check(folder, repository)
    return int((folder / "gits").read_text())


@pytest.mark.parametrize("moment", few(["before", "after"], 1))
@pytest.mark.parametrize("point", few(range(POINTS), 1))
def test_killed_around_a_git(tmp_path: Path, moment: str, point: int, gits: int) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_GIT_FAULT=f"{moment}:{1 + point * gits // POINTS}")
    finish(tmp_path)
    check(tmp_path, repository)


@pytest.mark.parametrize("number", few([1, 2, 3, 4], 1))
def test_killed_in_the_middle_of_a_copy(tmp_path: Path, number: int) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_COPY_FAULT=str(number))
    finish(tmp_path)
    check(tmp_path, repository)


@pytest.mark.parametrize("moment", few(["before", "after"], 1))
def test_killed_around_its_fact(tmp_path: Path, moment: str) -> None:
    repository = set_up(tmp_path)
    killed(tmp_path, AURORA_FAULT=f"{moment}:workspace_prepared")
    finish(tmp_path)
    check(tmp_path, repository)


def test_killed_in_the_middle_of_set_up(tmp_path: Path) -> None:
    """What set-up had started is ended, it runs again with the same ports, and no agent has run before."""
    go, begun, alive = (tmp_path / name for name in ("go", "begun", "alive"))
    os.mkfifo(alive)
    daemon = f"setsid sh -c \"exec 9>'{alive}'; sleep 60\" >/dev/null 2>&1 &"
    noted = f"echo $AURORA_TASK_ID $AURORA_SLUG $AURORA_PORT_BASE >> {begun}"
    repository = set_up(tmp_path, f"test -e {go} || ( {daemon} ); {noted}; test -e {go} || sleep 60")
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    with begin(tmp_path) as coordinator:
        until = time.monotonic() + 30
        while not begun.exists() or begun.read_text().count("\n") < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        coordinator.send_signal(signal.SIGKILL)
        assert coordinator.wait(timeout=55) == -signal.SIGKILL
    first = sorted(begun.read_text().splitlines())
    assert list(tmp_path.glob("starts.*")) == []
    go.touch()
    finish(tmp_path)
    check(tmp_path, repository)
    assert sorted(begun.read_text().splitlines()) == sorted([*first, *first])
    assert os.read(reader, 1) == b""  # no writer is left
