"""The resolution of a conflict by an agent: the commit that it starts from, and whether its result is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.resolved import ResolvedFile, Resolver
from aurora_spawner.workspaces.conflicts.hunks import choices, marker_lines
from aurora_spawner.workspaces.conflicts.tree_edits import entries_of
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.merging import commit_merge, merge_parents
from aurora_spawner.workspaces.unfinished import BINARY_WITHIN, marker_sizes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aurora_spawner.workspaces.conflicts.merger import ConflictMerger

_WITH_BASE: Final = ("merge.conflictStyle=diff3",)
_CONFLICT: Final = "Merge with conflicts, for an agent to resolve\n"


class NotResolvedError(WorkspaceError):
    """The work of an agent does not resolve the conflict that it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A merge that git could not complete, as a commit on no branch.

    Attributes:
        commit: its tree has the markers of the conflicts, with the text from before both sides.
        onto: what was merged before.
        theirs: the work that conflicts with it.
        files: the files in conflict.
    """

    commit: str
    onto: str
    theirs: str
    files: tuple[str, ...]


def make_conflict(merger: ConflictMerger, onto: str, theirs: str) -> Conflict | None:
    """Merges two commits with their conflicts in it; None if nothing conflicts.

    Raises:
        GitError: Git failed.
    """
    merge = _with_base(merger).preview(onto, theirs)
    if merge.is_clean or not merge.conflicts:
        return None
    commit = commit_merge(merger.git, merge.tree, (onto, theirs), _CONFLICT)
    return Conflict(commit=commit, onto=onto, theirs=theirs, files=merge.conflicts)


def read_conflict(merger: ConflictMerger, commit: str) -> Conflict:
    """Returns the conflict that `make_conflict` has made a commit of.

    Raises:
        GitError: The commit is gone, or is no merge.
    """
    onto, theirs = _parents(merger.git, commit)
    files = _with_base(merger).preview(onto, theirs).conflicts
    return Conflict(commit=commit, onto=onto, theirs=theirs, files=files)


def resolve(merger: ConflictMerger, conflict: Conflict, commit: str, message: str) -> str:
    """Returns the merge with the files that an agent has resolved; generated files are made again in it.

    Args:
        commit: The agent's work.
        message: Of the merge.

    Raises:
        NotResolvedError: The agent has said nothing, markers are left, or other files have changed.
        CommandStoppedError: A command that makes generated files again was stopped.
        WorkspaceError: Such a command could not be run.
    """
    git = merger.git
    parents = (conflict.onto, conflict.theirs)
    tree = git.text("rev-parse", "--verify", f"{commit}^{{tree}}")
    if commit == conflict.commit:
        raise NotResolvedError(git.folder, _nothing_changed(git, conflict))
    _check(git, conflict, tree, generated=merger.generated_in(*parents))
    made = merger.complete(*parents, tree)
    if not made.is_clean:
        raise NotResolvedError(git.folder, made.problem)
    if made.tree == tree and merge_parents(git, commit) == parents:
        return commit  # an earlier process has made it
    return commit_merge(git, made.tree, parents, message)


def _check(git: Git, conflict: Conflict, tree: str, *, generated: Collection[str]) -> None:
    """Checks that a tree differs from the conflict in its files alone, that they are there, and have no markers.

    Args:
        generated: Further files that may differ, since they are made again.
    """
    how = ("diff-tree", "-r", "--name-only", "--no-renames", "-z", conflict.commit, tree)
    changed = git.run(*how).fields
    others = [name for name in changed if name not in conflict.files and name not in generated]
    if others:
        raise NotResolvedError(
            git.folder, f"the agent changed files that are not in conflict: {', '.join(others[:5])}"
        )
    before = [entries_of(git, each, conflict.files).keys() for each in (conflict.onto, conflict.theirs)]
    lost = sorted(before[0] & before[1] - entries_of(git, tree, conflict.files).keys())
    if lost:
        raise NotResolvedError(git.folder, f"the agent deleted {', '.join(lost[:5])}, which both sides have")
    left = _marked(git, conflict, tree)
    if left:
        raise NotResolvedError(git.folder, f"conflict markers are left in {', '.join(left)}")


def _nothing_changed(git: Git, conflict: Conflict) -> str:
    """Says why a conflict is not resolved by an agent that did nothing, which may have been unable to."""
    problem = "the agent changed nothing"
    if _marked(git, conflict, conflict.commit):
        return problem
    return f"{problem}, and made no empty commit to say that the files are right as they are"


def _marked(git: Git, conflict: Conflict, tree: str) -> list[str]:
    """Returns the files of a conflict that have markers in a tree."""
    texts = _texts(git, tree, conflict.files)
    sides = [_texts(git, each, conflict.files) for each in (conflict.onto, conflict.theirs)]
    sizes = marker_sizes(git, conflict.files)
    return [
        name
        for name, lines in texts.items()
        if _has_markers(lines, [side.get(name, ()) for side in sides], size=sizes[name])
    ]


def _has_markers(lines: Sequence[str], sides: Sequence[Sequence[str]], *, size: int) -> bool:
    """Returns True if lines have markers that no side has itself, as the text of a manual on git does."""
    known = [line for side in sides for line in marker_lines(side, size)]
    for line in marker_lines(lines, size):
        if line not in known:
            return True
        known.remove(line)
    return False


def resolved_by(merger: ConflictMerger, resolution: str, by: str) -> tuple[ResolvedFile, ...]:
    """Returns what became of each hunk of a conflict, computed from the texts, and what was made again beside.

    Args:
        resolution: The merge that `resolve` has made.
        by: The agent, with its task.

    Raises:
        GitError: Git failed.
    """
    git = merger.git
    onto, theirs = _parents(git, resolution)
    merge = _with_base(merger).preview(onto, theirs)
    before, after = (_texts(git, each, merge.conflicts) for each in (merge.tree, resolution))
    files = tuple(
        ResolvedFile(
            path=name,
            kind=Resolver.AGENT,
            by=by,
            hunks=choices(before.get(name, ()), after.get(name, ()), size),
        )
        for name, size in marker_sizes(git, merge.conflicts).items()
    )
    again = merger.regenerator.resolved_files(merger.generated_in(onto, theirs)) if merger.regenerator else ()
    return (*files, *again)


def _with_base(merger: ConflictMerger) -> ConflictMerger:
    git = Git(merger.git.folder, git_dir=merger.git.git_dir, settings=_WITH_BASE)
    return replace(merger, git=git)


def _parents(git: Git, commit: str) -> tuple[str, str]:
    parents = merge_parents(git, commit)
    if parents is None:
        raise WorkspaceError(git.folder, f"{commit[:12]} is no merge of two commits")
    return parents


def _texts(git: Git, tree: str, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Returns the lines of the text files among names; binary files and links are left out."""
    found = {}
    for name, entry in entries_of(git, tree, names).items():
        mode, blob = entry.split()
        content = git.run("cat-file", "blob", blob).data if mode.startswith("100") else b"\0"
        if b"\0" not in content[:BINARY_WITHIN]:
            found[name] = content.decode(errors="surrogateescape").split("\n")
    return found
