"""The files that the last index of the whole project left out, in the database."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from aurora_core.report import LeftOutGroup
from aurora_core.store.files import REASONING_FOLDER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["EXAMPLES", "groups_of", "put_left_out", "read_left_out"]

EXAMPLES: Final = 3


def groups_of(found: Iterable[tuple[str, str]]) -> tuple[LeftOutGroup, ...]:
    """Groups (path, reason) by reason, most frequent first."""
    counts: dict[str, int] = defaultdict(int)
    examples: dict[str, list[str]] = defaultdict(list)
    for path, reason in found:
        counts[reason] += 1
        if len(examples[reason]) < EXAMPLES:
            examples[reason].append(path)
    return _sorted(counts, examples)


def _sorted(counts: Mapping[str, int], examples: Mapping[str, Sequence[str]]) -> tuple[LeftOutGroup, ...]:
    return tuple(
        LeftOutGroup(reason=reason, count=count, examples=tuple(examples[reason]))
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def put_left_out(connection: sqlite3.Connection, groups: Iterable[LeftOutGroup]) -> None:
    """Replaces the stored groups by those of a new index of the whole project."""
    connection.execute("DELETE FROM left_out")
    connection.executemany(
        "INSERT INTO left_out VALUES (?, ?, ?)",
        ((group.reason, group.count, "\0".join(group.examples)) for group in groups),
    )


def read_left_out(connection: sqlite3.Connection) -> tuple[LeftOutGroup, ...]:
    """Returns the files left out, those indexed without chunks, and those indexed as plain text, by reason."""
    counts: dict[str, int] = defaultdict(int)
    examples: dict[str, list[str]] = {}
    for reason, count, joined in connection.execute("SELECT reason, count, examples FROM left_out"):
        counts[str(reason)] = int(count)
        examples[reason] = [path for path in str(joined).split("\0") if path]
    noted = connection.execute(
        "SELECT path, note FROM files WHERE note != '' AND path NOT LIKE ? ORDER BY path", (f"{REASONING_FOLDER}%",)
    )
    for group in groups_of((str(path), str(note)) for path, note in noted):
        counts[group.reason] += group.count
        examples[group.reason] = [*examples.get(group.reason, []), *group.examples][:EXAMPLES]
    return _sorted(counts, examples)
