"""Edges between files: imports, calls, and changes in the same commits.

A file *offers* its module path and the names that it defines, and *mentions* the modules that it imports and the
names that it calls. Both are kept as numbers, so that all edges of a project are a join of arrays, as
`linked_files.py` makes it.
"""

from __future__ import annotations

import posixpath
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.index.history import read_history
from aurora_core.index.linked_files import joined_links

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from aurora_core.chunking.links import Links

__all__ = [
    "IMPORT_WEIGHT",
    "MIN_TOGETHER",
    "FileGraph",
    "PackedLinks",
    "count_changed_files",
    "packed_links",
    "put_links",
    "read_graph",
    "refresh_graph",
    "weight_of_calls",
]

MAX_EDGES: Final = 24
IMPORT_WEIGHT: Final = 0.8
# Two files that were changed together once may have been so by chance.
MIN_TOGETHER: Final = 2
# The graph is made again when so large a share of the files has changed; a few edges may be old meanwhile.
STALE_SHARE: Final = 0.01
_LONGEST_SUFFIX: Final = 5
_PACKAGE_FILES: Final = frozenset({"__init__", "index", "mod"})
_CALL: Final = "c:"
_MODULE: Final = "m:"
_WHOLE_PATH: Final = "m:="


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLinks:
    """The keys that a file mentions and offers, each an array of uint32."""

    imports: bytes
    calls: bytes
    offers: bytes


def packed_links(path: str, links: Links, defined: Iterable[str]) -> PackedLinks:
    """Returns the keys of a file.

    Args:
        defined: last components of the names that the file defines.
    """
    own = _module_of(path)
    imports = (key for name in links.imports for key in _import_keys(path, name))
    suffixes = ("/".join(own[at:]) for at in range(max(len(own) - _LONGEST_SUFFIX, 0), len(own)))
    # A single name is only offered by a file at the top: any folder may have a `json.py`.
    modules = [_MODULE + suffix for suffix in suffixes if "/" in suffix or len(own) == 1]
    return PackedLinks(
        imports=_packed(imports),
        calls=_packed(_CALL + name for name in links.calls),
        offers=_packed([_WHOLE_PATH + "/".join(own), *modules, *(_CALL + name for name in defined)]),
    )


def _packed(keys: Iterable[str]) -> bytes:
    return np.array(sorted({zlib.crc32(key.encode()) for key in keys}), dtype="<u4").tobytes()


def _module_of(path: str) -> list[str]:
    parts = path.rpartition(".")[0].split("/") if "." in path.rpartition("/")[2] else path.split("/")
    return parts[:-1] if parts[-1] in _PACKAGE_FILES and len(parts) > 1 else parts


def _import_keys(path: str, name: str) -> Iterator[str]:
    """Yields the keys under which an imported module may be offered."""
    folder = posixpath.dirname(path)
    if name.startswith(("./", "../")):
        yield _whole(posixpath.join(folder, _without_suffix(name)))
    elif name.startswith("."):
        climbs = len(name) - len(name.lstrip("."))
        rest = name.lstrip(".").replace(".", "/")
        yield _whole(posixpath.join(folder, *[".."] * (climbs - 1), rest))
    elif "/" in name or name.endswith((".h", ".hpp", ".hh", ".hxx")):
        yield _MODULE + _without_suffix(name)
        yield _whole(posixpath.join(folder, _without_suffix(name)))
    elif "::" in name:
        parts = [part for part in name.split("::") if part not in ("crate", "self", "super")]
        yield _MODULE + "/".join(parts)
        yield _MODULE + "/".join(parts[:-1])
    else:
        yield _MODULE + name.replace("\\", "/").replace(".", "/")
        yield _whole(posixpath.join(folder, name))


def _whole(path: str) -> str:
    return _WHOLE_PATH + posixpath.normpath(path)


