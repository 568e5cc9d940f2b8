"""Ties of a file: the files that it uses, those that use it, and those that the same commits changed.

They are read from what each file mentions and offers now, and from the history; the graph over which activation
spreads may be a few changes older.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from aurora_core.hits import Tie
from aurora_core.index.graph import IMPORT_WEIGHT, MIN_TOGETHER, weight_of_calls
from aurora_core.index.history import read_history
from aurora_core.index.linked_files import joined_links

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from aurora_core.index.linked_files import Joined

__all__ = ["ties_of"]


def ties_of(connection: sqlite3.Connection, path: str) -> list[Tie]:
    """Returns what ties a file to others, strongest first; none for a file that is not known."""
    paths: Mapping[int, str] = dict(connection.execute("SELECT id, path FROM files"))
    own = next((number for number, each in paths.items() if each == path), None)
    if own is None:
        return []
    imported, called = joined_links(connection)
    imports, imported_by = _both_ways(imported, own)
    calls, called_by = _both_ways(called, own)
    known = frozenset(paths.values())
    together, share = _changed_with(path, read_history(connection).files)
    others = {paths[each] for each in (*imports, *imported_by, *calls, *called_by)} | (together.keys() & known)
    number = {each: key for key, each in paths.items()}
    ties = [
        _tie(
            file,
            imports=number[file] in imports,
            imported_by=number[file] in imported_by,
            calls=calls.get(number[file], 0),
            called_by=called_by.get(number[file], 0),
            together=together.get(file, 0),
            share=share.get(file, 0.0),
        )
        for file in others
    ]
    return sorted(ties, key=lambda tie: (-tie.strength, tie.file))


def _both_ways(joined: Joined, own: int) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Returns the files that a file mentions, and those that mention it, each with the number of keys."""
    source, target, times = joined
    out, back = (source == own) & (target != own), (target == own) & (source != own)
    return (
        dict(zip(target[out].tolist(), times[out].tolist(), strict=True)),
        dict(zip(source[back].tolist(), times[back].tolist(), strict=True)),
    )


def _changed_with(path: str, commits: Sequence[Sequence[str]]) -> tuple[Mapping[str, int], Mapping[str, float]]:
    """Returns the files that commits changed with a file: the number of these, and the larger of the two shares."""
    alone = Counter(file for files in commits for file in files)
    together = Counter(file for files in commits if path in files for file in files if file != path)
    often = {file: times for file, times in together.items() if times >= MIN_TOGETHER}
    return often, {file: times / min(alone[path], alone[file]) for file, times in often.items()}


def _tie(
    file: str, *, imports: bool, imported_by: bool, calls: int, called_by: int, together: int, share: float
) -> Tie:
    called = float(weight_of_calls(np.array([max(calls, called_by)], dtype=np.float32))[0])
    return Tie(
        file=file,
        imports=imports,
        imported_by=imported_by,
        calls=calls,
        called_by=called_by,
        together=together,
        strength=max(IMPORT_WEIGHT if imports or imported_by else 0.0, called, share),
    )
