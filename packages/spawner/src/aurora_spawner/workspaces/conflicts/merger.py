"""Merges that go further than git's own: a structural driver, and generated files that are made again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.resolved import ResolvedFile, Resolver
from aurora_spawner.workspaces.conflicts.regenerating import matching
from aurora_spawner.workspaces.conflicts.tree_edits import entries_of, with_entries
from aurora_spawner.workspaces.merging import TreeMerge, merge_trees

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_spawner.workspaces.conflicts.regenerating import Regenerator
    from aurora_spawner.workspaces.conflicts.structural import StructuralDriver
    from aurora_spawner.workspaces.git import Git

_SAME: Final = "One side of a merge, with the generated files of the other\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictMerger:
    """Merges two commits: line by line, then with the structural driver if that is not enough.

    Files that both sides have changed and that `generated` names are left out of the merge and made again.

    Attributes:
        git: in the user's checkout.
        driver: None if none is installed.
        generated: patterns of generated files, relative to `folder`.
        folder: relative to the repository.
        regenerator: makes them again; None for a merger that only looks.
    """

    git: Git
    driver: StructuralDriver | None = None
    generated: Collection[str] = ()
    folder: str = "."
    regenerator: Regenerator | None = None

    def preview(self, ours: str, theirs: str) -> TreeMerge:
        """Returns what conflicts; generated files never do, and have the content of `ours`."""
        return self._without_generated(ours, theirs)[0]

    def merge(self, ours: str, theirs: str) -> TreeMerge:
        """Merges two commits; the commands of generated files run in a checkout of their own.

        Raises:
            CommandStoppedError: It was stopped.
            WorkspaceError: That checkout cannot be made or prepared.
            GitError: Git failed.
        """
        merge, files = self._without_generated(ours, theirs)
        if not files or not merge.is_clean or self.regenerator is None:
            return merge
        made = self.regenerator.make(merge.tree, (ours, theirs), files)
        return replace(made, resolved=(*merge.resolved, *made.resolved))

    def complete(self, ours: str, theirs: str, tree: str) -> TreeMerge:
        """Returns a merge whose conflicts somebody has resolved, with the generated files made again.

        Raises:
            CommandStoppedError, WorkspaceError, GitError: As `merge`.
        """
        files = self.generated_in(ours, theirs)
        if not files or self.regenerator is None:
            return TreeMerge(tree=tree, is_clean=True)
        return self.regenerator.make(tree, (ours, theirs), files)

    def _without_generated(self, ours: str, theirs: str) -> tuple[TreeMerge, tuple[str, ...]]:
        """Returns the merge, and the generated files that both sides have changed."""
        files = self.generated_in(ours, theirs)
        if not files:
            return self._with_driver(ours, theirs), ()
        entries = entries_of(self.git, ours, files)
        tree = with_entries(self.git, theirs, {name: entries.get(name) for name in files})
        identity = self.git.identity()
        same = self.git.run(
            "commit-tree", tree, "-p", theirs, "-F", "-", stdin=_SAME.encode(), environment=identity
        ).text
        return self._with_driver(ours, same), files

    def _with_driver(self, ours: str, theirs: str) -> TreeMerge:
        plain = merge_trees(self.git, ours, theirs)
        if plain.is_clean or self.driver is None:
            return plain
        merged = self.driver.merge(self.git, ours, theirs)
        if merged is None or not merged.is_clean:
            return plain
        resolved = tuple(
            ResolvedFile(path=name, kind=Resolver.DRIVER, by=self.driver.name) for name in plain.conflicts
        )
        return replace(merged, resolved=resolved)

    def generated_in(self, ours: str, theirs: str) -> tuple[str, ...]:
        """Returns the generated files that both sides have changed."""
        if not self.generated:
            return ()
        base = self.git.run("merge-base", ours, theirs, accepted=(0, 1)).text
        if not base:
            return ()
        changed = frozenset(self._changed(base, ours)) & frozenset(self._changed(base, theirs))
        return matching(sorted(changed), self.generated, folder=self.folder)

    def _changed(self, base: str, commit: str) -> list[str]:
        how = ("diff-tree", "-r", "--name-only", "--no-renames", "-z")
        return self.git.run(*how, base, commit).fields
