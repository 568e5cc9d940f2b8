"""The file claims of a run: held from the start of a task to its end; tasks that declare the same files wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.file_claims import FileClaim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aurora_spawner.tasks.task import SpawnTask

MOST_SEEN: Final = 200
"""Files that are claimed for a task because it changes them; a task that rewrites a whole tree claims no more."""
_NONE_SEEN: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


class FileClaims:
    """The claims that are held now, by task.

    Attributes:
        contested: set when a task changes a file that another one has claimed; the forecast clears it.

    Args:
        waits: A task that declares a claimed file waits; False lets it start.
        begun: Tasks that an earlier coordinator has started and that have not ended; they hold their files still.
        seen: The files that these were seen to change.
    """

    def __init__(
        self,
        *,
        waits: bool,
        begun: Iterable[SpawnTask] = (),
        seen: Mapping[str, Sequence[str]] = _NONE_SEEN,
    ) -> None:
        self.contested = asyncio.Event()
        self._waits = waits
        claims = (replace(FileClaim.of(task), seen=tuple(seen.get(str(task.id), ()))) for task in begun)
        self._held = {claim.task_id: claim for claim in claims if claim.files or claim.seen}
        # What an earlier coordinator has written may have ended with its run.
        self._unwritten = {task_id for task_id, claim in self._held.items() if claim.files}

    def holder(self, task: SpawnTask) -> str | None:
        """Returns a task that a task has to wait for; None if it may start."""
        if not self._waits or not task.files or str(task.id) in self._held:
            return None
        claim = FileClaim.of(task)
        return next((each.task_id for each in self._held.values() if claim.common(each)), None)

    def take(self, task: SpawnTask) -> None:
        """Claims the files that a task declares, which starts now."""
        if task.files and str(task.id) not in self._held:
            self._held[str(task.id)] = FileClaim.of(task)
            self._unwritten.add(str(task.id))

    def take_unwritten(self, task_id: str) -> FileClaim | None:
        """Returns the claim of a task once, for the journal; None if it has none, or the journal was told."""
        if task_id not in self._unwritten:
            return None
        self._unwritten.discard(task_id)
        return self._held.get(task_id)

    def see(self, task: SpawnTask, files: Iterable[str]) -> tuple[str, ...]:
        """Claims the files that a running task changes; returns those that it had not claimed before.

        Nobody waits for them: who begins later is told, and the forecast looks at once where another has them.
        """
        claim = self._held.get(str(task.id)) or FileClaim.of(task)
        new = [path for path in dict.fromkeys(files) if not claim.means(path)][: MOST_SEEN - len(claim.seen)]
        if not new:
            return ()
        self._held[claim.task_id] = replace(claim, seen=(*claim.seen, *new))
        if any(other.means(path) for other in self.others(task) for path in new):
            self.contested.set()
        return tuple(new)

    def release(self, task_id: str) -> None:
        """Gives up the claim of a task that has ended."""
        self._held.pop(task_id, None)
        self._unwritten.discard(task_id)

    def others(self, task: SpawnTask) -> list[FileClaim]:
        """Returns the claims of other tasks, without those of its own candidates."""
        group = FileClaim.of(task).group
        return [each for each in self._held.values() if each.group != group]
