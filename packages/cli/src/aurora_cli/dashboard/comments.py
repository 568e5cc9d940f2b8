"""Comments of the user on lines of a change: the fields of a form, as `aur review` reads them from its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.comment_file import MARK, CommentFileError, comment_file, read_comments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.control.comment_file import LineComment

__all__ = ["comments_in"]

_FIELD: Final = re.compile(r"line-(\d{1,6})")


def comments_in(given: Mapping[str, str], diff: str, *, run_id: str, task_id: str) -> list[LineComment]:
    """Returns the comments of a form.

    Args:
        given: the fields; `line-3` is the comment on the third line of the change, `line-0` that on all of it.
        diff: the change.

    Raises:
        CommentFileError: a field names a line that the change does not have.
    """
    original = comment_file(diff, run_id=run_id, task_id=task_id)
    lines = original.split("\n")
    count = len(diff.split("\n"))
    before = len(lines) - count
    found = {int(at[1]): text for name, text in given.items() if (at := _FIELD.fullmatch(name)) and text.strip()}
    for number in sorted(found, reverse=True):
        if number > count:
            raise CommentFileError(f"the change has no line {number}")
        marked = [f"{MARK} {line}" for line in found[number].splitlines()]
        lines[before + number : before + number] = marked
    return read_comments("\n".join(lines), original)
