"""The file in which a user writes comments on the lines of a change: a patch, with comments between its lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARK: Final = ">"
"""The first character of a comment; no line of a patch begins with it."""
_EXPLANATION: Final = """\
# Task {task} of run {run}: write your comments below the lines that they are about.
# A comment is a line of its own that begins with "{mark}", as in:
#
#   +    return total / count
#   > What if count is 0?
#
# Several such lines in a row are one comment. Below "@@" or "diff" a comment is about the file; below this
# text it is about the work as a whole. Leave all other lines as they are. Without comments nothing happens.

"""
_PREFIXED: Final = ("--- ", "+++ ")
"""Lines that name a file after `a/` or `b/`."""
_NAMING: Final = (*_PREFIXED, "rename to ", "copy to ")
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE: Final = re.compile(r'\\([abtnvfr"\\]|[0-7]{3})')
_ESCAPES: Final = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}


class CommentFileError(ValueError):
    """The file is no longer the patch with comments; the message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineComment:
    """A comment of a user, and the place that it is about."""

    comment: str
    file: str | None = None
    """The file, relative to the top of the repository; None for the work as a whole."""
    line: int | None = None
    """The line, from 1; None for the file as a whole."""
    text: str = ""
    """The text of that line."""
    removed: bool = False
    """True if the line is one that the work has removed; its number is that before the work."""

    def __str__(self) -> str:
        if self.file is None:
            return self.comment
        if self.line is None:
            return f"{self.file}:\n{self.comment}"
        gone = " (a line that you have removed)" if self.removed else ""
        return f"{self.file}:{self.line}{gone}:\n    {self.text.strip()}\n{self.comment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    file: str | None = None
    line: int | None = None
    text: str = ""
    removed: bool = False


def comment_file(diff: str, *, run_id: str, task_id: str) -> str:
    """Returns the text of the file for a change."""
    return _EXPLANATION.format(task=" ".join(task_id.split()), run=run_id, mark=MARK) + diff


def read_comments(text: str, original: str) -> list[LineComment]:
    """Returns the comments in an edited file, in their order.

    Blanks at the ends of lines, and blank lines at the end of the file, do not count: editors remove and add them.

    Args:
        original: The text that `comment_file` has returned.

    Raises:
        CommentFileError: Another line than a comment was added, changed or removed.
    """
    expected = original.rstrip().split("\n")
    places = list(_places(expected))
    found: list[LineComment] = []
    at, block = 0, list[str]()
    for number, line in enumerate((*text.rstrip().split("\n"), None), start=1):
        if line is not None and line.startswith(MARK):
            block.append(line[len(MARK) :].removeprefix(" ").rstrip())
            continue
        comment, block = "\n".join(block).strip(), []
        if comment:
            found.append(_comment(comment, places[at - 1] if at else _Place()))
        wanted = expected[at].rstrip() if at < len(expected) else None
        if (None if line is None else line.rstrip()) != wanted:
            raise CommentFileError(_complaint(number, line, wanted))
        at += 1
    return found


def _comment(comment: str, place: _Place) -> LineComment:
    return LineComment(comment=comment, file=place.file, line=place.line, text=place.text, removed=place.removed)


def _complaint(number: int, line: str | None, wanted: str | None) -> str:
    shown = ["the end of the file" if each is None else repr(each[:100]) for each in (line, wanted)]
    return f'line {number} is {shown[0]}, in place of {shown[1]}; a comment begins with "{MARK}"'


def _places(lines: Sequence[str]) -> Iterator[_Place]:
    """Yields for each line of the file what a comment below it is about."""
    file: str | None = None
    old = new = old_left = new_left = 0
    for line in lines:
        if old_left > 0 or new_left > 0:
            kind, text = line[:1], line[1:].rstrip("\r")
            removed = kind == "-"
            if kind == "\\":  # "No newline at end of file"
                yield _Place(file=file)
                continue
            yield _Place(file=file, line=old if removed else new, text=text, removed=removed)
            old, old_left = (old, old_left) if kind == "+" else (old + 1, old_left - 1)
            new, new_left = (new, new_left) if removed else (new + 1, new_left - 1)
            continue
        if line.startswith("diff --git "):
            file = None
        file = _named(line) or file
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[3])
            old_left, new_left = int(hunk[2] or 1), int(hunk[4] or 1)
        yield _Place(file=file or _of_header(line))


def _named(line: str) -> str | None:
    """Returns the file that a line of a patch's head names; None if it names none."""
    start = next((each for each in _NAMING if line.startswith(each)), None)
    name = "" if start is None else line[len(start) :].removesuffix("\t")
    if start is None or name == "/dev/null":
        return None
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _unquoted(name[1:-1])
    return name[2:] if start in _PREFIXED else name


def _of_header(line: str) -> str | None:
    """Returns the file of `diff --git a/x b/x`, whose two names are the same unless it was renamed."""
    if not line.startswith("diff --git a/"):
        return None
    names = line.removeprefix("diff --git ")
    half = len(names) // 2
    first, second = names[:half], names[half + 1 :]
    return first[2:] if first[2:] == second[2:] else None


def _unquoted(name: str) -> str:
    """Returns a name that git has put between quotes."""
    raw = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1]) or _byte(found[1]), name)
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _byte(escaped: str) -> str:
    """Returns what an escape of git stands for; a byte beyond ASCII as a surrogate, which `_unquoted` decodes."""
    if not escaped.isdigit():
        return escaped
    return bytes([int(escaped, 8)]).decode("ascii", "surrogateescape")
