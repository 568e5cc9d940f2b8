"""Worktrees on a disk that is full: tasks fail and say so, nothing is left half made, and a resume completes it."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.exhaustive import few

_ON_A_FULL_DISK = """
import shutil, subprocess, sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.testing import processes_of_run
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

folder, full = Path(sys.argv[1]), sys.argv[2]
disk, place, repository = folder / "disk", folder / "place", folder / "disk/project"
for each in (disk, place):
    each.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", disk], check=True)


def git(*arguments):
    who = ["-c", "user.name=Tess", "-c", "user.email=tess@example.invalid"]
    done = subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout


repository.mkdir()
git("init", "--quiet", "--initial-branch=main")
for number in range(20):
    (repository / f"file{number}.txt").write_text(f"line {number} of a file\\n" * 5000)
git("add", "--all")
git("commit", "--quiet", "-m", "first")
ballast = disk / "ballast"


def fill(keep):
    free = shutil.disk_usage(disk).free
    ballast.write_bytes(bytes(max(0, free - keep)))


home = disk / "worktrees" if full == "worktrees" else place / "worktrees"
tasks = [SpawnTask(f"head -c 300000 /dev/urandom > new{n}.bin; echo done {n}; exit", id=str(n)) for n in range(1, 6)]
options = RunOptions(
    default_agent="sh",
    cwd=repository,
    spool=place / "runs",
    max_concurrent=2,
    isolation=isolation_of(repository, home=home, merge=MergeMode.AUTO)[0],
)
run = Run.create(place / "runs.db", tasks, {"sh": CommandBackend("sh", ("sh",))}, options)
fill(5_000_000 if full == "worktrees" else 700_000)
report = run.execute_sync()
assert not report.ok
assert processes_of_run(run.run_id, within_s=5.0) == []
told = [str(result.error) for result in report.results.values() if result.error] + list(report.notices)
if report.merge is not None and report.merge.delivery.problem:
    told.append(report.merge.delivery.problem)
full_words = ("o space left", "unable to write", "Out of diskspace", "couldn't write")
assert any(word in each for each in told for word in full_words), told
ballast.unlink()
backends = {"sh": CommandBackend("sh", ("sh",))}
report = Run.resume(place / "runs.db", run.run_id, backends, retry_failed=True).execute_sync()
assert report.ok, (report.results, report.merge, report.notices)
assert {f"new{n}.bin" for n in range(1, 6)} <= set(git("ls-tree", "-r", "--name-only", "main").split())
assert git("status", "--porcelain") == ""
assert git("worktree", "list").count(chr(10)) == 1
assert git("fsck", "--no-dangling", "--no-progress") == ""
assert not list((repository / ".git").rglob("*.lock"))
print("told:", *told)
"""


@pytest.mark.parametrize("full", few(["worktrees", "objects"], 1))
def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path, full: str) -> None:
    """The worktrees do not fit, or the repository beside them has no room for their commits."""
    assert _run_in_a_namespace(_ON_A_FULL_DISK, str(tmp_path), full).startswith("told: ")


_A_WORKER_ON_A_FULL_DISK = """
import json, shutil, subprocess, sys
from pathlib import Path
from aurora_spawner.distributed.documents import OrderDocument
from aurora_spawner.distributed.exchange import Exchange, start_ref
from aurora_spawner.distributed.worker_trees import WorkerTrees
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git

folder = Path(sys.argv[1])
disk, project = folder / "disk", folder / "project"
disk.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
subprocess.run(["git", "init", "--quiet", "--bare", folder / "exchange"], check=True)
subprocess.run(["git", "init", "--quiet", project], check=True)
(project / "a.txt").write_text("a" * 1000)
who = ["-c", "user.name=Tess", "-c", "user.email=tess@example.invalid"]
subprocess.run(["git", "add", "--all"], cwd=project, check=True)
subprocess.run(["git", *who, "commit", "--quiet", "-m", "first"], cwd=project, check=True)
git, exchange = Git(project), Exchange(str(folder / "exchange"))
start = git.commit_of("HEAD")
exchange.push_new(git, start, start_ref("run-1", start))
order = {"run_id": "run-1", "number": 1, "agent": "sh", "model": None, "prompt": "x", "deadline_s": None}
order |= {"task_id": "t", "sandbox": "off", "depth": 1, "tree": {"start": start, "folder": ".", "title": "x"}}
document, trees = OrderDocument.parse(json.dumps(order)), WorkerTrees(folder=disk / "trees", exchange=exchange)
cwd = trees.begin(document).cwd
(cwd / "work.bin").write_bytes(Path("/dev/urandom").open("rb").read(1 << 20))
ballast = disk / "ballast"
ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 200_000))
try:
    trees.commit(document, token="t")
except WorkspaceError as error:
    assert "No space left" in str(error) or "unable to write" in str(error), error
else:
    raise AssertionError("there was room")
assert (cwd / "work.bin").stat().st_size == 1 << 20
ballast.unlink()
commit = trees.commit(document, token="t")
trees.push(document, commit, fence=1)
exchange.fetch(git, "refs/aurora/run-1/t/1/1", commit, checked=True)
assert git.run("show", f"{commit}:work.bin").data == (cwd / "work.bin").read_bytes()
"""


def test_the_work_on_a_workers_full_disk_stays_and_is_pushed_once_there_is_room(tmp_path: Path) -> None:
    _run_in_a_namespace(_A_WORKER_ON_A_FULL_DISK, str(tmp_path))


def _run_in_a_namespace(program: str, *arguments: str) -> str:
    """Runs a program that mounts a disk of its own, and returns what it prints."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    command = [*alone, sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
