"""Reads the facts of all workspaces for one view: each in a thread of its own, so that none holds up the others."""

from __future__ import annotations

import time
from concurrent.futures import wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from aurora_cli.error_messages import error_report
from aurora_cli.run_names import named, parted
from aurora_cli.watch.facts import Facts, Reader, Wanted
from aurora_cli.workspaces.naming import named_detail, named_live
from aurora_cli.workspaces.readings import open_workspace
from aurora_cli.workspaces.side_by_side import beside
from aurora_core import AuroraCoreError
from aurora_core.workspaces import look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from aurora_cli.workspaces.readings import Opened
    from aurora_core.workspaces import Workspace
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.control.log_tail import LogTail, TailPiece

__all__ = ["WorkspacesReader"]

LOOK_S: Final = 2.0
"""The time that a look waits for a workspace; for one that was late the last time, none waits."""
CHANGED_S: Final = 0.25
"""The time between two looks whether a journal has changed: for many, these cost more than for one."""
OPENED_S: Final = 30.0
"""The time after which a workspace is opened anew: its settings, and the trust in them, may be others."""
Value = TypeVar("Value")


@dataclass(slots=True, kw_only=True)
class _Source:
    """One workspace: what was read of it last, and the call that reads it now."""

    workspace: Workspace
    also: str | None = None
    facts: Facts | None = None
    problem: str = ""
    read_at: float = field(default_factory=time.monotonic)
    busy: Future[object] | None = None
    """A call that has not returned; only one is made at a time."""
    _opened: Opened | None = None
    _opened_at: float = 0.0
    _reader: Reader | None = None

    @property
    def is_late(self) -> bool:
        return self.busy is not None and not self.busy.done()

    def begin(self, work: Callable[[], Value]) -> Future[Value] | None:
        """Starts a call; None while another has not returned."""
        if self.is_late:
            return None
        future = beside(work)
        self.busy = future  # type: ignore[assignment]
        return future

    def look(self, wanted: Wanted) -> None:
        """Reads the workspace again; what cannot be read becomes its problem."""
        try:
            opened = self._open()
            if opened.aurora is None:
                self._take(None, opened.problem)
                return
            if self._reader is None:
                name = self.workspace.name
                self._reader = Reader(opened.aurora, also=self.also, shown_as=lambda run_id: named(name, run_id))
            self._take(self._reader.look(wanted), opened.problem)
        except Exception as error:  # noqa: BLE001 -- the others go on; the report of a defect says that it is one
            report = error_report(error)
            self._take(None, " · ".join(filter(None, (report.message, report.hint))))

    def _take(self, facts: Facts | None, problem: str) -> None:
        if facts is None:
            self.close()
        self.facts, self.problem, self.read_at = facts, problem, time.monotonic()

    def _open(self) -> Opened:
        now, opened = time.monotonic(), self._opened
        if opened is None or now - self._opened_at >= OPENED_S or look_at(self.workspace).project is None:
            self.close()
            opened, self._opened_at = open_workspace(self.workspace), now
            self._opened = opened
        return opened

    def has_changed(self) -> bool:
        return self._reader is None or self._reader.has_changed()

    def tail(self, run_id: str, task_id: str, tail: LogTail) -> TailPiece | None:
        return None if self._reader is None else self._reader.tail(run_id, task_id, tail)

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class WorkspacesReader:
    """The facts of all workspaces as those of one: runs and questions are named with their workspace.

    Args:
        workspaces: Returns the list, at each look.
        also: A run, with its workspace, that is shown however old it is.
    """

    def __init__(
        self,
        workspaces: Callable[[], Sequence[Workspace]],
        *,
        also: str | None = None,
        limit_s: float = LOOK_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._workspaces = workspaces
        self._also = parted(also) if also else ("", "")
        self._limit_s = limit_s
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._list_problem = ""
        self._begun = False
        self._asked_at = float("-inf")

    def close(self) -> None:
        """Closes the journals of the workspaces that are not being read."""
        self._all((each for each in self._sources.values() if not each.is_late), lambda each: each.close)

    def has_changed(self) -> bool:
        """Returns True if a workspace that is not late has something new, as far as it is time to ask them."""
        if time.monotonic() - self._asked_at < CHANGED_S:
            return False
        self._asked_at = time.monotonic()
        found = self._all(self._sources.values(), lambda each: each.has_changed)
        return any(future.done() and (future.exception() or future.result()) for future in found)

    def look(self, wanted: Wanted) -> Facts:
        """Reads all workspaces; what cannot be read, or not in time, is among the problems.

        Raises:
            WorkspaceListError: At the first look: the list cannot be read.
        """
        self._bring_up_to_date()
        workspace, run_id = parted(wanted.run_id) if wanted.run_id else ("", "")

        def asked(source: _Source) -> Callable[[], None]:
            mine = replace(wanted, run_id=run_id) if source.workspace.name == workspace else Wanted()
            return lambda: source.look(mine)

        self._all(self._sources.values(), asked)
        return self._together(workspace)

    def tail(self, run_id: str, task_id: str, tail: LogTail) -> TailPiece | None:
        """Returns what a task has printed since the last read; None while its workspace is late.

        Raises:
            SpawnerError: The journal, or the output, cannot be read.
        """
        workspace, own_id = parted(run_id)
        source = self._sources.get(workspace)
        future = source.begin(lambda: source.tail(own_id, task_id, tail)) if source else None
        if future is None:
            return None
        wait([future], timeout=self._limit_s)
        return future.result() if future.done() else None

    def _all(self, sources: Iterable[_Source], work: Callable[[_Source], Callable[[], Value]]) -> list[Future[Value]]:
        """Calls what is given for each workspace beside the others, and waits for a time."""
        started = [future for each in list(sources) if (future := each.begin(work(each))) is not None]
        wait(started, timeout=self._limit_s)
        return started

    def _bring_up_to_date(self) -> None:
        """Takes workspaces that were added to the list, and drops those that were removed from it."""
        try:
            listed = self._workspaces()
            self._list_problem = ""
        except AuroraCoreError as error:
            if not self._begun:
                raise
            self._list_problem = str(error)
            return
        self._begun = True
        known = self._sources
        self._sources = {}
        for each in listed:
            kept = known.pop(each.name, None)
            also = self._also[1] if each.name == self._also[0] else None
            self._sources[each.name] = kept if kept and kept.workspace == each else _Source(workspace=each, also=also)
        self._all(known.values(), lambda each: each.close)

    def _together(self, workspace: str) -> Facts:
        read = {name: each.facts for name, each in self._sources.items() if each.facts is not None}
        runs = [named_live(name, live) for name, facts in read.items() for live in facts.runs]
        runs.sort(key=lambda each: each.run.created_at, reverse=True)
        if workspace not in read or not read[workspace].runs:
            workspace = parted(runs[0].run.run_id)[0] if runs else ""
        facts = read.get(workspace, Facts(at=0.0))
        spent = {
            named(name, run_id): cost for name, each in read.items() for run_id, cost in each.spending.by_run.items()
        }
        month = facts if workspace else next(iter(read.values()), facts)
        return replace(
            facts,
            at=self._clock(),
            runs=tuple(runs),
            selected=_selected(workspace, facts.selected),
            detail=named_detail(workspace, facts.detail) if facts.detail else None,
            gates=month.gates,
            spending=replace(month.spending, by_run=spent),
            problems=tuple(self._problems(read)),
        )

    def _problems(self, read: dict[str, Facts]) -> Iterable[str]:
        if self._list_problem:
            yield self._list_problem
        if not self._sources:
            yield "no workspace yet; add one with: aur workspace add PATH"
        for name, source in self._sources.items():
            if source.is_late:
                ago = time.monotonic() - source.read_at
                yield f"workspace {name} does not answer; what is shown of it is {ago:.0f} s old"
            elif source.problem:
                yield f"workspace {name}: {source.problem}"
            if name in read:
                yield from (f"workspace {name}: {problem}" for problem in read[name].problems)


def _selected(workspace: str, live: LiveRun | None) -> LiveRun | None:
    return named_live(workspace, live) if live else None
