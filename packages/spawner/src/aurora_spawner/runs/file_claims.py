"""The file claims of a run: held from the start of a task to its end; tasks that declare the same files wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.tasks.file_claims import FileClaim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.tasks.task import SpawnTask


class FileClaims:
    """The claims that are held now, by task.

    Args:
        waits: A task that declares a claimed file waits; False lets it start.
        begun: Tasks that an earlier coordinator has started and that have not ended; they hold their files still.
    """

    def __init__(self, *, waits: bool, begun: Iterable[SpawnTask] = ()) -> None:
        self._waits = waits
        self._held = {str(task.id): FileClaim.of(task) for task in begun if task.files}
        self._unwritten = set(self._held)  # what an earlier coordinator has written may have ended with its run

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

    def release(self, task_id: str) -> None:
        """Gives up the claim of a task that has ended."""
        self._held.pop(task_id, None)
        self._unwritten.discard(task_id)

    def others(self, task: SpawnTask) -> list[FileClaim]:
        """Returns the claims of other tasks, without those of its own candidates."""
        group = FileClaim.of(task).group
        return [each for each in self._held.values() if each.group != group]
