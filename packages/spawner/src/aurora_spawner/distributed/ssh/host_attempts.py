"""The attempts on a host: each has a folder, in which a claim decides that it runs once, and a result how it ended.

Any number of processes may act on one attempt, since a lost connection may leave one behind. What takes several steps
is done under the lock of the attempt; a step that was cut off is done again by whoever is asked next.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, RunningAttempt
from aurora_spawner.distributed.activity import activity
from aurora_spawner.distributed.documents import DocumentError, EndDocument, OrderDocument, Result
from aurora_spawner.distributed.exchange import ExchangeError
from aurora_spawner.distributed.worker_orders import Inheritance, order_for, result_of, where_it_worked
from aurora_spawner.distributed.worker_trees import AgentPlace
from aurora_spawner.errors import AttemptRecordError, BackendError
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.command import CommandBackend
    from aurora_spawner.distributed.worker_trees import WorkerTrees

FENCE: Final = 1
"""That of all results: a host decides once how an attempt ended, so there is nothing to fence off from each other."""
KEPT_S: Final = 7 * 86_400.0
"""The time for which a result stays here after its coordinator has had it."""
_LIFE_EVERY_S: Final = 2.0
_PAUSE_S: Final = 0.01
_CLAIMED_WITHIN_S: Final = 10.0

_FAILURES: Final = (DocumentError, BackendError, ExchangeError, WorkspaceError, AttemptRefusedError, OSError)

State = Literal["running", "over", "voided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """The offer of a host to coordinators."""

    name: str
    """That of the machine, for people."""
    place: Path
    """The folder of attempts and trees."""
    cwd: Path
    """The folder in which agents work that have no tree."""
    backends: Mapping[str, CommandBackend]
    """The agents that it runs, by name; an order for any other is refused."""
    executor: Callable[[str], Executor]
    """Builds the executor for a use of a sandbox: off, auto or require."""
    environ: Mapping[str, str]
    life_every_s: float = _LIFE_EVERY_S


@dataclass(slots=True, kw_only=True)
class HostAttempts:
    """The attempts of one host, as one of its processes sees them."""

    options: HostOptions
    trees: WorkerTrees
    _inheritance: Inheritance = field(init=False)
    _executors: dict[str, Executor] = field(default_factory=dict)
    _running: dict[str, tuple[RunningAttempt, Executor]] = field(default_factory=dict)
    """Those that this process has started or adopted, by token."""

    def __post_init__(self) -> None:
        self._inheritance = Inheritance(self.options.environ)

    async def start(self, token: str, order: str) -> State:
        """Starts an attempt that has not begun; returns what it is then."""
        folder = self._folder(token)
        async with _turn_of(folder):
            if _result(folder).exists():
                return "over"
            if (found := _claimed(folder)) is not None:
                return found
            try:
                await self._begin(token, folder, order)
            except _FAILURES as error:
                if AttemptFolder(path=folder).void(token):
                    await asyncio.to_thread(_keep, folder, self._unbegun(error), "")
                    return "over"
            return self.adopt(token)

    async def _begin(self, token: str, folder: Path, order: str) -> None:
        options, document = self.options, OrderDocument.parse(order)
        backend = options.backends.get(document.agent)
        if backend is None:
            allowed = ", ".join(sorted(options.backends)) or "none"
            raise BackendError(document.agent, f"{options.name} does not run it; it runs: {allowed}")
        self._take_key(token, document)
        _write_new(_order(folder), order.encode())
        place = AgentPlace(cwd=options.cwd, variables={})
        if document.tree is not None:
            place = await asyncio.to_thread(self.trees.begin, document)
        ordered = order_for(
            document,
            backend,
            token=token,
            folder=folder,
            cwd=place.cwd,
            inheritance=self._inheritance,
            variables=place.variables,
            hook=None,  # the agents of a host are commands, which have none
        )
        executor = self._executor(document.sandbox)
        running = await executor.start(ordered)
        self._running[token] = running, executor
        end = time.monotonic() + _CLAIMED_WITHIN_S  # whoever asks without a claim voids it
        while not AttemptFolder(path=folder).claim.exists() and time.monotonic() < end:  # noqa: ASYNC110 -- a file
            await asyncio.sleep(_PAUSE_S)

    def _take_key(self, token: str, document: OrderDocument) -> None:
        """Notes whose attempt it is at this task: two coordinators of one run cannot both start it.

        Raises:
            AttemptRefusedError: Another one has started it.
        """
        key = "\0".join((document.run_id, document.task_id, str(document.number)))
        place = self.options.place / "keys"
        make_private_folder(place)
        link = place / hashlib.sha256(key.encode()).hexdigest()
        try:
            link.symlink_to(token)
        except FileExistsError:
            if str(link.readlink()) != token:
                problem = "another coordinator has sent this attempt; only one may execute a run"
                raise AttemptRefusedError(EndReason.NOT_TAKEN, problem) from None

    def _unbegun(self, error: Exception) -> AttemptEnd:
        """Returns the end of an attempt that cannot begin here."""
        if isinstance(error, OSError):
            return AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=error.errno or 0)
        if isinstance(error, ExchangeError | WorkspaceError):
            problem = f"{self.options.name} could not get its tree: {error}"
            return AttemptEnd(reason=EndReason.NOT_CARRIED, stderr=problem)
        reason = error.reason if isinstance(error, AttemptRefusedError) else EndReason.NOT_TAKEN
        return AttemptEnd(reason=reason, stderr=str(error))

    def adopt(self, token: str) -> State:
        """Returns what an attempt is; one that has not begun never will."""
        folder = self._folder(token)
        if not _result(folder).exists() and AttemptFolder(path=folder).void(token):
            return "voided"
        return "over" if _result(folder).exists() else (_claimed(folder) or "voided")

    async def cancel(self, token: str, *, at_once: bool) -> State:
        """Asks for the end of an attempt, which `collect` waits for; returns what it is."""
        state = self.adopt(token)
        if state == "running":
            found = await self._find(token)
            if not isinstance(found, AttemptEnd):
                running, executor = found
                executor.cancel(running, at_once=at_once)
        return state

    async def collect(self, token: str, on_life: Callable[[], None]) -> AttemptEnd | None:
        """Waits until no process of an attempt runs; returns its end, None if that is written down already."""
        if _result(self._folder(token)).exists():
            return None
        found = await self._find(token)
        if isinstance(found, AttemptEnd):
            return found
        running, executor = found
        collecting, seen = asyncio.ensure_future(executor.collect(running)), (0, 0)
        try:
            while not (await asyncio.wait({collecting}, timeout=self.options.life_every_s))[0]:
                now = activity(AttemptFolder(path=running.folder))
                if now != seen:
                    seen = now
                    on_life()
            return await collecting
        finally:
            collecting.cancel()

    async def result(self, token: str, end: AttemptEnd | None) -> bytes:
        """Returns the result of an attempt that has ended; commits its work and writes the result down before.

        Args:
            end: As this process has seen it; whoever is first writes it down.
        """
        folder = self._folder(token)
        async with _turn_of(folder):
            if not _result(folder).exists():
                assert end is not None
                if _claimed(folder) == "voided":
                    end = AttemptEnd(reason=EndReason.VOIDED)
                await asyncio.to_thread(self._finish, token, folder, end)
            packed = await asyncio.to_thread(_result(folder).read_bytes)
        self._running.pop(token, None)
        return packed

    def given(self, token: str) -> None:
        """Notes that a coordinator has had the result."""
        with suppress(OSError):
            (self._folder(token) / "given").touch(mode=0o600)

    def _finish(self, token: str, folder: Path, end: AttemptEnd) -> None:
        try:
            document = OrderDocument.parse(_order(folder).read_text(encoding="utf-8"))
        except (OSError, DocumentError):  # voided before its order came
            _keep(folder, end, "")
            return
        commit = ""
        if document.tree is not None and end.reason is not EndReason.VOIDED:
            backend = self.options.backends.get(document.agent)
            if backend is not None:
                end = where_it_worked(end, folder, backend, self.trees.found(document).cwd)
            end, commit = self._take_back(token, document, end)
        _keep(folder, end, commit)

    def _take_back(self, token: str, document: OrderDocument, end: AttemptEnd) -> tuple[AttemptEnd, str]:
        """Commits what an attempt has left, finished or not, for its coordinator to fetch."""
        try:
            commit = self.trees.commit(document, token=token)
            if commit:
                self.trees.push(document, commit, fence=FENCE)
            else:
                self.trees.drop(document)
        except (ExchangeError, WorkspaceError) as error:
            where = self.trees.place_of(document)
            problem = f"its work stays on {self.options.name}, in {where}: {error}"
            return replace(end, reason=EndReason.NOT_CARRIED, stderr=problem, stdout_path=None), ""
        return end, commit

    async def _find(self, token: str) -> tuple[RunningAttempt, Executor] | AttemptEnd:
        """Finds the supervisor of an attempt, or the end that it has left."""
        if token not in self._running:
            executor = self._executor("off")
            found = await executor.adopt(token=token, folder=self._folder(token), supervisor=None)
            if isinstance(found, AttemptEnd):
                return found
            self._running[token] = found, executor
        return self._running[token]

    def _folder(self, token: str) -> Path:
        """Returns the folder of an attempt; a token is one word, as requests are read."""
        return self.options.place / "attempts" / token

    def _executor(self, sandbox: str) -> Executor:
        if sandbox not in self._executors:
            self._executors[sandbox] = self.options.executor(sandbox)
        return self._executors[sandbox]

    def close(self) -> None:
        """Lets go of all attempts, which continue."""
        for executor in self._executors.values():
            executor.close()

    def sweep(self, now: float) -> None:
        """Removes what nobody asks for any more: results that were had, and attempts that never began.

        Other connections of the host may do the same at this moment.
        """
        for folder in sorted((self.options.place / "attempts").glob("*")):
            files = AttemptFolder(path=folder)
            with suppress(OSError):
                unbegun = _claimed(folder) == "voided"
                last = files.claim if unbegun and not _result(folder).exists() else folder / "given"
                if last.stat().st_mtime < now - KEPT_S:
                    if unbegun:
                        self._drop_tree(folder)
                    shutil.rmtree(folder)
        for link in (self.options.place / "keys").glob("*"):
            with suppress(OSError):
                if not self._folder(str(link.readlink())).exists():
                    link.unlink(missing_ok=True)

    def _drop_tree(self, folder: Path) -> None:
        """Removes the worktree of an attempt that did not begin."""
        with suppress(OSError, DocumentError, WorkspaceError):
            document = OrderDocument.parse(_order(folder).read_text(encoding="utf-8"))
            if document.tree is not None:
                self.trees.drop(document)


def _result(folder: Path) -> Path:
    return folder / "result"


def _order(folder: Path) -> Path:
    return folder / "order"


def _claimed(folder: Path) -> State | None:
    """Returns what the claim of an attempt says; None without one."""
    files = AttemptFolder(path=folder)
    if not files.claim.exists():
        return None
    try:
        return "voided" if files.read_claim().get("voided") else "running"
    except AttemptRecordError:
        return "running"


def _keep(folder: Path, end: AttemptEnd, commit: str) -> None:
    """Writes down how an attempt ended, which is what counts from now on; its output is in it."""
    try:
        packed = result_of(end, folder, commit).pack()
    except DocumentError as error:
        end_document = EndDocument(reason=EndReason.NOT_TAKEN)
        packed = Result(end=end_document, stderr=str(error).encode(), commit=commit).pack()
    make_private_folder(folder)
    _write_new(_result(folder), packed)
    files = AttemptFolder(path=folder)
    for each in (files.stdout, files.stderr, files.prompt):
        each.unlink(missing_ok=True)


def _write_new(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all; the caller holds the lock of its attempt."""
    draft = path.with_name(f"{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@asynccontextmanager
async def _turn_of(folder: Path) -> AsyncIterator[None]:
    """Holds the lock of an attempt; the kernel releases it however this process ends."""
    make_private_folder(folder)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)
