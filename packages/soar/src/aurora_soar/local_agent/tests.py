"""Aspect `tests`: the tests that show the behaviour of the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_core.file_kinds import is_test_file
from aurora_soar.evidence.evidence import FindingKind
from aurora_soar.local_agent.definitions import NAMED_SYMBOLS, definition_finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_core import Hit
    from aurora_soar.evidence.evidence import Finding
    from aurora_soar.question.focus import Focus

__all__ = ["find_tests"]

PER_FILE: Final = 2
THRESHOLD: Final = 0.3


def find_tests(hits: Iterable[Hit], focus: Focus, limit: int) -> list[Finding]:
    """Returns the tests that mention a fair share of the question, in the memory's order."""
    taken: dict[str, int] = {}
    found = []
    for hit in hits:
        if not is_test_file(hit.file) or hit.symbol_type not in NAMED_SYMBOLS:
            continue
        coverage = focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")
        if coverage.share < THRESHOLD or taken.get(hit.file, 0) >= PER_FILE:
            continue
        taken[hit.file] = taken.get(hit.file, 0) + 1
        found.append(definition_finding(hit, FindingKind.TEST, coverage))
    return found[:limit]
