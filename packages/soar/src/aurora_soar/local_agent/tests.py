"""Aspect `tests`: the tests that call or name the code that the question is about, and the command that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_core.file_kinds import is_test_file
from aurora_core.project_profile.detect import detect_profile
from aurora_core.project_profile.profile import Purpose
from aurora_soar.evidence.evidence import Finding, FindingKind
from aurora_soar.local_agent.definitions import definition_finding, reference_finding
from aurora_soar.question.question import Intent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.question import Question

__all__ = ["find_tests"]

PER_FILE: Final = 2
MAX_MENTIONS: Final = 400
# Of tests that are searched for by words, the least share of the question that one must mention.
THRESHOLD: Final = 0.5
TESTS_SEARCHED: Final = 20


def find_tests(
    memory: SoarMemory, subjects: Sequence[Hit], focus: Focus, question: Question, limit: int
) -> list[Finding]:
    """Returns the tests that name the subjects, those that mention most of the question first, best in their names.

    If the question asks for tests, those that mention most of its words join them. For a change, the command that
    runs the tests follows.
    """
    found = [f for hit in subjects if not is_test_file(hit.file) for f in _naming(memory, hit, focus)]
    if question.about_tests:
        found += _mentioning(memory, focus)
    distinct: dict[tuple[str, str], Finding] = {}
    # Of tests that mention as much, the one that is named after it is about it.
    for finding in sorted(found, key=lambda f: (-f.relevance, -focus.coverage(f"{f.file} {f.symbol}").share)):
        distinct.setdefault((finding.file, finding.symbol), finding)
    tests = _spread(list(distinct.values()))[:limit]
    return [*tests, *(_commands(memory) if question.intent is Intent.IMPLEMENT else ())]


def _naming(memory: SoarMemory, hit: Hit, focus: Focus) -> Iterator[Finding]:
    """Yields the tests whose code names a definition; of a method, in files that name its class too."""
    owner, _, name = hit.name.rpartition(".")
    owners = {r.file for r in memory.mentions(owner, limit=MAX_MENTIONS, tests=True)} if owner else set()
    for reference in memory.mentions(name, limit=MAX_MENTIONS, tests=True):
        if not owner or reference.file in owners:
            yield reference_finding(reference, FindingKind.TEST, hit.name, focus)


def _mentioning(memory: SoarMemory, focus: Focus) -> Iterator[Finding]:
    for hit in memory.search(f"tests for {focus.query}", limit=TESTS_SEARCHED, kinds=("code",), record=False):
        coverage = focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")
        if is_test_file(hit.file) and coverage.share >= THRESHOLD:
            yield definition_finding(hit, FindingKind.TEST, coverage)


def _spread(found: Sequence[Finding]) -> list[Finding]:
    taken: dict[str, int] = {}
    kept = []
    for finding in found:
        taken[finding.file] = taken.get(finding.file, 0) + 1
        if taken[finding.file] <= PER_FILE:
            kept.append(finding)
    return kept


def _commands(memory: SoarMemory) -> Iterator[Finding]:
    """Yields the command that runs the tests, with the manifest that says so."""
    profile = detect_profile(memory.root, memory.files())
    command = next((c for c in profile.commands if c.purpose is Purpose.TEST), None)
    if command is not None:
        yield Finding(kind=FindingKind.COMMAND, file=command.source, line=1, line_end=1, symbol="", text=command.line)
