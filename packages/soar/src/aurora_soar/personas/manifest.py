"""The personas of a project, read from a cache until a file changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from aurora_core.bounded import read_regular
from aurora_core.private_files import private_folder, write_private
from aurora_soar.personas.discover import Stamp, discover, searched_paths, stamp
from aurora_soar.personas.persona import Persona, PersonaProblem
from aurora_soar.personas.roster import Roster

if TYPE_CHECKING:
    from aurora_soar.personas.discover import Discovery

__all__ = ["CACHE_NAME", "MAX_AGE_S", "load_roster"]

CACHE_NAME: Final = "cache/agent_manifest.json"
"""Below the project's `.aurora`."""
MAX_AGE_S: Final = 24 * 3600.0
MAX_BYTES: Final = 64_000_000
_RACY_S: Final = 0.1
"""A file changed so shortly before it was read may change again within one tick of the file system's clock."""
_VERSION: Final = 2


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: int
    project: str
    home: str
    made_at: float
    stamps: dict[str, Stamp]
    personas: list[Persona]
    problems: list[PersonaProblem]


def load_roster(
    project: Path | None, home: Path | None, *, cache: Path | None, now: float, refresh: bool = False
) -> Roster:
    """Finds the personas of a project and a home.

    Args:
        cache: the manifest's file; None to read all files without a cache.
        now: Unix time.
        refresh: read all files again and replace the cache.
    """
    found = None if cache is None or refresh else _from_cache(cache, project, home, now)
    if found is not None:
        return Roster.of({each.id: each for each in found.personas}, found.problems, found.made_at, from_cache=True)
    discovery = discover(project, home)
    problems = list(discovery.problems)
    if cache is not None:
        problems += _keep(cache, _manifest(discovery, project, home, now))
    return Roster.of(discovery.personas, problems, now, from_cache=False)


def _manifest(found: Discovery, project: Path | None, home: Path | None, now: float) -> _Manifest:
    return _Manifest(
        version=_VERSION,
        project=str(project or ""),
        home=str(home or ""),
        made_at=now,
        stamps=found.stamps,
        personas=list(found.personas.values()),
        problems=list(found.problems),
    )


def _from_cache(cache: Path, project: Path | None, home: Path | None, now: float) -> _Manifest | None:
    """Returns the manifest if it is valid, belongs to these folders, and is newer than every change; else None."""
    try:
        found = _Manifest.model_validate_json(read_regular(cache, MAX_BYTES))
    except (OSError, ValidationError):
        return None
    meant = (found.version, found.project, found.home) == (_VERSION, str(project or ""), str(home or ""))
    if not meant or not 0 <= now - found.made_at < MAX_AGE_S or not _is_ours(found, project, home):
        return None
    newest = (found.made_at - _RACY_S) * 1e9
    fresh = all(known[0] < newest and stamp(path) == known for path, known in found.stamps.items())
    return found if fresh else None


def _is_ours(found: _Manifest, project: Path | None, home: Path | None) -> bool:
    """Returns True if the manifest covers every folder and every persona's file is where its scope says.

    A cloned project may contain a manifest; it must not make a project's persona the user's own.
    """
    places = searched_paths(project, home)
    if not all(str(each) in found.stamps for members in places.values() for each in members):
        return False
    return all(
        each.source_file in found.stamps
        and ".." not in Path(each.source_file).parts
        and any(Path(each.source_file).is_relative_to(place) for place in places[each.scope])
        for each in found.personas
    )


def _keep(cache: Path, manifest: _Manifest) -> list[PersonaProblem]:
    """Replaces the cache in one step; returns a problem if that fails."""
    try:
        private_folder(cache.parent)
        write_private(cache, manifest.model_dump_json(indent=1).encode("utf-8"))
    except OSError as error:
        reason = f"cannot be written: {error.strerror}; all personas are read again each time"
        return [PersonaProblem(file=str(cache), line=None, field="", reason=reason)]
    return []
