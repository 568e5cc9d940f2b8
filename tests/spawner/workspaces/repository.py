"""A real repository for tests, with a user who has uncommitted work in it."""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aurora_spawner.workspaces.git import Git

ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True)
class Repository:
    path: Path

    @property
    def git(self) -> Git:
        return Git(self.path)

    def __call__(self, *arguments: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder or self.path,
            env=os.environ | ALONE,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str | None], message: str = "work", *, folder: Path | None = None) -> str:
        write(folder or self.path, files)
        self("add", "--all", folder=folder)
        self("commit", "--quiet", "-m", message, folder=folder)
        return self("rev-parse", "HEAD", folder=folder)

    def shown(self, revision: str, file: str) -> str:
        return self("show", f"{revision}:{file}")

    def files(self, revision: str) -> list[str]:
        return self("ls-tree", "-r", "--name-only", revision).splitlines()

    def state(self) -> tuple[bytes, dict[str, bytes]]:
        """The user's index and every file of the checkout, byte by byte."""
        index = (self.path / ".git" / "index").read_bytes()
        files = [path for path in self.path.rglob("*") if path.is_file() and ".git" not in path.parts]
        return index, {str(path.relative_to(self.path)): path.read_bytes() for path in files}


def make_repository(path: Path, files: dict[str, str | None]) -> Repository:
    path.mkdir(parents=True)
    repository = Repository(path)
    repository("init", "--quiet", "--initial-branch=main")
    repository("config", "user.name", "Tess")
    repository("config", "user.email", "tess@example.invalid")
    repository.commit(files, "first")
    return repository


def copy_repository(path: Path, files: dict[str, str | None]) -> Repository:
    """Does what make_repository does, in a third of the time: copies one that this process has made before."""
    shutil.copytree(_made(tuple(files.items())).path, path, symlinks=True)
    repository = Repository(path)
    repository("update-index", "--refresh")  # or the index would call each file changed until git looks into it
    return repository


@functools.cache
def _made(files: tuple[tuple[str, str | None], ...]) -> Repository:
    folder = tempfile.mkdtemp(prefix="aurora-tests-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_repository(Path(folder) / "made", dict(files))


def write(folder: Path, files: dict[str, str | None]) -> None:
    """Writes files; None deletes one."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
