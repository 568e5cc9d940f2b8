"""Random graphs of agents with random edits in a random repository, and a coordinator that is killed at random times.

AURORA_FAULT_SEEDS sets how many such runs there are; the ordinary run takes the first and the last.
"""

import json
import os
import random
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.faults.test_worktree_crash import begin
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.testing import processes_of_run

SEEDS = int(os.environ.get("AURORA_FAULT_SEEDS", "40"))
NAMES = ("a.txt", "b.py", "src/main.py", "src/deep/er.c", "doc/with space.md", "doc/ä ö.md", "bin/tool", "data.bin")
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")


def make_random_repository(chance: random.Random, folder: Path) -> Repository:
    repository = make_repository(folder / "project", {"README.md": "# Project\n", ".gitignore": "*.log\n"})
    for name in NAMES:
        path = repository.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".bin"):
            path.write_bytes(chance.randbytes(300))
        else:
            path.write_text("".join(f"{chance.choice(WORDS)} {number}\n" for number in range(chance.randint(8, 40))))
    (repository.path / "bin/tool").chmod(0o755)
    (repository.path / "link").symlink_to(chance.choice(NAMES))
    repository("add", "--all")
    repository("commit", "--quiet", "-m", "files")
    return repository


def edit(chance: random.Random, number: int) -> str:
    """Returns one command; it does nothing where an earlier one has taken its file away."""
    name, other = shlex.quote(chance.choice(NAMES)), shlex.quote(chance.choice(NAMES))
    word, line = f"{chance.choice(WORDS)}-{number}", chance.randint(1, 8)
    commands = (
        f"[ ! -f {name} ] || echo {word} >> {name}",
        f"[ ! -f {name} ] || sed -i '{line}s/.*/{word}/' {name}",
        f"[ ! -f {name} ] || sed -i '{line}i {word}' {name}",
        f"mkdir -p new/{number}; echo {word} > new/{number}/file.txt",
        f"echo {word} > 'new {chance.randint(1, 3)}.txt'",
        f"rm -f {name}",
        f"[ ! -f {name} ] || mv {name} moved-{number}.txt",
        f"[ ! -f {name} ] || mv {name} {other}",
        f"[ ! -f {name} ] || chmod {chance.choice(('+x', '-x'))} {name}",
        f"ln -sfn {other} link",
        f"[ -d link-{number} ] || ln -sfn {other} link-{number}",
        f"printf '\\000\\001{word}\\377' > data.bin",
        f"printf '\\000{word}' > blob-{number}.bin",
    )
    return chance.choice(commands)


def script(chance: random.Random, name: str, folder: Path) -> str:
    """Returns what one agent does: edits, commits of its own between them, at times a failure."""
    commands = []
    for number in range(chance.choice((0, 1, 1, 2, 3, 5))):
        commands.append(edit(chance, number + 10 * int(name[1:])))
        if chance.random() < 0.25:
            commands.append(
                f"git add -A; git commit -qm own > /dev/null && git rev-parse HEAD >> {folder}/commits.{name}"
            )
    if chance.random() < 0.2:
        commands.append(f"sleep 0.{chance.randint(1, 3)}")
    commands.append("exit 3" if chance.random() < 0.12 else "echo done; exit 0")
    return "; ".join(commands)


def random_tasks(chance: random.Random, folder: Path) -> dict[str, tuple[str, list[str]]]:
    tasks: dict[str, tuple[str, list[str]]] = {}
    for number in range(chance.randint(2, 12)):
        most = min(len(tasks), 2) if chance.random() < 0.4 else 0
        needs = chance.sample(list(tasks), chance.randint(0, most))
        tasks[f"t{number}"] = (script(chance, f"t{number}", folder), needs)
    return tasks


def disturb(chance: random.Random, repository: Repository) -> None:
    """Leaves uncommitted work of the user: staged, not staged, untracked, ignored, deleted."""
    names = chance.sample(NAMES, 3)
    (repository.path / names[0]).write_text("mine, staged\n")
    repository("add", names[0])
    (repository.path / names[1]).write_text("mine\n")
    (repository.path / names[2]).unlink()
    (repository.path / "untracked.txt").write_text("mine, untracked\n")
    (repository.path / "ignored.log").write_text("mine, ignored\n")


def checkout(repository: Repository) -> dict[str, tuple[int, bytes]]:
    """Each file of the checkout and the index: its mode, and its bytes or where it points."""
    found = {}
    for path in [*repository.path.rglob("*"), repository.path / ".git" / "index"]:
        inside = path.relative_to(repository.path).parts
        if (".git" in inside and path.name != "index") or (path.is_dir() and not path.is_symlink()):
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found["/".join(inside)] = (path.lstat().st_mode, content)
    return {name: each for name, each in found.items() if name == ".git/index" or not name.startswith(".git/")}


def run_with_kills(chance: random.Random, folder: Path) -> dict[str, Any]:
    for _ in range(chance.randint(1, 4)):
        with begin(folder) as coordinator:
            time.sleep(chance.uniform(0.3, 2.5))
            coordinator.kill()
    with begin(folder) as coordinator:
        assert coordinator.wait(timeout=100) in (0, 1)
    said: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return said


