"""The refs that a host keeps for trees: a bare repository of its own, which only requests of coordinators change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from aurora_spawner.distributed.exchange import REFS, Exchange, MissingTreeError, PushRefusedError
from aurora_spawner.distributed.ssh.bundles import read_bundle, write_bundle
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.turns import turn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_COLLECT: Final = "gc.auto=6700"


@dataclass(frozen=True, slots=True)
class HostRefs:
    """The repository through which trees come to this machine and go back."""

    folder: Path

    @property
    def exchange(self) -> Exchange:
        """The repository, for the worktrees of this machine."""
        return Exchange(str(self._git().folder))

    def all(self) -> dict[str, str]:
        """Returns the commits of all refs.

        Raises:
            WorkspaceError: Git failed.
        """
        lines = self._git().text("for-each-ref", "--format=%(objectname) %(refname)", REFS).splitlines()
        return {ref: commit for commit, _, ref in (line.partition(" ") for line in lines)}

    def take(self, ref: str, commit: str, bundle: IO[bytes] | None) -> None:
        """Writes a ref that must not be there yet; one that is there with the same commit is left alone.

        Args:
            bundle: None if all of the commit is here.

        Raises:
            PushRefusedError: It is there with another commit, or its name is none.
            BundleError: The bundle cannot be used.
            WorkspaceError: Git failed, as on a full disk.
        """
        git = self._git()
        if not git.succeeds("check-ref-format", ref):
            raise PushRefusedError(f"{ref} is not a valid name of a ref")
        if bundle is not None:
            read_bundle(git, bundle, commit, checked=False)
        if git.commit_of(commit) != commit:
            raise MissingTreeError(f"commit {commit[:12]} is not here")
        with turn(self.folder / ".lock"):
            there = git.commit_of(ref)
            if there not in ("", commit):
                raise PushRefusedError(f"{ref} is there already, with {there[:12]}")
            git.run("update-ref", ref, commit)

    def give(self, ref: str, commit: str, file: Path, *, have: Collection[str], limit: int) -> int:
        """Writes the bundle of a ref into a file; returns its bytes, 0 if the coordinator has all of it.

        Raises:
            MissingTreeError: The ref is not there, or is another commit.
            BundleError: It is too large.
            WorkspaceError: Git failed, as on a full disk.
        """
        git = self._git()
        there = git.commit_of(ref)
        if there != commit:
            raise MissingTreeError(f"{ref} is {there[:12] or 'missing'}; expected {commit[:12]}")
        return write_bundle(git, ref, commit, file, without=have, limit=limit)

    def delete(self, refs: Mapping[str, str]) -> None:
        """Deletes refs that still have these commits.

        Raises:
            WorkspaceError: Git failed.
        """
        git, there = self._git(), self.all()
        for ref, commit in refs.items():
            if there.get(ref) == commit:
                git.run("update-ref", "-d", ref, commit)
        Git(git.folder, git_dir=git.git_dir, settings=(_COLLECT,)).run("gc", "--auto", "--quiet")

    def _git(self) -> Git:
        """Returns git in the repository, which is made if it is new."""
        place = self.folder / "exchange"
        if not place.exists():
            make_private_folder(self.folder)
            with turn(self.folder / ".lock"):
                draft = place.with_name("exchange.draft")
                Git(self.folder).run("init", "--quiet", "--bare", "--template=", "--initial-branch=none", str(draft))
                if not place.exists():
                    draft.rename(place)
        return Git(place, git_dir=place)
