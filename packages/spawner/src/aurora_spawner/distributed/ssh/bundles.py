"""Git bundles: commits that a repository lacks, as one file. Both sides write and read them alike."""

from __future__ import annotations

import os
import shutil
from typing import IO, TYPE_CHECKING, Final

from aurora_spawner.distributed.exchange import ExchangeError, ExchangeUnreachableError
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.errors import GitError
from aurora_spawner.workspaces.git import end_group, time_limit

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git

FULL: Final = ("no space left", "quota exceeded")
"""Words of errors after which another try is worth while."""
_HEAD_LIMIT_BYTES: Final = 8 << 20


class BundleError(ExchangeError):
    """A bundle cannot be made or used."""


def write_bundle(git: Git, ref: str, commit: str, file: Path, *, without: Collection[str], limit: int) -> int:
    """Writes a commit and what it rests on into a file; returns its bytes, 0 if the other side has all of it.

    Args:
        ref: A ref with the commit, since git puts nothing else into a bundle.
        without: Commits that the other side has; those that this one does not know are passed over.
        limit: The most bytes.

    Raises:
        BundleError: It is larger, or the ref has moved.
        GitError: Git failed.
    """
    known = [each for each in set(without) if git.commit_of(each) == each]
    lines = "".join(f"{line}\n" for line in (commit, *(f"^{each}" for each in known)))
    if not git.run("rev-list", "--max-count=1", "--stdin", stdin=lines.encode()).text:
        return 0
    if git.commit_of(ref) != commit:
        raise BundleError(f"{ref} is no longer {commit[:12]}")
    git.run("bundle", "create", "--quiet", str(file), ref, "--stdin", stdin=lines.partition("\n")[2].encode())
    size = file.stat().st_size
    if size > limit:
        raise BundleError(f"the tree of {commit[:12]} takes {size >> 20} MiB as a bundle; {limit >> 20} is the most")
    return size


def read_bundle(git: Git, file: IO[bytes], commit: str, *, checked: bool) -> None:
    """Takes the commits of a bundle into a repository; no ref changes, and nothing that the commit needs is missing.

    Args:
        checked: Each object is checked to be what git itself could have made.

    Raises:
        BundleError: It is damaged, rests on a commit that is not here, or is of another commit.
        ExchangeUnreachableError: The disk is full.
        GitError: Git failed.
    """
    _pass_head(file)
    arguments = ("index-pack", "--stdin", "--fix-thin", *(["--strict"] if checked else []))
    with git.program(arguments) as process, time_limit(process):
        assert process.stdin is not None
        try:
            shutil.copyfileobj(file, process.stdin)
            _, errors = process.communicate()
        except OSError as error:
            end_group(process)
            raise GitError(git.folder, arguments, f"has ended: {system_words(error)}") from error
    if process.returncode:
        words = os.fsdecode(errors).strip()
        full = any(sign in words.lower() for sign in FULL)
        problem = f"the bundle of {commit[:12]} cannot be used: {words}"
        raise ExchangeUnreachableError(problem) if full else BundleError(problem)
    if git.commit_of(commit) != commit:
        raise BundleError(f"the bundle came without its commit {commit[:12]}")
    try:
        git.run("rev-list", "--objects", "--quiet", commit, "--not", "--glob=*")
    except GitError as error:
        raise BundleError(
            f"the bundle of {commit[:12]} needs commits that are missing here: {error.reason}"
        ) from error


def _pass_head(file: IO[bytes]) -> None:
    """Reads to the beginning of the pack, which `index-pack` takes.

    Raises:
        BundleError: There is none.
    """
    left = _HEAD_LIMIT_BYTES
    if not file.readline(80).startswith(b"# v"):
        raise BundleError("the data is not a git bundle")
    while (line := file.readline(left)) != b"\n":
        left -= len(line)
        if not line.endswith(b"\n") or left <= 0:
            raise BundleError("the bundle is cut off")
