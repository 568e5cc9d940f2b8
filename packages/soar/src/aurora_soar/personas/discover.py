"""Find the files of personas, the project's before the user's, and read them all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.folders import AGENT_FOLDERS
from aurora_soar.personas.persona import Persona, PersonaProblem, Scope
from aurora_soar.personas.read import MAX_BYTES, parse_persona

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Discovery", "Stamp", "discover", "stamp"]

Stamp = tuple[int, int]
"""Time of the last change in ns, and size; (0, -1) for what is not there."""

MAX_DEPTH: Final = 4
MAX_FILES: Final = 1_000
"""Of one tool's folder; agents are written by hand."""
_SUFFIXES: Final = frozenset({".md", ".markdown", ".mdc"})
_NO_PERSONAS: Final = frozenset(
    {"readme", "agents", "claude", "gemini", "changelog", "license", "contributing", "index"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What a search found.

    Attributes:
        personas: by id; of two with one id, the one that was found first.
        stamps: by path, of every folder that was looked at, those that are not there included, and of every file;
            while none has changed, neither has anything else here.
    """

    personas: dict[str, Persona]
    problems: tuple[PersonaProblem, ...]
    stamps: dict[str, Stamp]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    folder: Path
    tool: str
    scope: Scope


def discover(project: Path | None, home: Path | None) -> Discovery:
    """Read every persona below a project and a home; files that cannot be read are problems, not errors."""
    personas: dict[str, Persona] = {}
    problems: list[PersonaProblem] = []
    stamps: dict[str, Stamp] = {}
    for place in _places(project, home):
        for path in _files(place.folder, stamps, problems):
            _take(path, place, personas, problems)
    return Discovery(personas=personas, problems=tuple(problems), stamps=stamps)


def stamp(path: str | Path) -> Stamp:
    """How a file or folder is now."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return 0, -1
    return found.st_mtime_ns, found.st_size


def _places(project: Path | None, home: Path | None) -> Iterator[_Place]:
    seen: set[Path] = set()
    for root, scope in ((project, Scope.PROJECT), (home, Scope.HOME)):
        for entry in AGENT_FOLDERS if root else ():
            assert root is not None
            for name in entry.project if scope is Scope.PROJECT else entry.home:
                folder = root / name
                if folder not in seen:
                    seen.add(folder)
                    yield _Place(folder=folder, tool=entry.tool, scope=scope)


def _files(folder: Path, stamps: dict[str, Stamp], problems: list[PersonaProblem]) -> Iterator[Path]:
    """Files that may be personas, in the order of their names; links to folders are not followed."""
    stamps[str(folder)] = stamp(folder)
    found = 0
    for current, folders, names in os.walk(folder, onerror=lambda error: _note_unreadable(error, folder, problems)):
        here = Path(current)
        deep = len(here.relative_to(folder).parts) >= MAX_DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith(".") and _is_text(name))
        stamps.update({str(here / name): stamp(here / name) for name in folders})
        for name in sorted(names):
            path = here / name
            if path.suffix.lower() not in _SUFFIXES or path.stem.lower() in _NO_PERSONAS:
                continue
            if not _is_text(name):
                reason = f"{os.fsencode(name)!r} has a name that is not UTF-8; rename it"
                problems.append(PersonaProblem(file=str(here), line=None, field="", reason=reason))
                continue
            found += 1
            if found > MAX_FILES:
                reason = f"holds more than {MAX_FILES:,} files; the rest was left out"
                problems.append(PersonaProblem(file=str(folder), line=None, field="", reason=reason))
                return
            stamps[str(path)] = stamp(path)
            yield path


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _note_unreadable(error: OSError, folder: Path, problems: list[PersonaProblem]) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        reason = f"cannot be read: {error.strerror}"
        problems.append(PersonaProblem(file=str(error.filename or folder), line=None, field="", reason=reason))


def _take(path: Path, place: _Place, personas: dict[str, Persona], problems: list[PersonaProblem]) -> None:
    try:
        content = _content(path)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        problems.append(PersonaProblem(file=str(path), line=None, field="", reason=reason))
        return
    reading = parse_persona(content, file=str(path), tool=place.tool, scope=place.scope)
    problems.extend(reading.problems)
    if reading.persona is None:
        return
    first = personas.setdefault(reading.persona.id, reading.persona)
    if first is not reading.persona and first.scope is place.scope:
        reason = f"{first.id!r} is defined by {first.source_file} too, which holds"
        problems.append(PersonaProblem(file=str(path), line=None, field="id", reason=reason))


def _content(path: Path) -> bytes:
    """The bytes of a regular file, one more than allowed at most.

    Raises:
        OSError: it is not there, or no regular file; a pipe would never end.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "is no regular file", str(path))
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
