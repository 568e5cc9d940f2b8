"""The check of citations: the place exists, and its text confirms the finding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Finding, FindingKind, short_name

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
_NAMED: Final = frozenset(
    {
        FindingKind.DEFINITION,
        FindingKind.CALLEE,
        FindingKind.MEMBER,
        FindingKind.EXAMPLE,
        FindingKind.PATH_END,
        FindingKind.PATH_OPEN,
        FindingKind.SOUND,
    }
)
_PLACES: Final = frozenset({FindingKind.CLAIM, FindingKind.COMMAND, FindingKind.CHANGE})
_PROSE: Final = frozenset({FindingKind.STATEMENT, FindingKind.FILE})


class CitationChecker:
    """Checks findings in the files of one project, and reads each file once.

    A finding is not confirmed if its file cannot be read, its path leaves the project, its line is past the end, or
    the line has another text: the project may have changed since it was indexed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._lines: dict[str, list[str]] = {}

    def sound(self, findings: Iterable[Finding]) -> list[Finding]:
        """Returns the findings that their files confirm, in the given order."""
        return [finding for finding in findings if self.is_sound(finding)]

    def is_sound(self, finding: Finding) -> bool:
        """Returns True if the cited line exists and contains the claimed text."""
        lines = self._read(finding.file)
        if finding.line > len(lines):
            return False
        if finding.kind in _PLACES:  # only the place can be checked
            return bool(lines[finding.line - 1].strip())
        if finding.kind in _NAMED:
            name = short_name(finding.symbol)
            return name in lines[finding.line - 1]
        if finding.kind is FindingKind.TEST:
            name = short_name(finding.about or finding.symbol)
            return name in lines[finding.line - 1]
        if finding.kind in _PROSE:
            block = "\n".join(lines[finding.line - 1 : finding.line - 1 + MAX_LINES])
            return _plain(finding.text) in _plain(_MARKERS.sub(" ", block))
        return _plain(finding.text) == _plain(lines[finding.line - 1])

    def exists(self, file: str, line: int | None, last: int | None) -> bool:
        """Returns True if the file is in this project and has these lines, the first of them not empty."""
        if line is None:
            path = (self._root / file).resolve()
            return path.is_relative_to(self._root) and path.is_file()
        return self.line(file, line) is not None and (last or 0) <= len(self._read(file))

    def line(self, file: str, number: int) -> str | None:
        """Returns the text of a line; None if the line does not exist or is empty."""
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
    """Splits text into lines as the memory does: a form feed or a Unicode line separator does not end a line."""
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
