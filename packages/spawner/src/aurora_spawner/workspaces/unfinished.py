"""Work that an agent left half done: an operation of git's in the middle, or conflicts in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.errors import UnfinishedWorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Worktree

_OPERATIONS: Final = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or `git am`",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "sequencer": "a cherry-pick or a revert",
    "BISECT_LOG": "a bisection",
}
"""Files that git keeps during an operation."""
MARKER_SIZE: Final = 7
"""The number of characters of a conflict marker, if the attribute conflict-marker-size says nothing else."""
_MOST_DIGITS: Final = 5
"""A size with more is not one: nobody writes such lines."""
BINARY_WITHIN: Final = 8000
"""Git takes a file with a NUL byte in its first bytes for a binary one."""


def check_settled(worktree: Worktree, *, unmerged: Iterable[str], head: str) -> None:
    """Checks that no operation of git's is in the middle.

    Args:
        unmerged: The files of its index that are in conflict.
        head: The commit that is checked out; empty for none.

    Raises:
        UnfinishedWorkError: One is, files are in conflict, or no commit is checked out.
    """
    git, files = worktree.git, tuple(dict.fromkeys(unmerged))
    operation = operation_in(git)
    if operation is not None:
        problem = f"is in the middle of {operation}; end it there, then merge the task again"
        raise UnfinishedWorkError(worktree.path, problem, files=files)
    if files:
        raise UnfinishedWorkError(worktree.path, f"has files in conflict: {', '.join(files)}", files=files)
    if not head:
        raise UnfinishedWorkError(worktree.path, f"is on a branch without a commit; check out {worktree.branch}")


def operation_in(git: Git) -> str | None:
    """Returns the operation of git's that is in the middle in a checkout; None if there is none."""
    for state, what in _OPERATIONS.items():
        if git.git_dir is not None and (git.git_dir / state).exists():
            return what
    return None


def check_conflict_markers(worktree: Worktree, changed: Sequence[str]) -> None:
    """Checks that no file has more conflict markers than it had in the task's base.

    Args:
        changed: Files of the index that differ from the base.

    Raises:
        UnfinishedWorkError: A file has.
    """
    possible = [name for name in changed if _may_conflict(_text_of(worktree, name))]
    sizes = marker_sizes(worktree.git, possible) if possible else {}
    files = [
        name
        for name, size in sizes.items()
        if (count := _conflicts(_text_of(worktree, name), size))
        and count > _conflicts(_base_of(worktree, name), size)
    ]
    if files:
        problem = (
            f"has conflict markers in {', '.join(files)}; resolve them, or set the attribute conflict-marker-size"
            " if they belong there"
        )
        raise UnfinishedWorkError(worktree.path, problem, files=files)


def _may_conflict(content: bytes) -> bool:
    """Returns True if a text has lines that begin as conflict markers of any size do."""
    return all(sign in b"\n" + content for sign in (b"\n<", b"\n=", b"\n>"))


def marker_sizes(git: Git, names: Sequence[str]) -> dict[str, int]:
    """Returns the number of characters of a conflict marker in each of these files, by a checkout's attributes."""
    said = git.run(
        "check-attr", "-z", "--stdin", "conflict-marker-size", stdin="\0".join(names).encode(errors="surrogateescape")
    ).fields
    return {name: _size(value) for name, value in zip(said[::3], said[2::3], strict=True)}


def _size(value: str) -> int:
    size = int(value) if value.isdecimal() and len(value) <= _MOST_DIGITS else 0
    return size or MARKER_SIZE


def _text_of(worktree: Worktree, name: str) -> bytes:
    path = worktree.path / name
    if path.is_symlink() or not path.is_file():
        return b""
    return path.read_bytes()


def _base_of(worktree: Worktree, name: str) -> bytes:
    return worktree.git.run("cat-file", "blob", f"{worktree.base}:{name}", accepted=(0, 128)).data


def _conflicts(content: bytes, size: int) -> int:
    """Returns the number of conflicts, each marked as git does it; 0 for a binary file."""
    if b"<" * size not in content or b"\0" in content[:BINARY_WITHIN]:
        return 0
    return sum(1 for _ in _ends(content.split(b"\n"), size))


def _ends(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yields the last line of each conflict: ours, a line of equal signs, theirs."""
    expected = signs = b"<=>"
    for line in lines:
        marker, rest = line[:size], line[size:].rstrip(b"\r")
        if marker == expected[:1] * size and (not rest or (rest[:1] == b" " and expected[:1] != b"=")):
            expected = expected[1:]
            if not expected:
                expected = signs
                yield line
