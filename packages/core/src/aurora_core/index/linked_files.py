"""Pairs of files of which one mentions what the other offers: a module that it imports, a name that it calls.

What more than a few files offer says nothing about any of them and joins none. A call joins files whose languages are
of one family, and the file that the caller imports before others that define the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.language_families import family_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Joined", "joined_links"]

Joined = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]
"""Pairs of files, and for each the number of keys: source, target, number."""
MAX_OFFERING: Final = 3


def joined_links(connection: sqlite3.Connection) -> tuple[Joined, Joined]:
    """Returns the pairs of files of which one imports the other, and those of which one calls names of the other."""
    rows = connection.execute(
        """SELECT links.file_id, files.path, links.imports, links.calls, links.offers
           FROM links JOIN files ON files.id = links.file_id ORDER BY links.file_id"""
    ).fetchall()
    imports = _Offers([(file, offers) for file, _, _, _, offers in rows]).pairs([(row[0], row[2]) for row in rows])
    return _counted(imports), _called(rows, imports)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Pairs of files of which one mentions a key that the other offers; parallel arrays.

    Attributes:
        mentions: the number of the mention; a key that several files offer gives one several pairs.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    mentions: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(sources=self.sources[chosen], targets=self.targets[chosen], mentions=self.mentions[chosen])


class _Offers:
    """The files that offer each key."""

    def __init__(self, rows: Sequence[tuple[int, bytes]]) -> None:
        files, keys = _flat(rows)
        order = np.argsort(keys, kind="stable")
        self._keys, self._files = keys[order], files[order]

    def pairs(self, rows: Sequence[tuple[int, bytes]]) -> _Pairs:
        """Returns the pairs of files that mention and offer the same key, if few offer it."""
        sources, keys = _flat(rows)
        first = np.searchsorted(self._keys, keys, side="left")
        count = np.searchsorted(self._keys, keys, side="right") - first
        telling = (count > 0) & (count <= MAX_OFFERING)
        first, count, sources = first[telling], count[telling], sources[telling]
        step = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        return _Pairs(
            sources=np.repeat(sources, count),
            targets=self._files[np.repeat(first, count) + step],
            mentions=np.repeat(np.arange(len(sources)), count),
        )


def _called(rows: Sequence[tuple[int, str, bytes, bytes, bytes]], imports: _Pairs) -> Joined:
    """Returns the pairs of files of which one calls what the other defines in a language of the same family.

    A file of no known family may be on either side. That few files define a name is asked of each family alone.
    """
    families = {row[0]: family_of(row[1]) for row in rows}
    calling: dict[str, list[tuple[int, bytes]]] = {"": []}
    for file, _, _, calls, _ in rows:
        if calls:
            calling.setdefault(families[file], []).append((file, calls))
    found: list[Joined] = []
    for family, callers in calling.items():
        offers = [(row[0], row[4]) for row in rows if callers and (not family or families[row[0]] in (family, ""))]
        found.append(_counted(_imported_first(_Offers(offers).pairs(callers), imports)))
    sources, targets, times = (np.concatenate([joined[column] for joined in found]) for column in range(3))
    return sources, targets, times


def _imported_first(calls: _Pairs, imports: _Pairs) -> _Pairs:
    """Returns the pairs without those of a name that another file offers which the source imports."""
    if not calls.mentions.size:
        return calls
    base = max(each.max(initial=0) for each in (calls.targets, imports.targets)) + 1
    imported = np.isin(calls.sources * base + calls.targets, imports.sources * base + imports.targets)
    known = np.bincount(calls.mentions, weights=imported) > 0
    return calls.only(imported | ~known[calls.mentions])


def _counted(pairs: _Pairs) -> Joined:
    """Returns each pair of files once, with its number of keys."""
    both = np.stack([pairs.sources, pairs.targets])
    if not both.size:
        return both[0], both[1], np.zeros(0, dtype=np.int64)
    unique, times = np.unique(both, axis=1, return_counts=True)
    return unique[0], unique[1], times


def _flat(rows: Sequence[tuple[int, bytes]]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    counts = np.array([len(blob) // 4 for _, blob in rows], dtype=np.int64)
    files = np.repeat(np.array([file for file, _ in rows], dtype=np.int64), counts)
    return files, np.frombuffer(b"".join(blob for _, blob in rows), dtype="<u4")
