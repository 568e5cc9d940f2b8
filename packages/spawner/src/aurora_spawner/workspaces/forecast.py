"""Conflicts that will come, found while agents still run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.merging import PlainMerger
from aurora_spawner.workspaces.present import present_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.merging import Merger, TreeMerge
    from aurora_spawner.workspaces.worktrees import Worktree


_Found = TypeVar("_Found")
_AT_ONCE: Final = 4
"""Questions to git that wait side by side: on a busy machine each of them waits long for a processor."""
_NO_FILES: Final = (frozenset[str](), frozenset[str]())


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedWork:
    """The work of a task that has ended and is not merged yet."""

    task_id: str
    base: str
    """The commit that the task started from."""
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Two tasks whose work conflicts as it stands."""

    first: str
    """The id of a task."""
    second: str
    files: tuple[str, ...]
    """The files in conflict; git may name none."""


@dataclass(frozen=True, slots=True)
class _State:
    """The files that a task has changed, and what tells one state of them from the next."""

    files: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    """Those of the files that it has deleted or renamed."""
    mark: tuple[object, ...] = ()
    head: str = ""
    """The commit that is checked out."""
    committed: tuple[frozenset[str], frozenset[str]] = _NO_FILES
    """The files that differ between the task's base and that commit, and those of them that are gone."""

    def may_meet(self, other: _State) -> bool:
        """Returns True if a merge of the two is worth trying.

        Two agents meet in a file, in a folder that one of them has taken files out of (it may have renamed it), or in
        a name that is a file for one and a folder for the other.
        """
        if not self.files or not other.files:
            return False
        return not (
            self.files.isdisjoint(other.files)
            and _renamed_folders(self.gone).isdisjoint(_all_folders(other.files))
            and _renamed_folders(other.gone).isdisjoint(_all_folders(self.files))
            and self.files.isdisjoint(_all_folders(other.files))
            and other.files.isdisjoint(_all_folders(self.files))
        )


