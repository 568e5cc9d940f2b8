"""The attic: commits that were discarded, kept under refs of ours for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.workspaces.git import Git

ATTIC: Final = "refs/aurora/attic"
KEEP_DAYS: Final = 30.0
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AtticEntry:
    """One discarded head."""

    ref: str
    commit: str
    name: str
    """The branch that it was the head of; for a lost commit the task's branch, `.lost/` and the commit."""
    since: float
    """Unix time."""

    def is_of(self, branch: str) -> bool:
        """Returns True for a head of a branch that was put away, False for a commit that its agent had lost."""
        return self.name in (branch, f"{branch}.{self.commit}")


def put_away(git: Git, branch: str, *, now: float | None = None) -> AtticEntry:
    """Moves the head of a branch into the attic; the branch is gone afterwards. One step, also under a kill.

    Raises:
        GitError: There is no such branch, or it is checked out.
    """
    commit = git.text("rev-parse", "--verify", f"refs/heads/{branch}")
    since = int(time.time() if now is None else now)
    ref = f"{ATTIC}/{since}/{branch}"
    change = f"start\ncreate {ref} {commit}\ndelete refs/heads/{branch} {commit}\nprepare\ncommit\n"
    git.run("update-ref", "--stdin", stdin=change.encode())
    return AtticEntry(ref=ref, commit=commit, name=branch, since=float(since))


def put_away_lost(
    git: Git, branch: str, *, kept: tuple[str, ...] = (), now: float | None = None
) -> tuple[AtticEntry, ...]:
    """Puts the commits that an agent made and lost into the attic: by a reset, an amend, or a branch that is gone.

    Args:
        git: In the task's worktree, whose log of HEAD remembers each commit.
        branch: The task's branch. It counts for nothing, since it may be moved or deleted.
        kept: Commits that stay reachable.

    Returns:
        The heads of what was lost, and is in no other ref.
    """
    own = f"refs/heads/{branch}"
    seen = {commit for ref in ("HEAD", own) for commit in _logged(git, ref)}
    if seen <= {*kept}:
        return ()
    lines = [*sorted(seen), *(f"^{commit}" for commit in kept)]
    passing = (own, "refs/aurora/bases/*", "refs/bisect/*", "refs/rewritten/*", "refs/worktree/*")
    holders = (*(f"--exclude={each}" for each in passing), "--glob=refs/*")
    listing = git.run(
        "rev-list", "--parents", "--stdin", "--not", *holders, stdin="".join(f"{line}\n" for line in lines).encode()
    )
    family = [line.split() for line in listing.text.splitlines()]
    parents = {parent for _, *parents in family for parent in parents}
    since = int(time.time() if now is None else now)
    entries = []
    for commit, *_ in family:
        if commit not in parents:
            name = f"{branch}.lost/{commit}"
            entries.append(AtticEntry(ref=f"{ATTIC}/{since}/{name}", commit=commit, name=name, since=float(since)))
    if entries:
        created = "".join(f"create {each.ref} {each.commit}\n" for each in entries)
        git.run("update-ref", "--stdin", stdin=created.encode())
    return tuple(entries)


def _logged(git: Git, ref: str) -> list[str]:
    """Returns the commits that a ref has had; also if it names none now, as HEAD on a branch without a commit.

    The log is read as it is, since git walks none of a branch without a commit; other formats only git can read.
    """
    log = _log_of(git, ref)
    if log is None:
        there = git.commit_of(ref)
        return git.text("rev-list", "--walk-reflogs", ref, "--").splitlines() if there else []
    entries = [line.split()[1] for line in log.read_text(errors="replace").splitlines()]
    return [commit for commit in entries if commit.strip("0")]


def stashed_on(git: Git, branch: str) -> tuple[str, ...]:
    """Returns the commits of git's stash that were made on a branch, the newest last.

    They are held by a ref that all worktrees share, in which nobody would look for the work of a task.
    """
    log = _log_of(git, "refs/stash")
    if log is None:
        return ()
    entries = [line.partition("\t") for line in log.read_text(errors="replace").splitlines()]
    made_there = (f"WIP on {branch}: ", f"On {branch}: ")
    return tuple(about.split()[1] for about, _, said in entries if said.startswith(made_there))


def _log_of(git: Git, ref: str) -> Path | None:
    """Returns the file that is the log of a ref; None if there is none in the worktree's part or in the whole."""
    if git.git_dir is None:
        return None
    common = git.git_dir / "commondir"
    shared = git.git_dir / common.read_text().strip() if common.is_file() else git.git_dir
    log = (git.git_dir if ref == "HEAD" else shared) / "logs" / ref
    return log if log.is_file() else None


def list_attic(git: Git) -> list[AtticEntry]:
    """Returns what was discarded, the newest first."""
    entries = []
    for line in git.text("for-each-ref", "--format=%(objectname) %(refname)", f"{ATTIC}/").splitlines():
        commit, _, ref = line.partition(" ")
        since, _, name = ref.removeprefix(f"{ATTIC}/").partition("/")
        if since.isdecimal():
            entries.append(AtticEntry(ref=ref, commit=commit, name=name, since=float(since)))
    return sorted(entries, key=lambda entry: -entry.since)


def sweep_attic(
    git: Git, *, keep_days: float = KEEP_DAYS, now: float | None = None, dry_run: bool = False
) -> list[AtticEntry]:
    """Removes what was discarded longer ago than `keep_days`; returns it. Git deletes the objects in its own time.

    Args:
        dry_run: Only return it.
    """
    latest = (time.time() if now is None else now) - keep_days * _DAY_S
    old = [entry for entry in list_attic(git) if entry.since < latest]
    for entry in old if not dry_run else ():
        git.run("update-ref", "-d", entry.ref, entry.commit)
    return old
