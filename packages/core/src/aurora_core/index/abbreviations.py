"""Words and their usual short forms in code, so that a query in words finds an abbreviated name."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RELATED"]

_GROUPS: Final = """
address addr | application app | argument arg parameter param | asynchronous async | attribute attr
authentication auth | average avg mean | calculate calc compute | character char | column col | command cmd
configuration config conf cfg | connection conn | context ctx | current cur | database db | delete del remove
dictionary dict | difference diff | directory dir folder | document doc | environment env | equation eq
error err exception | execute exec | expression expr | format fmt | frequency freq | function func fn | generate gen
image img | index idx | information info | initialize init | integer int | iterator iter | length len | matrix mat
maximum max | message msg | minimum min | multiply mul | neighbor neighbour nbr | number num count | object obj
original orig | polynomial poly | position pos | previous prev | probability prob | reference ref | regular regex
repository repo | request req | response resp | separator sep | sequence seq | source src | specification spec
destination dest dst | statistics stats | string str | temporary tmp temp | timestamp ts | token tok | transaction tx
utility util | value val | variable var | vector vec | window win
"""


def _related() -> Mapping[str, frozenset[str]]:
    groups = [frozenset(terms(group)) for line in _GROUPS.strip().split("\n") for group in line.split("|")]
    related: dict[str, frozenset[str]] = defaultdict(frozenset)
    for group in groups:
        for term in group:
            related[term] |= group - {term}
    return dict(related)


# Index term → terms that mean the same in programs.
RELATED: Final = _related()
