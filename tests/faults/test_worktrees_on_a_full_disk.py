"""Worktrees on a disk that is full: tasks fail and say so, nothing is left half made, and a resume completes it."""

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("full", ["worktrees", "objects"])
def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path, full: str) -> None:
    """The worktrees do not fit, or the repository beside them has no room for their commits."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    command = [*alone, sys.executable, "-c", _ON_A_FULL_DISK, str(tmp_path), full]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("told: ")
