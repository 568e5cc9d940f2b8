"""File claims: the files that a task declares, for as long as it works on them, and which of them overlap. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from aurora_spawner.tasks.task import SpawnTask

_WILD: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClaim:
    """The files that a task has claimed. It is advisory: nothing keeps an agent from another file."""

    task_id: str
    title: str
    files: tuple[str, ...]
    """Paths and patterns, as the task declares them."""
    group: str
    """The task itself, or the one that it is a candidate of; claims of one group never clash."""
    seen: tuple[str, ...] = ()
    """Files that it does not declare and was seen to change; nobody waits for these."""

    @classmethod
    def of(cls, task: SpawnTask) -> FileClaim:
        """Returns the claim of a task on the files that it declares; it may declare none."""
        task_id = str(task.id)
        return cls(task_id=task_id, title=task.headline, files=task.files, group=task.candidate_of or task_id)

    def means(self, path: str) -> bool:
        """Returns True if the claim covers a file, declared or seen."""
        return path in self.seen or any(declares(each, path) for each in self.files)

    def common(self, other: FileClaim) -> tuple[str, ...]:
        """Returns the files of this claim that the other one may mean too; none if both are of one group."""
        if self.group == other.group or not _may_clash(_shape(self.files), _shape(other.files)):
            return ()
        return tuple(each for each in self.files if any(may_overlap(each, one) for one in other.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Declared files in a form in which most pairs are told apart at once."""

    paths: frozenset[str]
    folders: frozenset[str]
    """All that these paths are in."""
    patterns: bool
    """True if there are wildcards."""


@lru_cache(maxsize=8192)
def _shape(files: tuple[str, ...]) -> _Shape:
    paths = frozenset(_plain(each) for each in files if not _WILD.search(each))
    folders = frozenset(str(folder) for path in paths for folder in PurePosixPath(path).parents)
    return _Shape(paths=paths, folders=folders, patterns=len(paths) < len(set(map(_plain, files))))


def _may_clash(one: _Shape, other: _Shape) -> bool:
    if one.patterns or other.patterns:
        return True
    apart = one.paths.isdisjoint(other.paths) and one.paths.isdisjoint(other.folders)
    return not (apart and one.folders.isdisjoint(other.paths))


def declares(declared: str, path: str) -> bool:
    """Returns True if a declared path, folder or pattern means a file."""
    plain = _plain(declared)
    return not plain or path == plain or path.startswith(f"{plain}/") or fnmatchcase(path, plain)


