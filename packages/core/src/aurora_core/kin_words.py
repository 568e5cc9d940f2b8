"""Words that say nearly the same in a name: a word and its short forms, and verbs for the same act.

A comment says "Returns the directory", the function is called `get_dir`. Such words are too common to be searched
for, but telling in a name of few words.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.index.abbreviations import RELATED
from aurora_core.tokens import stem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["KIN", "likeness"]

KIN: Final = 0.8
"""The likeness of such words; that of a word with itself is 1."""
# So short is a short form that a word begins with: `arg`, `str`.
_SHORT_FORM: Final = 3
_SAME_ACT: Final = """
return get fetch retrieve obtain read find
check is has can should validate ensure verify test determine
set update change assign
create make new build construct generate init
add append insert push register
delete remove clear drop unset
convert to from as transform parse
start run begin launch execute
stop end close finish
allow enable
print show display render write
"""


def _verbs() -> Mapping[str, frozenset[str]]:
    verbs: dict[str, frozenset[str]] = defaultdict(frozenset)
    for line in _SAME_ACT.strip().split("\n"):
        group = frozenset(map(stem, line.split()))
        for verb in group:
            verbs[verb] |= group - {verb}
    return dict(verbs)


# Stem → stems of verbs for the same act.
_VERBS: Final = _verbs()


def likeness(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
    """Returns (n, m): 1 for words of one stem, `KIN` for words that say nearly the same, 0 for all others."""
    by_stem: dict[str, list[int]] = defaultdict(list)
    by_start: dict[str, list[int]] = defaultdict(list)
    for at, word in enumerate(others):
        by_stem[stem(word)].append(at)
        by_start[word[:_SHORT_FORM]].append(at)
    found = np.zeros((len(some), len(others)), dtype=np.float32)
    for row, word in zip(found, some, strict=True):
        own = stem(word)
        if len(word) >= _SHORT_FORM:
            near = by_start.get(word[:_SHORT_FORM], ())
            row[[at for at in near if others[at].startswith(word) or word.startswith(others[at])]] = KIN
        for other in RELATED.get(own, frozenset()) | _VERBS.get(own, frozenset()):
            row[by_stem.get(other, [])] = KIN
        row[by_stem.get(own, [])] = 1
    return found
