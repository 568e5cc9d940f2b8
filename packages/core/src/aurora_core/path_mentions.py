"""Finds the files that a query names: by path, by file name, or by the scope of a commit's title."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["PathNames"]

# Each run of letters is begun once only: a query may be a whole prompt.
_PATH_LIKE: Final = re.compile(r"(?<![\w.-])[\w.-]++(?:/[\w.-]++)+|(?<![\w-])[\w-]++\.\w{1,5}\b")
# `fix(parser): …`, `parser: …`, `ignore/types: …`
_SCOPE: Final = re.compile(r"\s*(?:\w{1,20}\(([\w./ ,-]{1,80})\)!?|([\w./-]{1,80})):\s")
_TYPES: Final = frozenset(
    "build chore ci doc docs feat feature fix perf refactor release revert style test tests wip".split()  # noqa: SIM905
)
# A file of one letter is no word of a query, unless it is called: `f()`.
_LETTER: Final = re.compile(r"(?<!\w)[A-Za-z](?=\(\))")
# A scope that more files have says little about each.
MAX_SCOPED: Final = 60
SCOPE_WEIGHT: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The files by the parts of their paths.

    Attributes:
        named: positions of the files, by last component.
        parts: positions of the files, by folder or stem in lower case.
    """

    named: Mapping[str, Sequence[int]]
    parts: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, paths: Sequence[str]) -> Self:
        named: dict[str, list[int]] = defaultdict(list)
        parts: dict[str, list[int]] = defaultdict(list)
        for at, path in enumerate(paths):
            *folders, name = path.split("/")
            named[name].append(at)
            for part in {*map(str.lower, folders), name.partition(".")[0].lower()}:
                parts[part].append(at)
        return cls(named=dict(named), parts=dict(parts))


class PathNames:
    """The files of a memory by the parts of their paths, which are taken apart for the first query that names one.

    Args:
        paths: paths of the files, by position.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._names: _Names | None = None

    def mentioned(self, query: str) -> NDArray[np.float32]:
        """Returns half for each time that the query names the file, at most 1; a title's scope names it fully."""
        total = np.zeros(len(self._paths), dtype=np.float32)
        mentions = _PATH_LIKE.findall(query)
        letters = set(_LETTER.findall(query))
        scopes = list(_scopes(query))
        if not (mentions or letters or scopes):
            return total
        names = self._names = self._names or _Names.of(self._paths)
        for mention in mentions:
            for at in names.named.get(mention[mention.rfind("/") + 1 :], ()):
                path = self._paths[at]
                total[at] += 0.5 * (path == mention or path.endswith(f"/{mention}") or mention.endswith(f"/{path}"))
        for letter in letters:
            for at in names.parts.get(letter.lower(), ()):
                total[at] += 0.5 * (self._paths[at].rpartition("/")[2].partition(".")[0] == letter)
        for scope in scopes:
            found = names.parts.get(scope, ())
            if len(found) <= MAX_SCOPED:
                total[list(found)] += np.float32(SCOPE_WEIGHT)
        return np.minimum(total, np.float32(1))


def _scopes(query: str) -> Iterator[str]:
    """Yields the folders or files that a commit's title begins with, in lower case."""
    match = _SCOPE.match(query)
    if match is None:
        return
    for part in re.split(r"[/, ]+", (match[1] or match[2]).lower()):
        if part and part not in _TYPES:
            yield part.partition(".")[0]
