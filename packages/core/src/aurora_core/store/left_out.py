"""The files that the last index of the whole project left out, in the database."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_core.report import LeftOutGroup
from aurora_core.store.files import REASONING_FOLDER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

__all__ = ["EXAMPLES", "groups_of", "put_left_out", "read_left_out"]

EXAMPLES: Final = 3
# Of the suffixes of one group, so many are kept.
MAX_KINDS: Final = 12


@dataclass(slots=True)
class _Group:
    """A group that is still growing."""

    count: int = 0
    examples: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, path: str) -> None:
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(path)
        if not path.endswith("/"):
            self.kinds[_kind(path)] += 1


def _kind(path: str) -> str:
    """Returns a file's suffix in lower case; its name if it has none."""
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else name


def groups_of(found: Iterable[tuple[str, str]]) -> tuple[LeftOutGroup, ...]:
    """Groups (path, reason) by reason, most frequent first."""
    groups: dict[str, _Group] = defaultdict(_Group)
    for path, reason in found:
        groups[reason].add(path)
    return _sorted(groups)


def _sorted(groups: Mapping[str, _Group]) -> tuple[LeftOutGroup, ...]:
    return tuple(
        LeftOutGroup(
            reason=reason,
            count=group.count,
            examples=tuple(group.examples),
            kinds=tuple(sorted(group.kinds.items(), key=lambda kind: (-kind[1], kind[0]))[:MAX_KINDS]),
        )
        for reason, group in sorted(groups.items(), key=lambda item: (-item[1].count, item[0]))
    )


def put_left_out(connection: sqlite3.Connection, groups: Iterable[LeftOutGroup]) -> None:
    """Replaces the stored groups by those of a new index of the whole project."""
    connection.execute("DELETE FROM left_out")
    connection.executemany(
        "INSERT INTO left_out VALUES (?, ?, ?, ?)",
        ((group.reason, group.count, "\0".join(group.examples), json.dumps(dict(group.kinds))) for group in groups),
    )


def read_left_out(connection: sqlite3.Connection) -> tuple[LeftOutGroup, ...]:
    """Returns the files left out, those indexed without chunks, and those indexed as plain text, by reason."""
    groups: dict[str, _Group] = defaultdict(_Group)
    for reason, count, joined, kinds in connection.execute("SELECT reason, count, examples, kinds FROM left_out"):
        group = groups[str(reason)]
        group.count = int(count)
        group.examples = [path for path in str(joined).split("\0") if path]
        group.kinds = Counter(_read_kinds(kinds))
    noted = connection.execute(
        "SELECT path, note FROM files WHERE note != '' AND path NOT LIKE ? ORDER BY path", (f"{REASONING_FOLDER}%",)
    )
    for path, note in noted:
        groups[str(note)].add(str(path))
    return _sorted(groups)


def _read_kinds(stored: object) -> dict[str, int]:
    """Returns the stored counts; none if they are damaged."""
    try:
        read = json.loads(str(stored))
    except ValueError:
        return {}
    return (
        {str(kind): int(count) for kind, count in read.items() if isinstance(count, int)}
        if isinstance(read, dict)
        else {}
    )
