"""Past commits as neighbours: a query similar to an old commit's message points at the files it changed.

Without git, a repository or a commit there is no history, and nothing else changes.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.index.bm25 import idf, saturated
from aurora_core.store.database import bump_generation
from aurora_core.store.files import unpacked
from aurora_core.tokens import terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from aurora_core.index.commits import Commit, NewHistory

__all__ = ["CommitIndex", "neighbours", "put_history", "read_history"]

# A commit that touches more files than this says nothing about any of them.
MAX_FILES: Final = 12
NEIGHBOURS: Final = 30
MAX_NAMES_BYTES: Final = 64_000_000
HALF_LIFE_S: Final = 90 * 86_400.0
# Of what an old commit says about a file, half is outdated after so long.
NEIGHBOUR_HALF_LIFE_S: Final = 8 * 365.25 * 86_400.0
_TITLE_WEIGHT: Final = 2
_LENGTH_B: Final = 0.5


def put_history(connection: sqlite3.Connection, history: NewHistory) -> None:
    """Replaces the stored history, inside the caller's transaction."""
    _write(connection, history.commits)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('history_head', ?)", (history.head,))
    bump_generation(connection)


def _write(connection: sqlite3.Connection, commits: Sequence[Commit]) -> None:
    """Replaces the history: one blob of postings for each term of the messages, and the last change of each file."""
    connection.execute("DELETE FROM history_postings")
    connection.execute("DELETE FROM history_files")
    connection.execute("DELETE FROM history_changes")
    telling = [commit for commit in commits if 1 <= len(commit.files) <= MAX_FILES]
    gathered: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    lengths = []
    for place, commit in enumerate(telling):
        frequencies = _frequencies(commit.message)
        lengths.append(frequencies.total())
        for term, count in frequencies.items():
            gathered[term][0].append(place)
            gathered[term][1].append(min(count, 255))
    connection.executemany(
        "INSERT INTO history_postings VALUES (?, ?)",
        ((term, _packed(places, counts)) for term, (places, counts) in gathered.items()),
    )
    files = "\x01".join("\0".join(commit.files) for commit in telling)
    connection.execute(
        "INSERT INTO history_files VALUES (1, ?, ?, ?)",
        (
            np.array(lengths, dtype="<i4").tobytes(),
            zlib.compress(files.encode()),
            np.array([commit.at for commit in telling], dtype="<i8").tobytes(),
        ),
    )
    changed: dict[str, int] = {}
    times: Counter[str] = Counter()
    for commit in commits:
        times.update(set(commit.files))
        for file in commit.files:
            changed[file] = max(changed.get(file, 0), commit.at)
    connection.executemany(
        "INSERT INTO history_changes (path, at, commits) VALUES (?, ?, ?)",
        ((path, at, times[path]) for path, at in changed.items()),
    )


def _frequencies(message: str) -> Counter[str]:
    title, _, body = message.partition("\n")
    counts = Counter(terms(body))
    for term in terms(title):
        counts[term] += _TITLE_WEIGHT
    return counts


def _packed(places: Sequence[int], counts: Sequence[int]) -> bytes:
    return np.array(places, dtype="<i4").tobytes() + np.array(counts, dtype=np.uint8).tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitIndex:
    """The history without its postings.

    Attributes:
        lengths: (n,) float32, number of terms in each informative commit's message.
        files: the files that each of them changed.
        times: (n,) int64, time of each of them, Unix seconds; 0 if it is unknown.
        changed: time of each file's last change, Unix seconds.
        newest: time of the newest change.
    """

    lengths: NDArray[np.float32]
    files: Sequence[Sequence[str]]
    times: NDArray[np.int64]
    changed: Mapping[str, int]
    newest: int

    def recency(self, path: str) -> float:
        """Returns 1 for a file of the newest commit, halved for every 90 days before it, 0 without a commit.

        It counts from the newest commit and not from today, so that an inactive project keeps its order.
        """
        at = self.changed.get(path)
        return 0.0 if at is None else 0.5 ** ((self.newest - at) / HALF_LIFE_S)

    def standing(self, place: int) -> float:
        """Returns the weight of a commit by its age: 1 for the newest."""
        at = int(self.times[place]) if place < len(self.times) else 0
        return 1.0 if at == 0 else 0.5 ** (max(self.newest - at, 0) / NEIGHBOUR_HALF_LIFE_S)


def read_history(connection: sqlite3.Connection) -> CommitIndex:
    """Returns the stored history."""
    row = connection.execute("SELECT lengths, files, times FROM history_files").fetchone() or (b"", b"", b"")
    files = unpacked(row[1], MAX_NAMES_BYTES).decode().split("\x01") if row[0] else []
    changed = dict(connection.execute("SELECT path, at FROM history_changes"))
    return CommitIndex(
        lengths=np.frombuffer(row[0], dtype="<i4").astype(np.float32),
        times=np.frombuffer(row[2], dtype="<i8"),
        files=tuple(names.split("\0") for names in files),
        changed=changed,
        newest=max(changed.values(), default=0),
    )


def neighbours(
    connection: sqlite3.Connection, weights: Mapping[str, float], commits: CommitIndex
) -> Mapping[str, float]:
    """Returns for each file the sum of w · s² / √(files in the commit) over the commits most similar to a query.

    s is the commit's BM25 score as a share of the best commit's, w is halved for every eight years before the newest
    commit; only the nearest commits count.

    Args:
        weights: of the query's terms.
    """
    total = np.zeros(len(commits.lengths), dtype=np.float32)
    mean = float(commits.lengths.mean()) if len(total) else 1.0
    postings = _postings(connection, weights) if len(total) else {}
    for term, weight in weights.items():
        entries = postings.get(term)
        if entries is None:
            continue
        count = len(entries) // 5
        places = np.frombuffer(entries, dtype="<i4", count=count)
        frequencies = np.frombuffer(entries, dtype=np.uint8, offset=4 * count).astype(np.float32)
        gain = saturated(frequencies, commits.lengths[places], mean, _LENGTH_B)
        total[places] += np.float32(weight * idf(len(total), count)) * gain
    nearest = _largest(total, NEIGHBOURS)
    scores: dict[str, float] = defaultdict(float)
    for place in nearest:
        share = float(total[place] / total[nearest[0]])
        weight = commits.standing(int(place)) * share**2 / len(commits.files[place]) ** 0.5
        for name in commits.files[place]:
            scores[name] += weight
    return scores


def _postings(connection: sqlite3.Connection, terms: Collection[str]) -> Mapping[str, bytes]:
    """Returns the entries of the terms that some message has."""
    rows = connection.execute(
        "SELECT term, entries FROM history_postings WHERE term IN (SELECT value FROM json_each(?))",
        (json.dumps(list(terms)),),
    )
    return dict(rows.fetchall())


def _largest(total: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Returns the places of the largest values above 0, largest first, ties in order."""
    places = np.flatnonzero(total > 0)
    if len(places) > count:
        least = np.partition(total[places], -count)[-count]
        places = places[total[places] >= least]
    return places[np.argsort(-total[places], kind="stable")][:count]
