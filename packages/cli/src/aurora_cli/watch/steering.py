"""Actions of the keys of the live view, as the commands do them; each returns a sentence for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.error_messages import error_report
from aurora_cli.render.approvals import answer_line
from aurora_cli.render.words import one_line
from aurora_cli.run_names import named
from aurora_soar.taskruns.run_kinds import RESUMABLE
from aurora_spawner.control.approvals import answer_approval
from aurora_spawner.control.steering import pause_run, unpause_run
from aurora_spawner.conversations.kinds import SESSION_RUN

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_soar import Aurora
    from aurora_soar.notices import Notice
    from aurora_spawner.control.live_runs import LiveRun

__all__ = ["NOT_DONE", "Steering"]

NOT_DONE: Final = "not done: "
"""The beginning of the sentence about an action that nothing has come of."""


class Steering:
    """The runs of one project, steered; what fails becomes a sentence, too, and so do the project's notices.

    Args:
        workspace: Its name among all workspaces, with which its runs are named; "" if it is shown alone.
    """

    def __init__(self, aurora: Aurora, *, workspace: str = "") -> None:
        self._aurora = aurora
        self._workspace = workspace
        self._journal = aurora.project.runs_db
        self._notices: list[Notice] = []
        aurora.notify = self._notices.append  # printed, they would be lost under the view

    def pause(self, run_id: str) -> str:
        """Pauses a run, as `aur pause` does."""

        def pause() -> str:
            pause_run(self._journal, run_id)
            return f"{self.name(run_id)} is paused: running tasks finish, no other starts until it is resumed"

        return self.said(pause)

    def resume(self, live: LiveRun) -> str:
        """Continues a paused run in its process; for a run without one, names the command that resumes it."""
        run_id = self.name(live.run.run_id)
        if live.status.pid is None:
            if live.run.kind == SESSION_RUN:
                return f"no process works on {run_id}; continue it from a shell with: aur interact --resume {run_id}"
            if live.run.kind not in RESUMABLE:
                return f"{run_id} is a part of a question; resume the question, and it goes on, too"
            return f"no process works on {run_id}; resume it from a shell with: aur resume {run_id}"

        def resume() -> str:
            unpause_run(self._journal, live.run.run_id)
            return f"{run_id} continues"

        return self.said(resume)

    def cancel(self, run_id: str, task_id: str | None) -> str:
        """Cancels a run, or one of its tasks, as `aur cancel` does."""
        target = self.name(run_id) if task_id is None else one_line(f"{self.name(run_id)}/{task_id}", 160)

        def cancel() -> str:
            stood = self._aurora.cancel(run_id, task_id=task_id)
            if stood is None or not stood.settled:
                return f"cancelling {target}"
            return f"{target} is already {stood}; nothing changed"

        return self.said(cancel)

    def answer(self, approval: str, *, approved: bool, note: str = "", always: bool = False, user: str = "") -> str:
        """Answers a question, as `aur approve` and `aur deny` do; one of an agent by `note`, as `aur answer` does.

        Args:
            user: The name of a user who has signed in.
        """

        def answer() -> str:
            report = answer_approval(self._journal, approval, approved=approved, note=note, always=always, user=user)
            return answer_line(report, shown_as=self.name)

        return self.said(answer)

    def name(self, run_id: str) -> str:
        """Returns the name of a run, or of a question, as it is shown here."""
        return one_line(named(self._workspace, run_id), 160)

    def said(self, action: Callable[[], str]) -> str:
        """Does something; returns its sentence, or that of its error, with the notices that came of it."""
        self._notices.clear()
        try:
            sentences = [action()]
        except Exception as error:  # noqa: BLE001 - the view goes on; the report of a defect says that it is one
            found = error_report(error)
            where = f"workspace {self._workspace}: " if self._workspace else ""
            sentences = [f"{NOT_DONE}{where}{found.message}", found.hint]
        return " · ".join(filter(None, [*sentences, *(each.message for each in self._notices)]))
