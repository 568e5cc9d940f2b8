"""The instructions for agents in `AGENTS.md` and `CLAUDE.md`: lines between two marks, ours to change and remove."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from aurora_cli.errors import InstructionsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "ChangedFile",
    "has_instructions",
    "instruction_files",
    "remove_instructions",
    "write_instructions",
]

_BEGIN: Final = "<!-- aurora: begin (aur init --undo removes these lines) -->"
_END: Final = "<!-- aurora: end -->"
_MAX_BYTES: Final = 1_000_000
_INSTRUCTIONS: Final = """\
## Aurora

`aur` knows the code of this project; `.aurora/project.md` describes it.

- `aur mem search "WORDS"` finds code by words; `aur mem show NAME` shows a definition and its callers.
- `aur soar "QUESTION" --tool local` answers from the code, with file and line; it costs nothing.
- If the variable AURORA_RUN_ID is set, you work on a task of a run: stay in your folder, do not push, and ask with
  `aur ask "QUESTION"` if a decision is not yours.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file with instructions; `change` says what happened to it."""

    path: Path
    change: Literal["created", "changed", "kept", "removed"]


def instruction_files(root: Path) -> tuple[Path, ...]:
    """Returns the files that agents of this project read: `CLAUDE.md` too if it is there, and is not the same file.

    Raises:
        InstructionsError: One is a link out of the project.
    """
    agents, claude = root / "AGENTS.md", root / "CLAUDE.md"
    for path in (agents, claude):
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            raise InstructionsError(path, "is a link out of the project")
    if not claude.exists() or (agents.exists() and agents.samefile(claude)):
        return (agents,)
    return (agents, claude)


def has_instructions(root: Path) -> bool:
    """Returns True if a file has our lines, whatever else is in it and wherever it is.

    Raises:
        OSError: A file cannot be read.
    """
    found = (path for path in (root / "AGENTS.md", root / "CLAUDE.md") if path.is_file())
    return any(path.stat().st_size <= _MAX_BYTES and _BEGIN.encode() in path.read_bytes() for path in found)


def write_instructions(root: Path) -> Iterator[ChangedFile]:
    """Writes the lines into each file, in place of earlier ones; everything else in it stays.

    Raises:
        InstructionsError: A file is not plain text, is a link out of the project, or has one mark without the other.
        OSError: A file cannot be read or written.
    """
    for path in instruction_files(root):
        old = _read(path)
        new = (_around(path, old or "") or _appended(old)).with_instructions()
        if new == old:
            yield ChangedFile(path=path, change="kept")
        else:
            _write(path, new)
            yield ChangedFile(path=path, change="created" if old is None else "changed")


def remove_instructions(root: Path) -> Iterator[ChangedFile]:
    """Removes the lines from each file that has them; a file with nothing else in it is deleted.

    Raises:
        InstructionsError: As in `write_instructions`.
        OSError: A file cannot be read or written.
    """
    for path in instruction_files(root) if has_instructions(root) else ():
        old = _read(path)
        if old is None or _BEGIN not in old:
            continue
        around = _around(path, old)
        rest = None if around is None else around.without_instructions()
        if rest is None:
            path.unlink()
            yield ChangedFile(path=path, change="removed")
        else:
            _write(path, rest)
            yield ChangedFile(path=path, change="changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """The text around our lines; a file without a newline at its end has none after them either, to be put back."""

    before: str
    newline: str
    """That of our lines."""
    ended: bool
    """A newline follows our last line."""
    after: str = ""

    def with_instructions(self) -> str:
        lines = f"{_BEGIN}\n{_INSTRUCTIONS}{_END}" + ("\n" if self.ended else "")
        return self.before + lines.replace("\n", self.newline) + self.after

    def without_instructions(self) -> str | None:
        """Returns what was there before; None if there was no file."""
        if self.ended and not self.before and not self.after:
            return None
        shorter = self.before.removesuffix(self.newline)
        if not shorter.endswith("\n"):  # the empty line above ours was deleted
            return self.before + self.after
        return (shorter if self.ended else shorter.removesuffix(self.newline)) + self.after


def _appended(old: str | None) -> _Around:
    """Returns what is to be around new lines: all of the text, and an empty line."""
    newline = "\r\n" if old and old.count("\r\n") * 2 > old.count("\n") else "\n"
    ended = old is None or old.endswith("\n")
    before = f"{old}{'' if ended else newline}{newline}" if old else ""
    return _Around(before=before, newline=newline, ended=ended)


def _around(path: Path, text: str) -> _Around | None:
    """Returns what stands around our lines; None if there are none yet."""
    if (text.count(_BEGIN), text.count(_END)) == (0, 0):
        return None
    before, begun, rest = text.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not begun or not ended or _BEGIN in after or _END in after:
        raise InstructionsError(path, f"needs the lines {_BEGIN!r} and {_END!r} once each, in this order")
    newline = "\r\n" if rest.startswith("\r\n") else "\n"
    left = after.removeprefix(newline)
    return _Around(before=before, newline=newline, ended=left != after, after=left)


def _read(path: Path) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
        raise InstructionsError(path, "is no regular file of at most 1 MB")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InstructionsError(path, f"is not UTF-8: {error.reason} at byte {error.start}") from error


def _write(path: Path, text: str) -> None:
    """Replaces the file in one step, with its mode; a link stays a link."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        draft.write_bytes(text.encode())
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
