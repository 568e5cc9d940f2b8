"""Actions of the keys of the live view, as the commands do them; each returns a sentence for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.error_messages import error_report
from aurora_cli.render.approvals import answer_line
from aurora_cli.render.words import one_line
from aurora_soar.errors import SoarError
from aurora_soar.taskruns.resume import RUNS_OF_TASKS
from aurora_spawner.control.approvals import answer_approval, check_is_user
from aurora_spawner.control.steering import pause_run, unpause_run
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar import Aurora
    from aurora_soar.notices import Notice
    from aurora_spawner.control.approvals import ApprovalRow
    from aurora_spawner.control.live_runs import LiveRun

__all__ = ["Steering"]


class Steering:
    """The runs of one project, steered; what fails becomes a sentence, too, and so do the project's notices."""

    def __init__(self, aurora: Aurora) -> None:
        self._aurora = aurora
        self._journal = aurora.project.runs_db
        self._notices: list[Notice] = []
        aurora.notify = self._notices.append  # printed, they would be lost under the view

    def pause(self, run_id: str) -> str:
        """Pauses a run, as `aur pause` does."""

        def pause() -> str:
            pause_run(self._journal, run_id)
            return f"{one_line(run_id)} is paused: running tasks finish, no other starts; r resumes it"

        return self._said(pause)

    def resume(self, live: LiveRun) -> str:
        """Continues a paused run in its process; for a run without one, names the command that resumes it."""
        run_id = one_line(live.run.run_id)
        if live.status.pid is None:
            if live.run.kind not in RUNS_OF_TASKS:
                return f"{run_id} answers a question and cannot be resumed; ask it again"
            return f"no process works on {run_id}; resume it from a shell with: aur resume {run_id}"

        def resume() -> str:
            unpause_run(self._journal, live.run.run_id)
            return f"{run_id} continues"

        return self._said(resume)

    def cancel(self, run_id: str, task_id: str | None) -> str:
        """Cancels a run, or one of its tasks, as `aur cancel` does."""
        target = one_line(run_id if task_id is None else f"{run_id}/{task_id}", 160)

        def cancel() -> str:
            stood = self._aurora.cancel(run_id, task_id=task_id)
            if stood is None or not stood.settled:
                return f"cancelling {target}"
            return f"{target} is already {stood}; nothing changed"

        return self._said(cancel)

    def answer(self, asked: ApprovalRow, *, approved: bool, note: str = "", always: bool = False) -> str:
        """Answers a question, as `aur approve` and `aur deny` do."""

        def answer() -> str:
            check_is_user(asked.approval)
            return answer_line(
                answer_approval(self._journal, asked.approval, approved=approved, note=note, always=always)
            )

        return self._said(answer)

    def _said(self, action: Callable[[], str]) -> str:
        self._notices.clear()
        try:
            sentences = [action()]
        except (SpawnerError, SoarError, OSError) as error:
            found = error_report(error)
            sentences = [f"not done: {found.message}", found.hint]
        return " · ".join(filter(None, [*sentences, *(each.message for each in self._notices)]))