class Forecaster:
    """Merges the present work of tasks, to find what conflicts; nothing in it changes.

    It remembers what it has compared: work that has not changed costs one question to git, finished work none.

    Args:
        merger: of the merge that is foreseen; git alone if None.

    Attributes:
        problems: what the last look could not see, and why. No conflict is known of it, which is not to say that
            there is none.
    """

    def __init__(self, git: Git, merger: Merger | None = None) -> None:
        self._git = git
        self._merger = merger or PlainMerger(git)
        self._states: dict[str, _State] = {}
        self._commits: dict[str, tuple[_State, str]] = {}
        self._merges: dict[tuple[str, str], TreeMerge] = {}
        self._found: dict[tuple[str, str], Forecast] = {}
        self.problems: tuple[str, ...] = ()

    def look(self, works: Sequence[Worktree | FinishedWork]) -> list[Forecast]:
        """Compares the work of each two tasks that changed a common file or folder, unless both have ended.

        Finished work is compared by the merge.

        Args:
            works: The worktrees of tasks that run, and the work of others. A pair that cannot be compared now, since
                an agent changes files at this moment, is tried once more, then is as it was at the last look, and
                one of `problems`.
        """
        problems: list[str] = []
        if all(isinstance(each, FinishedWork) for each in works):
            self.problems = ()
            return []
        pairs = [pair for pair in combinations(works, 2) if not all(isinstance(each, FinishedWork) for each in pair)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = threads.map(lambda work: self._state_of(work, problems), works)
            states = {work.task_id: state for work, state in zip(works, found, strict=True) if state is not None}
            meeting = {work.task_id: work for pair in pairs for work in pair if _may_meet(pair, states)}
            made = threads.map(lambda work: self._commit_of(work, states[work.task_id], problems), meeting.values())
            commits = dict(zip(meeting, made, strict=True))
            forecasts = list(threads.map(lambda pair: self._compared(pair, states, commits, problems), pairs))
        known = set(commits.values())
        self._states, self.problems = states, tuple(problems)
        self._merges = {pair: merge for pair, merge in self._merges.items() if known.issuperset(pair)}
        self._found = {(each.first, each.second): each for each in forecasts if each is not None}
        return list(self._found.values())

    def changed(self, task_id: str) -> frozenset[str]:
        """Returns the files that a task had changed at the last look; none if it could not be looked at."""
        state = self._states.get(task_id)
        return frozenset() if state is None else state.files

    def _compared(
        self,
        pair: tuple[Worktree | FinishedWork, Worktree | FinishedWork],
        states: Mapping[str, _State],
        commits: Mapping[str, str],
        problems: list[str],
    ) -> Forecast | None:
        """Returns the conflict of two works, that of the last look if they cannot be compared; None without one."""
        names = (pair[0].task_id, pair[1].task_id)
        if not states.keys() >= set(names):
            return self._found.get(names)
        if not _may_meet(pair, states):
            return None
        if not all(commits[name] for name in names):
            return self._found.get(names)
        try:
            files = _tried_twice(lambda: self._conflicts(commits[names[0]], commits[names[1]]))
        except (WorkspaceError, OSError) as error:
            problems.append(f"{' and '.join(names)}: {error}")
            return self._found.get(names)
        return None if files is None else Forecast(first=names[0], second=names[1], files=files)

    def _conflicts(self, one: str, other: str) -> tuple[str, ...] | None:
        """Returns the files in which two commits conflict; None if nothing does.

        Raises:
            WorkspaceError, OSError: They cannot be merged.
        """
        merge = self._merges.get((one, other)) or self._merger.preview(one, other)
        self._merges[one, other] = merge
        return None if merge.is_clean else merge.conflicts

    def _state_of(self, work: Worktree | FinishedWork, problems: list[str]) -> _State | None:
        known = self._states.get(work.task_id)
        try:
            if not isinstance(work, FinishedWork):
                return _tried_twice(lambda: _present(work, known))
            mark = (work.base, work.commit)
            if known and known.mark == mark:
                return known
            return _State(*_tried_twice(lambda: _named(self._git, *mark)), mark)
        except (WorkspaceError, OSError) as error:
            problems.append(f"{work.task_id}: {error}")  # gone, or in the middle of a change
            return None

    def _commit_of(self, work: Worktree | FinishedWork, state: _State, problems: list[str]) -> str:
        """Returns the present state of a work as a commit, made once for each state; "" if that cannot be now."""
        if isinstance(work, FinishedWork):
            return work.commit
        known = self._commits.get(work.task_id)
        if known is None or known[0] != state:
            try:
                known = (state, _tried_twice(lambda: present_commit(work, "forecast")))
            except (WorkspaceError, OSError) as error:
                problems.append(f"{work.task_id}: {error}")  # its agent changes files at this moment, or it is gone
                return ""
            self._commits[work.task_id] = known
        return known[1]


def _tried_twice(look: Callable[[], _Found]) -> _Found:
    """Returns what a look finds; a second one is made if the first fails, as it does while an agent writes."""
    try:
        return look()
    except (WorkspaceError, OSError):
        return look()


def _may_meet(pair: tuple[Worktree | FinishedWork, ...], states: Mapping[str, _State]) -> bool:
    found = [states[work.task_id] for work in pair if work.task_id in states]
    return len(found) == len(pair) and found[0].may_meet(found[1])


def _present(worktree: Worktree, before: _State | None) -> _State:
    git = worktree.git
    # Without a lock on the index, which the agent's own git may want.
    listing = ("status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all")
    entries = git.run("--no-optional-locks", *listing).fields
    head = next((entry.split()[-1] for entry in entries if entry.startswith("# branch.oid ")), "")
    changed = [_name_in(entry) for entry in entries if not entry.startswith("#")]
    committed = _NO_FILES
    if head != worktree.base:
        committed = before.committed if before and before.head == head else _named(git, worktree.base, head)
    stamps = {name: _stamp(worktree.path / name) for name in changed}
    gone = committed[1].union(name for name, stamp in stamps.items() if stamp is None)
    return _State(committed[0].union(changed), gone, (head, *entries, *stamps.values()), head, committed)


def _name_in(entry: str) -> str:
    """Returns the file of an entry of git's second format, in which its place depends on the kind of the entry."""
    fields = {"?": 1, "!": 1, "1": 8, "u": 10}[entry[0]]
    return entry.split(" ", fields)[fields]


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size  # a copy may have kept size and time


def _named(git: Git, base: str, commit: str) -> tuple[frozenset[str], frozenset[str]]:
    """Returns the files that differ between two commits, and those of them that the second one has no longer."""
    how = ("diff-tree", "-r", "--no-commit-id", "--name-status", "--no-renames", "-z")
    fields = git.run(*how, base, commit).fields
    kinds = dict(zip(fields[1::2], fields[::2], strict=True))
    return frozenset(kinds), frozenset(name for name, kind in kinds.items() if kind == "D")


def _renamed_folders(gone: frozenset[str]) -> frozenset[str]:
    """Returns the folders that may have another name now that these files are gone; with a folder, its parents."""
    return _all_folders(gone) - {"."} | frozenset(str(Path(name).parent) for name in gone)


def _all_folders(files: frozenset[str]) -> frozenset[str]:
    return frozenset(str(parent) for name in files for parent in Path(name).parents)