def may_overlap(one: str, other: str) -> bool:
    """Returns True if two paths or patterns may mean a common file; a folder means all that is in it.

    Two patterns are compared by what stands before their first wildcard and after their last one.
    """
    first, second = _plain(one), _plain(other)
    if first == second or not (first and second):  # `./` is everything
        return True
    (start, end), (other_start, other_end) = _ends(first), _ends(second)
    if end is None and other_end is None:
        return second.startswith(f"{first}/") or first.startswith(f"{second}/")
    if end is None or other_end is None:
        path, (before, after) = (first, _ends(second)) if end is None else (second, _ends(first))
        return before.startswith(f"{path}/") or (path.startswith(before) and path.endswith(str(after)))
    starts = start.startswith(other_start) or other_start.startswith(start)
    return starts and (end.endswith(other_end) or other_end.endswith(end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Two tasks that do not work at the same time, because both declare a file."""

    task_id: str
    other: str
    files: tuple[str, ...]
    certain: bool = True
    """The other one is first; False if it depends on the times of tasks which is first."""


def foreseen_waits(tasks: Sequence[SpawnTask], starting: Collection[str]) -> list[Wait]:
    """Returns which tasks will wait for one that they do not depend on.

    Each is named with one other: one of those that start at once, since it waits for that; else with one before it.

    Args:
        tasks: In the order of the run.
        starting: Those that start at once.
    """
    above, first, earlier, found = _ancestors(tasks), _Claims(), _Claims(), list[Wait]()
    claims = {at: FileClaim.of(task) for at, task in enumerate(tasks) if task.files and not task.candidate_of}
    for at, claim in claims.items():
        if claim.task_id in starting:
            first.add(at, claim)
    for at, claim in claims.items():
        if claim.task_id in starting:
            continue
        for known in (first, earlier):
            other = next(known.common(at, claim, above), None)
            if other is not None:
                task_id, files = other
                found.append(Wait(task_id=claim.task_id, other=task_id, files=files, certain=known is first))
                break
        earlier.add(at, claim)
    return found


class _Claims:
    """Claims by their paths, so that a claim need not be compared with each one."""

    def __init__(self) -> None:
        self.claims: dict[int, FileClaim] = {}
        self._paths: defaultdict[str, list[int]] = defaultdict(list)
        self._folders: defaultdict[str, list[int]] = defaultdict(list)
        self._patterns: list[int] = []

    def add(self, at: int, claim: FileClaim) -> None:
        shape = _shape(claim.files)
        self.claims[at] = claim
        for path in shape.paths:
            self._paths[path].append(at)
        for folder in shape.folders:
            self._folders[folder].append(at)
        if shape.patterns:
            self._patterns.append(at)

    def common(self, at: int, claim: FileClaim, above: Sequence[int]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yields the tasks with a file in common with that at a place, and no dependency; those before it first.

        Args:
            above: As `_ancestors` returns it.
        """
        for other in sorted(self._candidates(claim), key=lambda each: (each > at, abs(each - at))):
            related = above[at] >> other & 1 or above[other] >> at & 1
            files = () if related else claim.common(self.claims[other])
            if files:
                yield self.claims[other].task_id, files

    def _candidates(self, claim: FileClaim) -> set[int]:
        """Returns the claims that may have a file in common with this one."""
        shape = _shape(claim.files)
        if shape.patterns:
            return set(self.claims)
        found = set(self._patterns)
        for path in shape.paths:
            found.update(self._paths.get(path, ()), self._folders.get(path, ()))
        for folder in shape.folders:
            found.update(self._paths.get(folder, ()))
        return found


def _ancestors(tasks: Sequence[SpawnTask]) -> list[int]:
    """Returns for each task the tasks that it depends on, directly or not, as the bits of a number."""
    places = {str(task.id): at for at, task in enumerate(tasks)}
    above, left = [0] * len(tasks), list(range(len(tasks)))
    while left:  # until nothing changes; tasks mostly stand after what they depend on
        changed = []
        for at in left:
            direct = [places[each] for each in tasks[at].depends_on if each in places]
            now = above[at]
            for each in direct:
                now |= above[each] | 1 << each
            if now != above[at]:
                above[at] = now
                changed.append(at)
        left = list(range(len(tasks))) if changed else []
    return above


def _plain(pattern: str) -> str:
    """Returns a path or pattern without `.`, `..` and double slashes; a `..` stays after what may be anything."""
    parts, root = list[str](), "/" if pattern.startswith("/") else ""
    for part in pattern.split("/"):
        if part == ".." and parts and parts[-1] != ".." and not _WILD.search(parts[-1]):
            parts.pop()
        elif part not in ("", ".") and not (part == ".." and root and not parts):
            parts.append(part)
    return f"{root}{'/'.join(parts)}".rstrip("/")


def _ends(pattern: str) -> tuple[str, str | None]:
    """Returns what stands before the first wildcard, and after the last one; None for a path without any."""
    found = list(_WILD.finditer(pattern))
    if not found:
        return pattern, None
    last = pattern.rfind("]") if found[-1][0] == "[" and "]" in pattern[found[-1].end() :] else found[-1].end() - 1
    return pattern[: found[0].start()], pattern[last + 1 :]


def prompt_with_claims(prompt: str, claims: Sequence[FileClaim], *, as_json: bool = False) -> str:
    """Returns a prompt that ends with the files which others have claimed.

    Args:
        as_json: The prompt is a JSON object, and gets them as `claimed_by_others`.
    """
    if as_json:
        named = [
            {"task": each.task_id, "title": each.title, "files": list(each.files), "changes": list(each.seen)}
            for each in claims
        ]
        return json.dumps({**json.loads(prompt), "claimed_by_others": named}, ensure_ascii=False)
    lines = [f"- task {_line(each.task_id)} ({_line(each.title)}): {_claimed(each)}" for each in claims]
    more = len(lines) - MOST_NAMED
    shown = [*lines[:MOST_NAMED], *([f"- and {more} more tasks"] if more > 0 else [])]
    return "\n".join([prompt.rstrip(), "", CLAIMS_HEADING, *shown, ""])


CLAIMS_HEADING: Final = (
    "Other tasks are being worked on at the same time, and have claimed these files. Leave them alone unless your "
    "task cannot be done otherwise:"
)
"""The sentence before the files that others have claimed."""
MOST_NAMED: Final = 20
_MOST_CHARACTERS: Final = 300


def _claimed(claim: FileClaim) -> str:
    changes = _line(f"has changed {', '.join(claim.seen)}") if claim.seen else ""
    return "; ".join(each for each in (_line(", ".join(claim.files)), changes) if each)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}…"
