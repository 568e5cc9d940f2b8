"""The work of an agent in its worktree, as a commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.file_claims import declares
from aurora_spawner.workspaces.attic import put_away_lost, stashed_on
from aurora_spawner.workspaces.checkouts import reveal
from aurora_spawner.workspaces.commits import new_commit, read_head
from aurora_spawner.workspaces.delivery import checkouts_of
from aurora_spawner.workspaces.git import GITLINK
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.staging import embedded_repository, leave_given_behind, stage_work
from aurora_spawner.workspaces.unfinished import BINARY_WITHIN, check_conflict_markers, check_settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.workspaces.attic import AtticEntry
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Worktree

    _Counts = tuple[int | None, int | None]
    """Lines added and deleted; None for a binary file."""

_DIFF: Final = ("--no-ext-diff", "--no-textconv", "--no-renames")
_AT_ONCE: Final = 200
"""Files of one call of git, whose names are arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One changed file."""

    path: str
    """Relative to the repository; for a rename the new name."""
    kind: str
    """Git's letter: A added, M modified, D deleted, T changed its type."""
    insertions: int | None
    """Lines; None for a binary file."""
    deletions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """The work of one task."""

    commit: str | None
    """None if the agent changed nothing, or only went back to an older commit."""
    branch: str
    files: tuple[FileChange, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    """Changed files that the task did not declare; empty if it declared none."""
    protected: tuple[str, ...] = ()
    """Changed files that match the patterns of protected ones."""
    lost: tuple[AtticEntry, ...] = ()
    """Commits that the agent had made and left, by a reset, an amend or another branch; they are in the attic."""
    left_behind: tuple[str, ...] = ()
    """Copied and linked files that the agent had committed; those commits are in the attic, too."""
    stashed: tuple[str, ...] = ()
    """Commits that the agent has put into git's stash, which all worktrees share, and left there."""
    elsewhere: tuple[Path, ...] = ()
    """Other checkouts of the branch that the agent has committed on; their files are not those of it any more."""

    @property
    def is_noop(self) -> bool:
        """True if the agent changed nothing."""
        return self.commit is None


def commit_work(
    worktree: Worktree,
    message: str,
    *,
    trailers: Mapping[str, str],
    scope: Sequence[str] = (),
    protect: Sequence[str] = (),
) -> WorkResult:
    """Commits what an agent left in its worktree, on top of the commits that it made itself.

    The branch of the task is moved to the result, whatever the agent has checked out; no other branch moves.

    Args:
        message: Subject and body.
        trailers: Name the run, the task and the agent.
        scope: Patterns of the files that the task may change; none allows all.
        protect: Patterns of the files whose change is to be reported.

    Raises:
        ForeignWorktreeError: The worktree is gone, or its `.git` file is.
        UnfinishedWorkError: A merge or the like is in the middle, or a file has conflict markers.
        WorkspaceError: The worktree holds a repository of its own, whose content no commit of this one can hold.
        GitError: Git failed, a hook of the user's included.
    """
    git, own = worktree.git, f"refs/heads/{worktree.branch}"
    unmerged, head = reveal(git), read_head(git)
    check_settled(worktree, unmerged=unmerged, head=head.commit)
    moved = head.branch if head.branch != own and head.commit != worktree.base else ""
    left_behind = leave_given_behind(worktree, head)
    if left_behind:
        head = read_head(git)
    stage_work(worktree)
    staged = _staged(git, worktree.base)
    _check_embedded(worktree, [each.path for each in staged if each.mode == GITLINK])
    check_conflict_markers(worktree, [each.path for each in staged if each.kind != "D"])
    is_saved = not staged if head.commit == worktree.base else _is_head(git)
    commit = head.commit if is_saved else new_commit(worktree, head, message, trailers)
    lost = put_away_lost(git, worktree.branch, kept=(commit, worktree.base))
    if head.branch != own:
        git.run("update-ref", own, commit)
    is_noop = commit == worktree.base or (head.commit != worktree.base and is_ancestor(git, commit, worktree.base))
    files = () if is_noop else changed_files(git, worktree.base, commit)
    return WorkResult(
        commit=None if is_noop else commit,
        branch=worktree.branch,
        files=files,
        out_of_scope=tuple(file.path for file in files if scope and not _matches(file.path, scope)),
        protected=tuple(file.path for file in files if _matches(file.path, protect)),
        lost=lost,
        left_behind=left_behind,
        stashed=stashed_on(git, worktree.branch),
        elsewhere=tuple(path for path in checkouts_of(git, moved) if path != worktree.path) if moved else (),
    )


def changed_files(git: Git, base: str, commit: str) -> tuple[FileChange, ...]:
    """Returns the files that differ between two commits.

    A file is binary by its content alone: what `.gitattributes` says of it, an agent may have written there.
    """
    fields = git.run("diff-tree", "-r", "--raw", "--numstat", *_DIFF, "-z", base, commit).fields
    names = next((at for at, field in enumerate(fields[::2]) if not field.startswith(":")), len(fields) // 2) * 2
    entries = {path: entry[1:].split() for entry, path in zip(fields[:names:2], fields[1:names:2], strict=True)}
    counts = _counts(fields[names:])
    unread = [path for path, (insertions, _) in counts.items() if insertions is None]
    counts |= _counts_of_text(git, base, commit, {path: entries[path][2:4] for path in unread})
    return tuple(
        FileChange(path=path, kind=entries[path][-1], insertions=insertions, deletions=deletions)
        for path, (insertions, deletions) in counts.items()
    )


def _counts_of_text(git: Git, base: str, commit: str, files: Mapping[str, Sequence[str]]) -> dict[str, _Counts]:
    """Returns the lines of those files, named with their old and new blobs, that hold text."""
    blobs = dict.fromkeys(blob for pair in files.values() for blob in pair if blob.strip("0"))
    if not blobs:
        return {}
    beginnings = git.beginnings(blobs, BINARY_WITHIN)
    texts = [path for path, pair in files.items() if not any(b"\0" in beginnings.get(each, b"") for each in pair)]
    found: dict[str, _Counts] = {}
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        how = ("diff-tree", "-r", "--numstat", "--text", *_DIFF, "-z", base, commit, "--", *some)
        found |= _counts(git.run(*how).fields)
    return found


def _counts(lines: Sequence[str]) -> dict[str, _Counts]:
    found = {}
    for line in lines:
        insertions, deletions, path = line.split("\t", 2)
        found[path] = _lines(insertions), _lines(deletions)
    return found


def _lines(count: str) -> int | None:
    return None if count == "-" else int(count)


def _matches(path: str, scope: Sequence[str]) -> bool:
    return any(declares(declared, path) for declared in scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """A file of the index that differs from the base."""

    path: str
    mode: str
    kind: str
    """Git's letter."""


def _staged(git: Git, base: str) -> list[_Staged]:
    fields = git.run("diff-index", "--cached", "--raw", "-z", "--no-renames", base, "--").fields
    entries = ((entry.split(), path) for entry, path in zip(fields[::2], fields[1::2], strict=True))
    return [_Staged(path=path, mode=mode, kind=kind) for (_, mode, _, _, kind), path in entries]


def _is_head(git: Git) -> bool:
    """Returns True if the index is as in the commit that is checked out."""
    return git.succeeds("diff-index", "--cached", "--quiet", "HEAD", "--")


def _check_embedded(worktree: Worktree, embedded: Sequence[str]) -> None:
    if embedded:
        worktree.git.run("reset", "--quiet")
        raise embedded_repository(worktree, embedded[0])
