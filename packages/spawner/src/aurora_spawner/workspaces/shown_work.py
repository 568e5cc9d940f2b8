"""The work of a task as text: its change for a reader, and the lines that remarks are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_spawner.workspaces.git import Git

SAFE: Final = ("--no-ext-diff", "--no-textconv")
"""The repository may name programs that show its files; a change is shown as it is."""
_PLAIN: Final = ("--color=never", "-r", "--find-renames", "--patch", "--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWork:
    """The change between two commits of a repository."""

    git: Git
    base: str
    commit: str

    def diff(self) -> str:
        """Returns the change as a patch; bytes that are not UTF-8 appear escaped.

        Raises:
            GitError: Git failed.
        """
        data = self.git.run("diff-tree", *SAFE, *_PLAIN, self.base, self.commit).data
        return data.decode("utf-8", errors="backslashreplace")

    def files(self) -> tuple[str, ...]:
        """Returns the names of the changed files, those that were deleted included.

        Raises:
            GitError: Git failed.
        """
        names = self.git.run("diff-tree", *SAFE, "-r", "--no-renames", "--name-only", "-z", self.base, self.commit)
        return tuple(names.fields)

    def lines(self, file: str) -> list[str] | None:
        """Returns the lines of a file as the work has it, without their ends; None if it has no such file.

        Raises:
            GitError: Git failed.
        """
        found = self.git.run("cat-file", "blob", f"{self.commit}:{file}", accepted=(0, 128))
        if found.status:
            return None
        text = found.data.decode("utf-8", errors="backslashreplace")
        return text.removesuffix("\n").split("\n") if text else []