def _without_suffix(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return head if dot and "/" not in tail and head.strip("./") else name


def put_links(connection: sqlite3.Connection, file_id: int, links: PackedLinks) -> None:
    """Stores a file's keys, inside the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)", (file_id, links.imports, links.calls, links.offers)
    )


def count_changed_files(connection: sqlite3.Connection, files: int) -> None:
    """Adds to the number of files changed since the graph was built."""
    connection.execute(
        """INSERT INTO meta VALUES ('graph_changes', ?)
           ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + excluded.value""",
        (str(files),),
    )


def refresh_graph(connection: sqlite3.Connection) -> bool:
    """Builds the graph again if enough has changed, inside the caller's transaction; returns True if it did."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'graph_changes'").fetchone()
    changes = int(row[0]) if row else 0
    total = connection.execute("SELECT count(*) FROM links").fetchone()[0]
    if changes == 0 or changes < STALE_SHARE * total:
        return False
    edges = _edges(connection)
    connection.execute("INSERT OR REPLACE INTO graph VALUES (1, ?, ?, ?)", tuple(a.tobytes() for a in edges))
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('graph_changes', '0')")
    return True


def _edges(connection: sqlite3.Connection) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Returns all edges as (source, target, weight), by source, each source's strongest first."""
    (source_i, target_i, _), (source_c, target_c, names) = joined_links(connection)
    source_h, target_h, share = _changed_together(connection)
    source = np.concatenate([source_i, source_c, source_h])
    target = np.concatenate([target_i, target_c, target_h])
    called = weight_of_calls(names.astype(np.float32))
    weight = np.concatenate([np.full(len(source_i), IMPORT_WEIGHT, dtype=np.float32), called, share])
    order = np.lexsort((-weight, source))
    source, target, weight = source[order], target[order], weight[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    keep = (rank < MAX_EDGES) & (source != target)
    return source[keep], target[keep], weight[keep]


def weight_of_calls(names: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the weights of edges by the numbers of names that are called: each further one halves the way to 1."""
    return 1 - np.exp2(-names)


def _changed_together(
    connection: sqlite3.Connection,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Returns files that commits changed together, with the share of the first's commits that changed both."""
    ids: Mapping[str, int] = dict(connection.execute("SELECT path, id FROM files"))
    alone: Counter[int] = Counter()
    together: Counter[tuple[int, int]] = Counter()
    for names in read_history(connection).files:
        known = [ids[name] for name in names if name in ids]
        alone.update(known)
        together.update(permutations(known, 2))
    pairs = [(a, b, times / alone[a]) for (a, b), times in together.items() if times >= MIN_TOGETHER]
    columns = tuple(zip(*pairs, strict=True)) or ((), (), ())
    return (
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float32),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGraph:
    """The edges, ordered by their source; parallel arrays.

    Attributes:
        known: what `spread` found from a file, a factor and a number of hops; a file is in focus for an hour.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    known: dict[tuple[int, float, int], Mapping[int, float]] = field(default_factory=dict, compare=False, repr=False)

    def spread(self, focus: Iterable[int], *, factor: float, hops: int) -> dict[int, float]:
        """Returns by file how strongly the files in focus reach it over a number of edges: their mean.

        A path counts the product of its edges' weights times factor^hops, and a file is reached by its best path: the
        many paths that lead to a hub are no sign that it matters now.
        """
        total: dict[int, float] = {}
        files = list(focus)
        for file in files:
            if (file, factor, hops) not in self.known:
                self.known[file, factor, hops] = self._reached(file, factor, hops)
            for reached, strength in self.known[file, factor, hops].items():
                total[reached] = total.get(reached, 0.0) + strength / len(files)
        return total

    def _reached(self, start: int, factor: float, hops: int) -> dict[int, float]:
        best: dict[int, float] = {}
        frontier = {start: 1.0}
        for _ in range(hops):
            found: dict[int, float] = {}
            for file, strength in frontier.items():
                first, last = np.searchsorted(self.sources, [file, file + 1])
                edges = zip(self.targets[first:last].tolist(), self.weights[first:last].tolist(), strict=True)
                for target, weight in edges:
                    through = strength * weight * factor
                    if target != start and through > max(best.get(target, 0.0), found.get(target, 0.0)):
                        found[target] = through
            best |= found
            frontier = dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MAX_EDGES])
        return best


def read_graph(connection: sqlite3.Connection) -> FileGraph:
    """Returns the graph as it was last built."""
    row = connection.execute("SELECT sources, targets, weights FROM graph").fetchone() or (b"", b"", b"")
    return FileGraph(
        sources=np.frombuffer(row[0], dtype="<i8"),
        targets=np.frombuffer(row[1], dtype="<i8"),
        weights=np.frombuffer(row[2], dtype="<f4"),
    )
