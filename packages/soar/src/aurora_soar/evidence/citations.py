"""Does the place that a finding cites exist, and does it say what the finding claims?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["CitationChecker"]

# A sentence may be wrapped over this many lines of its file.
MAX_LINES: Final = 14

_MARKERS: Final = re.compile(
    r"""[ruRU]?"{3}|[ruRU]?'{3}|/\*+!?|\*+/|^\s*(?:#+!?|//[/!]*|\*+|[-*+•]|\d+[.)])\s?""", re.MULTILINE
)
_SPACE: Final = re.compile(r"\s+")
_NAMED: Final = frozenset({FindingKind.DEFINITION, FindingKind.CALLEE, FindingKind.TEST})


class CitationChecker:
    """Holds findings against the files of one project, each file read once.

    A file that cannot be read, a path that leaves the project, a line past the end, or other words at that line
    all make a finding unsound: the project may have changed since it was indexed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._lines: dict[str, list[str]] = {}

    def sound(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings whose place says what they claim, in the same order."""
        return [finding for finding in findings if self.is_sound(finding)]

    def is_sound(self, finding: Finding) -> bool:
        """Whether the cited line exists and contains what is claimed."""
        lines = self._read(finding.file)
        if finding.line > len(lines):
            return False
        if finding.kind is FindingKind.CLAIM:  # what is said is the agent's; that there is something is the place's
            return bool(lines[finding.line - 1].strip())
        if finding.kind in _NAMED:
            name = re.split(r"[.:#]+", finding.symbol)[-1]
            return name in lines[finding.line - 1]
        if finding.kind is FindingKind.STATEMENT:
            block = "\n".join(lines[finding.line - 1 : finding.line - 1 + MAX_LINES])
            return _plain(finding.text) in _plain(_MARKERS.sub(" ", block))
        return _plain(finding.text) == _plain(lines[finding.line - 1])

    def exists(self, file: str, line: int | None, last: int | None) -> bool:
        """Whether a place is there: its file in this project, and its lines in the file, the first not empty."""
        if line is None:
            path = (self._root / file).resolve()
            return path.is_relative_to(self._root) and path.is_file()
        return self.line(file, line) is not None and (last or 0) <= len(self._read(file))

    def line(self, file: str, number: int) -> str | None:
        """What stands at a place; None where there is no such line, or nothing in it."""
        lines = self._read(file)
        return lines[number - 1].strip() or None if 0 < number <= len(lines) else None

    def _read(self, file: str) -> list[str]:
        if file not in self._lines:
            self._lines[file] = self._read_now(file)
        return self._lines[file]

    def _read_now(self, file: str) -> list[str]:
        path = (self._root / file).resolve()
        if not path.is_relative_to(self._root):
            return []
        try:
            return _lines(path.read_bytes())
        except OSError:
            return []


def _lines(content: bytes) -> list[str]:
    """Lines as the memory counts them: a form feed or a Unicode line separator ends none."""
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
