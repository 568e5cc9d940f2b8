"""The lessons of a project in the user's own folder: what an agent is told does not come from a project's files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aurora_core.bounded import read_regular
from aurora_core.folder_lock import folder_locked
from aurora_core.private_files import private_folder, write_private
from aurora_soar.errors import LessonStoreBusyError, LessonStoreError
from aurora_soar.lessons.lesson import Lesson, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

__all__ = ["LessonStore"]

MOST_LESSONS_KEPT: Final = 200
_LARGEST: Final = 8_000_000
_PATIENCE_S: Final = 5.0
"""The longest wait for another process, which changes lessons in milliseconds unless it is stopped."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    lessons: tuple[Lesson, ...] = ()


class LessonStore:
    """The lessons of one project: a file that is replaced whole, by one process at a time.

    Args:
        file: made with its folder by the first change.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def of(cls, root: Path, environ: Mapping[str, str]) -> LessonStore | None:
        """Returns the store of a project; None without a home folder."""
        base = environ.get("XDG_DATA_HOME") or (f"{environ['HOME']}/.local/share" if environ.get("HOME") else "")
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
        return cls(Path(base) / "aurora" / "lessons" / f"project-{name}.json") if base else None

    def all(self) -> tuple[Lesson, ...]:
        """Returns all lessons, the oldest first.

        Raises:
            LessonStoreError: the file cannot be read, or is none of lessons.
        """
        try:
            return _Document.model_validate_json(read_regular(self.file, _LARGEST, follow=False)).lessons
        except FileNotFoundError:
            return ()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the document"
            raise LessonStoreError(self.file, f"{where}: {first['msg']}") from error
        except (OSError, ValueError) as error:
            raise LessonStoreError(self.file, str(error)) from error

    def change(self, change: Callable[[tuple[Lesson, ...]], Iterable[Lesson]]) -> None:
        """Replaces the lessons by what a function makes of them, while no other process does.

        Raises:
            LessonStoreBusyError: another process has the lock for seconds.
            LessonStoreError: the file cannot be read or written.
        """
        try:
            with folder_locked(private_folder(self.file.parent), patience_s=_PATIENCE_S):
                before = self.all()
                after = _newest(tuple(change(before)))
                if after != before:
                    write_private(self.file, _Document(lessons=after).model_dump_json().encode(errors="replace"))
        except TimeoutError as error:
            raise LessonStoreBusyError(self.file, str(error)) from error
        except OSError as error:
            raise LessonStoreError(self.file, str(error.strerror or error)) from error

    def forget(self, ids: Collection[str]) -> tuple[str, ...]:
        """Removes lessons; returns the ids of those that were there. Errors as for `change`."""
        gone: list[str] = []

        def without(lessons: Sequence[Lesson]) -> Iterable[Lesson]:
            gone.extend(each.id for each in lessons if each.id in ids)
            return (each for each in lessons if each.id not in ids)

        self.change(without)
        return tuple(gone)


def _newest(lessons: tuple[Lesson, ...]) -> tuple[Lesson, ...]:
    """Returns the lessons that are kept: dropped ones go first, then the oldest that are not promoted."""
    if len(lessons) <= MOST_LESSONS_KEPT:
        return lessons
    worth = {Standing.DROPPED: 0, Standing.NEW: 1, Standing.PROMOTED: 2}
    kept = sorted(lessons, key=lambda each: (worth[each.standing], each.learnt_at))[-MOST_LESSONS_KEPT:]
    return tuple(each for each in lessons if each in kept)
