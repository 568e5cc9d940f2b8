"""Looks up a name or a place in a file: `NAME`, `FILE`, `FILE:LINE` or `FILE:NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from aurora_core.chunking.chunk import DEFINING
from aurora_core.errors import NotInMemoryError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_core.hits import Hit, Reference
    from aurora_core.memory import Memory

__all__ = ["LookedUp", "file_of", "look_up"]

# A line, a range as search prints it, or a line and a column as compilers print them.
_LINES: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})|:[0-9]{1,9})?:?")
# File names and names of definitions may hold colons; a pasted text of thousands is neither.
_MAX_COLONS: Final = 16
_NAMED: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """The answer to a look-up.

    Attributes:
        chunks: the definitions of a name, or the chunks of a place in the order of its file.
        callers: lines that call what the chunks define; none for a whole file.
    """

    chunks: tuple[Hit, ...]
    callers: tuple[Reference, ...]


def look_up(memory: Memory, target: str, limit: int = 10, *, folder: Path | None = None) -> LookedUp:
    """Looks up a name or a place; both tuples are empty if nothing in the memory defines a name.

    A file that is in the memory comes before a name.

    Args:
        target: the name of a definition (its last component or its qualified name), or a file, alone or with a line,
            a range of lines (`12-30`) or the name of one of its definitions.
        limit: of chunks, and of callers.
        folder: the folder that relative paths start from; they may start from the project's root too.

    Raises:
        NotInMemoryError: the target reads like a file that is not in the memory, or the file does not have the place.
        ProjectError: the file is not in the project.
        StoreError: memory.db cannot be read.
    """
    folders = [folder, memory.root] if folder else [memory.root]
    for file, within in _readings(target):
        for path in filter(None, (_inside(memory.root, start / file) for start in folders)):
            note = memory.file_note(path)
            if note is not None:
                return _in_file(memory, path, within, limit, note)
    defined = memory.definitions(target, limit)
    if not defined:
        _refuse_unknown_file(memory.root, target, folders)
    return LookedUp(chunks=tuple(defined), callers=tuple(memory.callers(target, limit)))


def file_of(memory: Memory, name: str, *, folder: Path) -> str:
    """Returns the path from the root of a file that is in the memory.

    Args:
        name: its path from a folder, or from the project's root.

    Raises:
        NotInMemoryError: it is not in the memory.
        ProjectError: it is not in the project.
        StoreError: memory.db cannot be read.
    """
    folders = [folder, memory.root]
    inside = filter(None, (_inside(memory.root, start / name) for start in folders))
    found = next((path for path in inside if memory.file_note(path) is not None), None)
    if found is None:
        _refuse_unknown_file(memory.root, name, folders)
        raise NotInMemoryError(folder / name, "there is no such file here or below the project's folder")
    return found


def _readings(target: str) -> Iterator[tuple[str, str]]:
    """Yields each way to split a target into a file and a place in it, longest file first."""
    yield target, ""
    colons = [at for at, character in enumerate(target) if character == ":" and at]
    for at in reversed(colons[:_MAX_COLONS]):
        yield target[:at], target[at + 1 :]


def _inside(root: Path, path: Path) -> str | None:
    """Returns a path from the root; None for a path outside, or one that no file can have."""
    try:
        full = path.resolve()
    except (OSError, ValueError, RuntimeError):
        return None
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else None


def _in_file(memory: Memory, file: str, within: str, limit: int, note: str) -> LookedUp:
    chunks = memory.chunks_of(file)
    if not chunks:
        raise NotInMemoryError(memory.root / file, f"has no chunks in the memory: it {note or 'has no code or text'}")
    if not within:
        return LookedUp(chunks=tuple(chunks[:limit]), callers=())
    lines = _LINES.fullmatch(within)
    if lines:
        first, last = int(lines[1]), int(lines[2] or lines[1])
        found = _at_lines(memory, file, chunks, first, last)
    else:
        found = _named(memory.root / file, chunks, within)
    found = found[:limit]
    names = dict.fromkeys(hit.name.rpartition(".")[2] for hit in found if hit.symbol_type in DEFINING)
    callers = [caller for name in names for caller in memory.callers(name, limit)]
    return LookedUp(chunks=tuple(found), callers=tuple(callers[:limit]))


def _at_lines(memory: Memory, file: str, chunks: Sequence[Hit], first: int, last: int) -> list[Hit]:
    """Returns the chunks that share a line with a range; for blank lines between chunks, the chunk before them."""
    text = memory.text(file) or ""
    count = text.count("\n") + (not text.endswith("\n"))
    if not 1 <= first <= count or last < first:
        reason = f"has no lines {first}-{last}" if last != first else f"has no line {first}"
        raise NotInMemoryError(memory.root / file, f"{reason}: its lines are 1 to {count}")
    sharing = [hit for hit in chunks if hit.line_start <= last and hit.line_end >= first]
    before = [hit for hit in chunks if hit.line_start <= first]
    return sharing or before[-1:] or list(chunks[:1])


def _named(path: Path, chunks: Sequence[Hit], name: str) -> list[Hit]:
    found = [hit for hit in chunks if hit.name == name or hit.name.endswith(f".{name}")]
    if found:
        return found
    names = list(dict.fromkeys(hit.name for hit in chunks))
    short = {each.rpartition(".")[2]: each for each in names}
    close = get_close_matches(name[:200], [*names, *short], n=1)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(names[:_NAMED])}{more}"
    raise NotInMemoryError(path, f"has nothing named {name!r}: {hint}")


def _refuse_unknown_file(root: Path, target: str, folders: Sequence[Path]) -> None:
    """Explains why a target that reads like a file cannot be shown; returns if it reads like a name."""
    readings = list(_readings(target))
    known = [each for each in readings if any(_exists(start / each[0]) for start in folders)]
    for file, within in known or readings:
        there = next((start / file for start in folders if _exists(start / file)), None)
        if there is None and not ("/" in file or (within and _LINES.fullmatch(within))):
            continue
        path = there or folders[0] / file
        if _inside(root, path) is None:
            raise ProjectError(path, f"is not in the project {root}")
        if there is None:
            raise NotInMemoryError(path, "there is no such file here or below the project's folder")
        if there.is_dir():
            raise NotInMemoryError(path, "is a folder: name one of its files")
        hint = "`aur mem index` adds new files, `aur mem stats` says what is left out and why"
        raise NotInMemoryError(path, f"is not in the memory: {hint}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
