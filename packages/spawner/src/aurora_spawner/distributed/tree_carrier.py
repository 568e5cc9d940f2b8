"""Carries the trees of a worker's attempts while their leases are kept, and says what became of each."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptRefusedError
from aurora_spawner.distributed.exchange import ExchangeError, until_carried
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.distributed.held_attempt import HeldAttempt
    from aurora_spawner.distributed.worker_preparation import PreparedPlace, WorkerPreparation
    from aurora_spawner.distributed.worker_trees import AgentPlace, WorkerTrees

    Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCarrier:
    """The trees of one worker's attempts."""

    worker: str
    pool: str
    trees: WorkerTrees | None
    """None if the pool names no repository here."""
    within_s: float
    tell: Callable[[str], None]

    async def bring_here(self, held: HeldAttempt, document: OrderDocument) -> AgentPlace:
        """Makes the worktree of an attempt; returns the place of its agent.

        Raises:
            AttemptRefusedError: This worker has no repository for trees, or the attempt was ended meanwhile.
            ExchangeError: The pool's repository cannot be reached, or does not have the commit.
            WorkspaceError: The worktree cannot be made.
        """
        trees = self._found()
        place = await held.during(self._carry(lambda: trees.begin(document), held), endable=True)
        return place if trees.preparation is None else await self._prepare(trees, trees.preparation, held, place)

    async def _prepare(
        self, trees: WorkerTrees, preparation: WorkerPreparation, held: HeldAttempt, place: AgentPlace
    ) -> AgentPlace:
        """Prepares a worktree, in a thread of its own: set-up may take minutes, and the shared ones carry others."""
        assert held.document is not None
        threads, ended = ThreadPoolExecutor(1, thread_name_prefix="aurora-setup"), threading.Event()
        call = partial(trees.prepare, preparation, held.document, token=held.token, stopped=ended.is_set)
        preparing = asyncio.get_running_loop().run_in_executor(threads, call)
        try:
            prepared = await held.during(_result(preparing), endable=True)
        finally:
            ended.set()
            # Nothing may be in the worktree when somebody removes it; what went wrong is no longer asked for then.
            await asyncio.gather(preparing, return_exceptions=True)
            threads.shutdown(wait=False)
        for sentence in prepared.notices:
            self.tell(f"attempt {held.token}: {sentence}")
        held.notices = prepared.notices
        return replace(place, variables={**place.variables, **prepared.variables})

    async def take_back(self, held: HeldAttempt, end: AttemptEnd) -> tuple[AttemptEnd, str]:
        """Commits and pushes what an attempt has left, without the lease, too: its coordinator decides what counts.

        Returns:
            Its end, which is another one if the work cannot be pushed and so stays here; and the commit that was
            pushed, "" for none.
        """
        document = held.document
        if document is None or document.tree is None:
            return end, ""
        try:
            return end, await held.during(self._push(held, document), endable=False)
        except (ExchangeError, WorkspaceError, AttemptRefusedError) as error:
            where = self.trees.place_of(document) if self.trees else "its own folder"
            problem = f"its work stays on worker {self.worker}, in {where}: {error}"
            self.tell(f"attempt {held.token}: {problem}")
            return replace(end, reason=EndReason.NOT_CARRIED, stderr=problem, stdout_path=None), ""

    async def _push(self, held: HeldAttempt, document: OrderDocument) -> str:
        trees = self._found()
        commit = await asyncio.to_thread(trees.commit, document, token=held.token)
        if commit:
            await self._carry(lambda: trees.push(document, commit, fence=held.beats.fence), held)
        return commit

    async def leave(self, held: HeldAttempt, *, accepted: bool, kept: bool) -> None:
        """Removes a worktree without work; that of a result which does not count goes to the attic.

        Args:
            kept: Its work was pushed, and is needed here until its coordinator has it.
        """
        document = held.document
        if document is None or document.tree is None or self.trees is None:
            return
        if not accepted:
            await self.put_away(held.token, document)
        elif not kept:
            try:
                await asyncio.to_thread(self.trees.drop, document)
            except WorkspaceError as error:
                self.tell(f"attempt {held.token}: its worktree stays: {error}")

    async def put_away(self, token: str, document: OrderDocument) -> None:
        """Puts the work of a lost attempt into the attic of this worker, and names it."""
        if self.trees is None:
            return
        try:
            refs = await asyncio.to_thread(self.trees.put_away, document)
        except WorkspaceError as error:
            self.tell(f"attempt {token}: its work stays where it is: {error}")
            return
        if refs:
            where = self.trees.folder / "repository"
            self.tell(f"attempt {token}: its work does not count; it is {', '.join(refs)} in {where}")

    async def clean(self) -> None:
        """Removes what is left of attempts whose work is safe; a repository that is away is asked again later."""
        if self.trees is None:
            return
        try:
            for sentence in await asyncio.to_thread(self.trees.clean):
                self.tell(sentence)
        except (ExchangeError, WorkspaceError) as error:
            self.tell(f"worktrees could not be looked through: {error}")

    def _found(self) -> WorkerTrees:
        if self.trees is None:
            where = f"`pools: {{{self.pool}: {{repository: …}}}}`"
            problem = f"worker {self.worker} has no {where} in its configuration, and the task has a tree"
            raise AttemptRefusedError(EndReason.NOT_TAKEN, problem)
        return self.trees

    def _carry(self, call: Callable[[], Answer], held: HeldAttempt) -> Coroutine[Any, Any, Answer]:
        return until_carried(
            call,
            within_s=self.within_s,
            stopped=lambda: held.beats.lost,
            tell=lambda problem: self.tell(f"attempt {held.token}: {problem}"),
        )


async def _result(preparing: asyncio.Future[PreparedPlace]) -> PreparedPlace:
    return await asyncio.shield(preparing)
