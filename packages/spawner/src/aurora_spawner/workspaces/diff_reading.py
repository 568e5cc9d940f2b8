"""Reads the diff of a task for a gate: each changed file, and the lines that were added to it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.diff_gate import FileDiff
from aurora_spawner.workspaces.results import changed_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.results import FileChange

FILE_BYTES: Final = 4 << 20
"""The largest file whose added lines are read."""
ALL_BYTES: Final = 16 << 20
"""The most bytes of files whose added lines are read."""
_AT_ONCE: Final = 200
"""Files of one call of git, whose names are arguments."""
_LINK: Final = "120000"
_EXECUTABLE: Final = "100755"
_HUNK: Final = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blob:
    """A file of a commit."""

    mode: str
    size: int


def read_diff(git: Git, base: str, commit: str, *, folder: str) -> tuple[FileDiff, ...]:
    """Returns what differs between a task's base and its commit.

    Args:
        folder: the folder of the run, relative to the repository; paths are relative to it.

    Raises:
        GitError: Git failed.
    """
    changes = changed_files(git, base, commit)
    blobs = _blobs(git, commit, [each.path for each in changes if each.kind != "D"])
    to_read = list(_within_limits(changes, blobs))
    added = _added(git, base, commit, to_read)
    executable = [path for path, blob in blobs.items() if blob.mode == _EXECUTABLE]
    before = _blobs(git, base, executable)
    made = {path for path in executable if path not in before or before[path].mode != _EXECUTABLE}
    return tuple(
        FileDiff(
            path=posixpath.relpath(each.path, folder),
            kind=each.kind,
            lines=(each.insertions or 0) + (each.deletions or 0),
            added=added.get(each.path, ()),
            complete=each.path in added or not _has_lines(each, blobs),
            is_link=each.path in blobs and blobs[each.path].mode == _LINK,
            made_executable=each.path in made,
        )
        for each in changes
    )


def _has_lines(change: FileChange, blobs: Mapping[str, _Blob]) -> bool:
    """Returns True if a change adds lines, and is no binary file or other repository."""
    return change.path in blobs and bool(change.insertions)


def _blobs(git: Git, commit: str, paths: Sequence[str]) -> dict[str, _Blob]:
    """Returns the mode and the size of files; other repositories are left out."""
    found = {}
    for start in range(0, len(paths), _AT_ONCE):
        listing = git.run("ls-tree", "-l", "-z", "--full-tree", commit, "--", *paths[start : start + _AT_ONCE])
        for entry in listing.fields:
            about, path = entry.split("\t", 1)
            mode, kind, _name, size = about.split()
            if kind == "blob":
                found[path] = _Blob(mode=mode, size=int(size))
    return found


def _within_limits(changes: Sequence[FileChange], blobs: Mapping[str, _Blob]) -> Iterator[str]:
    left = ALL_BYTES
    for each in changes:
        if _has_lines(each, blobs) and blobs[each.path].size <= min(FILE_BYTES, left):
            left -= blobs[each.path].size
            yield each.path


def _added(git: Git, base: str, commit: str, paths: Sequence[str]) -> dict[str, tuple[tuple[int, str], ...]]:
    """Returns the added lines of files, which git compares without a filter, a converter or a program of the user."""
    found: dict[str, tuple[tuple[int, str], ...]] = {}
    how = ("-p", "--unified=0", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--text")
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        patch = git.run("diff-tree", "-r", *how, base, commit, "--", *some).data
        # Git writes the parts in the order of the names' bytes, and one part for each name; no line of a file begins
        # with `diff --git`, since each has a sign before it.
        parts = patch.split(b"\ndiff --git ")
        names = sorted(some, key=lambda name: name.encode(errors="surrogateescape"))
        found |= {name: tuple(_lines_of(part)) for name, part in _paired(names, parts)}
    return found


def _paired(names: Sequence[str], parts: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yields each name with its part of a patch; a change of type has two parts, of the old file and of the new."""
    left = list(names)
    for part in parts:
        head = part.split(b"\n@@", 1)[0]
        if b"\ndeleted file mode" in head or not left:
            continue
        yield left.pop(0), part


def _lines_of(part: bytes) -> Iterator[tuple[int, str]]:
    number = left = 0
    for line in part.split(b"\n"):
        if left and line.startswith(b"+"):
            yield number, line[1:].decode(errors="replace")
            number, left = number + 1, left - 1
        elif found := _HUNK.match(line):
            number, left = int(found[1]), int(found[2] or b"1")
