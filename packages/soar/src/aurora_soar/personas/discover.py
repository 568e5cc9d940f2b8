"""Search for the files of personas, the project's before the user's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.bounded import TooLargeError, read_regular
from aurora_soar.personas.folders import AGENT_FOLDERS
from aurora_soar.personas.formats import FORMATS, MODE_LISTS
from aurora_soar.personas.ids import MAX_ID, kebab
from aurora_soar.personas.persona import Persona, PersonaProblem, Scope
from aurora_soar.personas.read import MAX_BYTES, parse_file
from aurora_soar.personas.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Discovery", "Stamp", "discover", "searched_paths", "stamp"]

Stamp = tuple[int, int]
"""Time of the last change in ns, and size; (0, -1) for a missing file."""

MAX_FILES: Final = 1_000
"""Files in one tool's folder that are read; agents are written by hand."""
MAX_TOTAL_BYTES: Final = 16_000_000
"""Bytes of all files together that are read; a thousand long personas have fewer."""
_SUFFIXES: Final = frozenset({".md", ".markdown", ".mdc"})
_NO_PERSONAS: Final = frozenset(
    {"readme", "agents", "claude", "gemini", "changelog", "license", "contributing", "index"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """The result of a search.

    Attributes:
        personas: by id; of two with one id, the first that was found.
        stamps: by path, of every searched folder, the missing ones included, and of every file; while no stamp
            changes, a new search would find the same personas.
    """

    personas: dict[str, Persona]
    problems: tuple[PersonaProblem, ...]
    stamps: dict[str, Stamp]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    folder: Path
    tool: str
    scope: Scope


@dataclass(slots=True, kw_only=True)
class _Search:
    """The personas and problems found so far."""

    personas: dict[str, Persona] = field(default_factory=dict)
    problems: list[PersonaProblem] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    left_bytes: int = MAX_TOTAL_BYTES

    def add_problem(self, path: Path | str, reason: str, name: str = "") -> None:
        """Adds a problem of a file or folder as a whole."""
        self.problems.append(PersonaProblem(file=str(path), line=None, field=name, reason=reason))


def discover(project: Path | None, home: Path | None) -> Discovery:
    """Reads every persona below a project and a home; files that cannot be read are problems, not errors."""
    search = _Search()
    trees = {scope: Tree(roots=[each for each in (project, home) if each]) for scope in Scope}
    for place in _places(project, home):
        _search(place, trees[place.scope], search)
    for name, tool in MODE_LISTS.items() if project else ():
        assert project is not None
        path = project / name
        search.stamps[str(path)] = stamp(path)
        if path.exists() or path.is_symlink():
            _take(path, _Place(folder=project, tool=tool, scope=Scope.PROJECT), search)
    return Discovery(personas=search.personas, problems=tuple(search.problems), stamps=search.stamps)


def searched_paths(project: Path | None, home: Path | None) -> dict[Scope, list[Path]]:
    """Returns the folders and files that are searched for personas, existing or not."""
    found: dict[Scope, list[Path]] = {scope: [] for scope in Scope}
    for place in _places(project, home):
        found[place.scope].append(place.folder)
    found[Scope.PROJECT] += [project / name for name in MODE_LISTS] if project else []
    return found


def stamp(path: str | Path) -> Stamp:
    """Returns the stamp of a file or folder."""
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


def _search(place: _Place, tree: Tree, search: _Search) -> None:
    """Reads the files of one tool's folder that may be personas, in the order of their names."""
    search.stamps[str(place.folder)] = stamp(place.folder)
    found = 0
    # A user's own links may lead anywhere; a project's must not lead through the whole machine.
    for path in tree.files(place.folder, confined=place.scope is Scope.PROJECT):
        suffix = path.suffix.lower()
        if (suffix not in _SUFFIXES and suffix not in FORMATS) or path.stem.lower() in _NO_PERSONAS:
            continue
        found += 1
        if found > MAX_FILES:
            search.add_problem(place.folder, f"holds more than {MAX_FILES:,} files; the rest was left out")
            break
        search.stamps[str(path)] = stamp(path)
        _take(path, place, search)
    search.stamps.update({str(folder): stamp(folder) for folder in tree.taken_folders()})
    for place_of, reason in tree.taken_problems():
        search.add_problem(place_of, reason)


def _take(path: Path, place: _Place, search: _Search) -> None:
    try:
        content = read_regular(path, MAX_BYTES)
    except TooLargeError:
        search.add_problem(path, f"is larger than {MAX_BYTES // 1000} kB; it was skipped")
        return
    except OSError as error:
        search.add_problem(path, f"cannot be read: {error.strerror}")
        return
    search.left_bytes -= len(content)
    if search.left_bytes < 0:
        reason = f"was left out: the personas together are larger than {MAX_TOTAL_BYTES // 1_000_000} MB"
        search.add_problem(path, reason)
        return
    readings = parse_file(content, file=str(path), tool=place.tool, scope=place.scope)
    if path.suffix.lower() in FORMATS and place.tool not in FORMATS[path.suffix.lower()].tools:
        readings = tuple(each for each in readings if each.persona and each.persona.instructions)
    for reading in readings:
        search.problems.extend(reading.problems)
        if reading.persona is not None:
            _keep(reading.persona, search)


def _keep(persona: Persona, search: _Search) -> None:
    """Adds a persona; of two with one id in one scope, the later is renamed unless both are equal."""
    first = search.personas.setdefault(persona.id, persona)
    if first is persona or first.scope is not persona.scope:
        return
    if (first.goal, first.instructions) == (persona.goal, persona.instructions):
        search.add_problem(persona.source_file, f"equals {first.source_file}, which is used", "id")
        return
    renamed = replace(persona, id=_free_id(persona, search.personas))
    search.personas[renamed.id] = renamed
    reason = f"{first.id!r} is defined by {first.source_file} too; this one is called {renamed.id!r}"
    search.add_problem(persona.source_file, reason, "id")


def _free_id(persona: Persona, taken: dict[str, Persona]) -> str:
    """Returns a free id made of the persona's file, folder or tool; else one with a number."""
    path = Path(persona.source_file)
    tails = tuple(tail for tail in (path.parent.name, persona.tool) if tail not in ("agent", "agents"))
    wishes = [kebab(path.stem), *(f"{persona.id[: MAX_ID - 20]}-{kebab(tail)[:19]}" for tail in tails)]
    free = next((each for each in wishes if each and not each.endswith("-") and each not in taken), None)
    number = 2
    while free is None:
        candidate = f"{persona.id[: MAX_ID - 5]}-{number}"
        free = None if candidate in taken else candidate
        number += 1
    return free