def reference(repository: Repository, folder: Path, base: str, works: dict[str, str]) -> tuple[str, list[str]]:
    """Merges with plain git, in the order of the run; returns the tree and the tasks that conflict."""
    repository("clone", "--quiet", "--no-checkout", str(repository.path), str(folder))
    repository("fetch", "--quiet", "origin", "+refs/heads/*:refs/all/*", "+refs/aurora/*:refs/ours/*", folder=folder)
    repository("checkout", "--quiet", "--detach", base, folder=folder)
    for part, value in (("name", "Tess"), ("email", "tess@example.invalid")):
        repository("config", f"user.{part}", value, folder=folder)
    conflicts = []
    for task_id, commit in works.items():
        try:
            repository("merge", "--quiet", "--no-ff", "--no-edit", commit, folder=folder)
        except subprocess.CalledProcessError:
            conflicts.append(task_id)
            repository("reset", "--quiet", "--hard", folder=folder)
            repository("clean", "-fdq", folder=folder)
    return repository("rev-parse", "HEAD^{tree}", folder=folder), conflicts


def check_commits(repository: Repository, folder: Path, said: dict[str, Any], works: dict[str, str]) -> None:
    """Each commit is merged, or in work that is listed as unmerged; and each is on a ref."""
    integrated = "main" if said["mode"] == "auto" else said["delivery"]["branch"]
    made = {path.suffix[1:]: path.read_text().split() for path in folder.glob("commits.*")}
    for task_id, commit in works.items():
        made.setdefault(task_id, []).append(commit)
    for task_id, commits in made.items():
        merge = said["merges"].get(task_id)
        for commit in commits:
            assert repository("for-each-ref", "--contains", commit, "refs/heads", "refs/aurora/attic") != ""
            if merge and merge["outcome"] == "merged":
                repository("merge-base", "--is-ancestor", commit, integrated)
            elif merge:
                repository("merge-base", "--is-ancestor", commit, merge["branch"])
            elif said["states"][task_id] != "succeeded":
                repository("merge-base", "--is-ancestor", commit, f"aurora/{said['run_id']}/{task_id}")


def check_nothing_is_left(repository: Repository, folder: Path, said: dict[str, Any]) -> None:
    """Worktrees are those that hold something, each locked; no lock file, no process, nothing broken."""
    blocks = repository("worktree", "list", "--porcelain").split("\n\n")[1:]
    assert all("\nlocked aurora: " in block for block in blocks)
    names = {Path(block.splitlines()[0].removeprefix("worktree ")).name for block in blocks}
    gone = said["mode"] == "auto"
    holding = {name for name, each in said["merges"].items() if not gone or each["outcome"] != "merged"}
    failed = {name for name, state in said["states"].items() if state != "succeeded"}
    assert holding <= names <= holding | failed
    told = " ".join(said["notices"])
    for name in names & failed:
        (place,) = folder.glob(f"worktrees/*/*/{name}")
        base = repository("rev-parse", f"refs/aurora/bases/{said['run_id']}/{name}")
        if repository("status", "--porcelain", folder=place) or repository("rev-parse", "HEAD", folder=place) != base:
            assert f"task {name}," in told
    assert {path.name for path in folder.glob("worktrees/*/*/*")} == names
    assert names or not list(folder.glob("worktrees/*/spawn-*"))
    assert [str(path) for path in (repository.path / ".git").rglob("*.lock")] == []
    assert repository("fsck", "--no-dangling", "--no-progress") == ""
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    assert processes_of_run(said["run_id"], within_s=5.0) == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", few(range(SEEDS), 2))
def test_nothing_is_lost_in_a_random_run(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    repository = make_random_repository(chance, tmp_path)
    mode = chance.choice(("auto", "never"))
    tasks = random_tasks(chance, tmp_path)
    (tmp_path / "tasks.json").write_text(json.dumps((mode, tasks)))
    if mode == "never":
        disturb(chance, repository)
    base, before = repository("rev-parse", "HEAD"), checkout(repository)

    said = run_with_kills(chance, tmp_path)
    said |= {"mode": mode, "run_id": (tmp_path / "run_id").read_text()}
    works = {name: work["commit"] for name, work in said["works"].items() if work["commit"]}
    works = {name: works[name] for name in tasks if name in works}
    assert said["delivery"]["problem"] is None

    starts = {path.suffix[1:]: len(path.read_text().split()) for path in tmp_path.glob("starts.*")}
    assert set(starts.values()) <= {1}
    assert {name for name, state in said["states"].items() if state == "succeeded"} <= set(starts)
    tree, conflicts = reference(repository, tmp_path / "reference", base, works)
    assert [name for name in works if said["merges"][name]["outcome"] == "conflict"] == conflicts
    assert said["merges"].keys() == works.keys()
    integrated = "main" if mode == "auto" else said["delivery"]["branch"]
    assert repository("rev-parse", f"{integrated}^{{tree}}") == tree
    check_commits(repository, tmp_path, said, works)
    check_nothing_is_left(repository, tmp_path, said)
    if mode == "never":
        assert checkout(repository) == before
        assert repository("rev-parse", "main") == base
    else:
        assert repository("status", "--porcelain") == ""
