"""Lines that acquire what their definition neither releases nor hands on, and the methods that release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core.file_kinds import is_test_file
from aurora_soar.evidence.evidence import Finding, FindingKind
from aurora_soar.local_agent.definitions import definition_finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Focus

__all__ = ["asks_for_leak", "find_releases", "find_unreleased", "is_for_its_caller", "unreleased"]

_ACQUIRERS: Final = (
    r"open|fopen|fdopen|urlopen|popen|Popen|NamedTemporaryFile|TemporaryFile|socket|Socket|create_connection|accept"
    r"|connect|createReadStream|createWriteStream|createConnection|Open|OpenFile|Create|Dial|DialTimeout|Listen"
)
_HELD: Final = re.compile(
    rf"^\s*(?:(?:const|let|var|auto|final)\s+)?(?P<name>[A-Za-z_]\w*)(?:\s*,\s*\w+)?\s*(?::=|=)\s*(?:await\s+|new\s+)?"
    rf"(?:[\w.]+\.)?(?:{_ACQUIRERS})\("
)
_LOCKED: Final = re.compile(r"^\s*(?:await\s+)?(?P<name>[\w.]+)\.(?:acquire|lock|Lock|RLock)\(")
_RELEASES: Final = (
    r"close|aclose|Close|release|unlock|Unlock|RUnlock|terminate|kill|wait|communicate|end|destroy|shutdown|detach"
)
# What these methods return does not hold their object.
_GIVES_DATA: Final = r"read\w*|write\w*|recv\w*|send\w*|seek|tell|Read\w*|Write\w*"
_UNBOUND: Final = re.compile(rf"(?<![\w.])open\([^()]*\)\.(?:{_GIVES_DATA})\(|\.load\w*\(open\(")
# With one of these, a release happens however the definition is left.
_ALWAYS: Final = re.compile(r"^\s*(?:\}\s*)?(?:finally|defer|ensure)\b", re.MULTILINE)
_LEAVES: Final = re.compile(r"^\s*(?:if\b.*[:)]\s*)?(?:raise|throw)\b")
AROUND_WEIGHT: Final = 0.5
_LEAKS: Final = re.compile(r"leak|exhaust|descriptor|unclosed|unreleased|deadlock|hang", re.IGNORECASE)
_FOR_ITS_CALLER: Final = re.compile(
    r"(?:^|[.:])_*(?:a?enter_*|acquire|lock|open|connect|start|set_?up)", re.IGNORECASE
)
"""Names of definitions whose very purpose is to acquire."""


RELEASERS: Final = ("close", "aclose", "release", "shutdown", "dispose", "disconnect", "destroy", "__exit__")
"""Names of methods that release what their object holds."""
RELEASERS_SHOWN: Final = 3
OF_A_NAME: Final = 40


def asks_for_leak(text: str) -> bool:
    """Returns True if a text speaks of something that is not released."""
    return _LEAKS.search(text) is not None


def find_releases(memory: SoarMemory, focus: Focus) -> list[Finding]:
    """Returns the methods that release what the words are about: those of classes that the words name, best first."""
    named = [h for name in RELEASERS for h in memory.definitions(name, limit=OF_A_NAME)]
    methods = [h for h in named if h.symbol_type == "method" and not is_test_file(h.file)]
    scored = [(focus.coverage(f"{h.name}\n{h.content}"), focus.coverage(h.name).share, h) for h in methods]
    best = sorted((each for each in scored if each[1]), key=lambda each: -(each[0].share + each[1]))
    return [definition_finding(h, FindingKind.DEFINITION, cover) for cover, _, h in best[:RELEASERS_SHOWN]]


def find_unreleased(hits: Sequence[Hit], focus: Focus) -> Iterator[Finding]:
    """Yields suspects in definitions that mention the question; of a question about leaks, they weigh most.

    What is returned, yielded, or given to a call is handed on: somebody else releases it. So is what an object keeps.
    """
    about_leaks = asks_for_leak(focus.query)
    for hit in hits:
        around = focus.coverage(f"{hit.file}\n{hit.name}\n{hit.content}")
        if not around.words or is_for_its_caller(hit.name):
            continue
        for number, text, when in unreleased(hit.content):
            own = focus.coverage(text)
            yield Finding(
                kind=FindingKind.UNRELEASED,
                file=hit.file,
                line=hit.line_start + number,
                line_end=hit.line_start + number,
                symbol=hit.name,
                text=text,
                detail=when,
                terms=tuple(dict.fromkeys((*own.words, *around.words))),
                relevance=(1 - AROUND_WEIGHT) * (1.0 if about_leaks else own.share) + AROUND_WEIGHT * around.share,
                chunk_id=hit.chunk_id,
            )


def is_for_its_caller(name: str) -> bool:
    """Returns True for the name of a definition that acquires for its caller."""
    return _FOR_ITS_CALLER.search(name) is not None


def unreleased(content: str) -> Iterator[tuple[int, str, str]]:
    """Yields the lines that acquire what a definition does not release: row, text and condition, or ""."""
    lines = content.split("\n")
    for row, line in enumerate(lines):
        held = _HELD.match(line)
        found = held or _LOCKED.match(line)
        if found is None:
            if _UNBOUND.search(line):
                yield row, line.strip(), ""
            continue
        released = _row_of_release(found["name"], lines)
        if released is None:
            if held is None or not _is_handed_on(held["name"], content):
                yield row, line.strip(), ""
        elif not _ALWAYS.search(content) and (leaves := _row_that_raises(lines, row, released)) is not None:
            yield row, line.strip(), f"if this raises: `{lines[leaves].strip()}`"


def _row_of_release(name: str, lines: Sequence[str]) -> int | None:
    release = re.compile(rf"(?<![\w.]){re.escape(name)}\??\.(?:{_RELEASES})\b")
    return next((row for row, line in enumerate(lines) if release.search(line)), None)


def _row_that_raises(lines: Sequence[str], acquired: int, released: int) -> int | None:
    """Returns the row that leaves between what is acquired and its release."""
    return next((row for row in range(acquired + 1, released) if _LEAVES.match(lines[row])), None)


def _is_handed_on(name: str, content: str) -> bool:
    word = rf"(?<![\w.]){re.escape(name)}\b"
    ways = (
        rf"\b(?:return|yield|defer|with|using)\b[^\n]*{word}(?!\.(?:{_GIVES_DATA})\()",
        rf"[(,\[{{]\s*\*?{word}\s*[,)\]}}]",  # an argument, or an item
        rf"[.\]]\w*\s*=\s*{word}",  # kept by an object
    )
    return any(re.search(way, content) for way in ways)
