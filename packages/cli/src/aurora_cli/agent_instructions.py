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
    """Returns True if a file has our lines; errors as in `write_instructions`."""
    return any(_BEGIN in (_read(path) or "") for path in instruction_files(root))


def write_instructions(root: Path) -> Iterator[ChangedFile]:
    """Writes the lines into each file, in place of earlier ones; everything else in it stays.

    Raises:
        InstructionsError: A file is not plain text, is a link out of the project, or has one mark without the other.
        OSError: A file cannot be read or written.
    """
    for path in instruction_files(root):
        old = _read(path)
        before, after = _around(path, old or "")
        gap = "\n" if before and not before.endswith("\n\n") else ""
        new = f"{before}{gap}{_BEGIN}\n{_INSTRUCTIONS}{_END}\n{after}"
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
    for path in instruction_files(root):
        old = _read(path)
        if old is None or _BEGIN not in old:
            continue
        before, after = _around(path, old)
        if (before + after).strip():
            _write(path, before.removesuffix("\n") + after if before.endswith("\n\n") else before + after)
            yield ChangedFile(path=path, change="changed")
        else:
            path.unlink()
            yield ChangedFile(path=path, change="removed")


def _around(path: Path, text: str) -> tuple[str, str]:
    """Returns what stands before and after our lines; all of it is before them if there are none yet."""
    if (text.count(_BEGIN), text.count(_END)) == (0, 0):
        return text if not text or text.endswith("\n") else f"{text}\n", ""
    before, begun, rest = text.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not begun or not ended or _BEGIN in after or _END in after:
        raise InstructionsError(path, f"needs the lines {_BEGIN!r} and {_END!r} once each, in this order")
    return before, after.removeprefix("\n")


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
