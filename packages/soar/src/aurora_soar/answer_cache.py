"""The cache of plans and answers: a key names everything that they rest on, so a stale one is never found."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import aurora_core
from aurora_core.bounded import read_regular
from aurora_core.private_files import private_folder, write_private
from aurora_soar.phases.decompose import Decomposition
from aurora_soar.phases.synthesize import Synthesis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aurora_core import Project
    from aurora_policies import PoliciesEngine
    from aurora_soar.registry import AgentRegistry
    from aurora_soar.sessions import Turn

__all__ = ["AnswerCache", "CachedAnswer", "CachedPlan", "key_of"]

MOST_ENTRIES: Final = 200
_LARGEST: Final = 1_000_000
_FILE_LARGEST: Final = 1_000_000


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CachedPlan(_Entry):
    """A model's plan."""

    decomposition: Decomposition
    planned_by: str


class CachedAnswer(_Entry):
    """An answer.

    Attributes:
        query_id: the execution that gave it.
        evidence: the code that it cites, as `evidence.cited_code` gives it.
    """

    query_id: str
    synthesis: Synthesis
    decomposition: Decomposition | None
    evidence: tuple[str, ...]


_Kind = TypeVar("_Kind", CachedPlan, CachedAnswer)


class AnswerCache:
    """Plans and answers of one project, at most `MOST_ENTRIES`; those used least recently go first.

    Args:
        folder: where they are kept.
        fresh: find nothing, and replace what is there.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self._folder = folder
        self._fresh = fresh

    @classmethod
    def of(cls, project: Project, *, fresh: bool = False) -> AnswerCache:
        """Returns the cache of a project."""
        return cls(project.aurora_dir / "cache" / "answers", fresh=fresh)

    @property
    def fresh(self) -> bool:
        """True if nothing is found in it, so that everything is asked anew."""
        return self._fresh

    def find(self, kind: type[_Kind], key: str) -> tuple[_Kind | None, str]:
        """Returns the entry of a key, if there is one, and why one that is there cannot be used."""
        if self._fresh:
            return None, ""
        path = self._path(kind, key)
        try:
            entry = kind.model_validate_json(read_regular(path, _LARGEST, follow=False))
        except FileNotFoundError:
            return None, ""
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else f"{error.error_count()} errors in it"
            return None, f"the cached entry {path.name} cannot be read and is ignored ({why})"
        with suppress(OSError):  # it was found; only its age stays as it was
            os.utime(path)
        return entry, ""

    def put(self, key: str, entry: CachedPlan | CachedAnswer) -> None:
        """Stores an entry, unless it is very large.

        Raises:
            OSError: it cannot be written, or the folder is a link.
        """
        for folder in (self._folder, self._folder.parent):
            if folder.is_symlink():  # a project from elsewhere could have the sweep remove files anywhere
                raise OSError(errno.ELOOP, "it is a link; put a folder in its place", str(folder))
        content = entry.model_dump_json().encode("utf-8", "backslashreplace")
        if len(content) > _LARGEST:
            return
        private_folder(self._folder)
        write_private(self._path(type(entry), key), content)
        self._sweep()

    def _path(self, kind: type[CachedPlan | CachedAnswer], key: str) -> Path:
        return self._folder / f"{'plan' if kind is CachedPlan else 'answer'}-{key}.json"

    def _sweep(self) -> None:
        dated = []
        for path in self._folder.glob("*-*.json"):
            with suppress(FileNotFoundError):  # another process sweeps too
                dated.append((path.stat().st_mtime, path))
        for _, path in sorted(dated, reverse=True)[MOST_ENTRIES:]:
            path.unlink(missing_ok=True)


def key_of(
    query: str,
    *,
    index: str,
    model: str | None,
    registry: AgentRegistry,
    policies: PoliciesEngine,
    turns: Sequence[Turn] = (),
    source: str = "",
) -> str:
    """Returns the key of a question or a goal: it changes with everything that the answer rests on.

    That is the words, the index and the newest commit, the model, the agents and their files, the policies, the
    earlier turns, and Aurora itself, its prompts included.

    Args:
        index: the state of the memory.
        source: what a goal was taken from, if others wrote it.
    """
    parts: Mapping[str, object] = {
        "query": query,
        "index": index,
        "model": model,
        "agents": [(each.id, each.description, _file_digest(each.source_file)) for each in registry.agents.values()],
        "backends": [_plain(each) for each in registry.backends.values()],
        "policies": policies.as_yaml(),
        "turns": [(turn.question, turn.answer) for turn in turns],
        "source": source,
        "aurora": _code_state(),
    }
    return hashlib.sha256(repr(sorted(parts.items())).encode("utf-8", "backslashreplace")).hexdigest()


def _file_digest(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return hashlib.sha256(read_regular(file, _FILE_LARGEST)).hexdigest()
    except OSError:
        return f"unread at {time.time()}"  # no answer can be known to rest on it


def _plain(value: object) -> object:
    """Returns the settings of a value as plain data; functions and the like are known by their names."""
    if is_dataclass(value):
        return (type(value).__name__, [(each.name, _plain(getattr(value, each.name))) for each in fields(value)])
    if value is None or isinstance(value, str | int | float | bool | Path):
        return str(value)
    if isinstance(value, dict):
        return sorted((str(key), repr(_plain(each))) for key, each in value.items())
    if isinstance(value, set | frozenset):
        return sorted(repr(_plain(each)) for each in value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return getattr(value, "__qualname__", type(value).__qualname__)


@cache
def _code_state() -> str:
    """Returns a digest of what the running Aurora is made of, by the sizes and times of its files."""
    homes = (Path(__file__).parent, Path(aurora_core.__file__).parent)
    found: Iterable[tuple[str, int, int]] = (
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for home in homes
        for path in home.rglob("*")
        if path.suffix in (".py", ".md", ".json")
    )
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()
