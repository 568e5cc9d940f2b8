"""Actions of a page: runs are steered, questions answered, and work is commented on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli import background
from aurora_cli.dashboard.comments import comments_in
from aurora_cli.error_messages import error_report
from aurora_cli.errors import CliError
from aurora_cli.render.words import count, one_line
from aurora_cli.watch.steering import Steering
from aurora_core import AuroraCoreError
from aurora_soar.errors import SoarError
from aurora_spawner.control.approvals import find_approval
from aurora_spawner.control.comment_file import CommentFileError
from aurora_spawner.control.lookup import is_held
from aurora_spawner.control.steering import unpause_run
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_soar import Aurora

__all__ = ["Actions"]


class Actions:
    """The actions of one project, each as the command of its name does it; what fails becomes a sentence."""

    def __init__(self, aurora: Aurora) -> None:
        self._aurora = aurora
        self._journal = aurora.project.runs_db

    def do(self, given: Mapping[str, str]) -> str:
        """Does what the fields of a form ask for; returns a sentence for the user."""
        try:
            return self._do(given)
        except CommentFileError as error:
            return f"not done: {error}"
        except (SpawnerError, SoarError, AuroraCoreError, CliError, OSError) as error:
            found = error_report(error)
            return " · ".join(filter(None, (f"not done: {found.message}", found.hint)))

    def _do(self, given: Mapping[str, str]) -> str:
        steering = Steering(self._aurora)
        run_id, task_id = given.get("run", ""), given.get("task") or None
        match given.get("do"):
            case "pause":
                said = steering.pause(run_id)
            case "cancel":
                said = steering.cancel(run_id, task_id)
            case "resume":
                said = self._resume(run_id)
            case "retry":
                said = self._start(run_id, "--retry-failed")
            case "comment" if task_id is not None:
                said = self._comment(run_id, task_id, given)
            case "approve" | "deny" | "always" as answer:
                said = self._answer(steering, answer, given)
            case _:
                said = "nothing was done: the page asked for something that this server does not know"
        return said

    def _answer(self, steering: Steering, answer: str, given: Mapping[str, str]) -> str:
        asked = find_approval(self._journal, given.get("question", ""))
        note, always = given.get("note", ""), answer == "always"
        return steering.answer(asked, approved=answer != "deny", note=note, always=always)

    def _resume(self, run_id: str) -> str:
        """Continues a paused run in its process, and one without a process in the background."""
        if not is_held(self._journal, run_id):
            return self._start(run_id)
        unpause_run(self._journal, run_id)
        return f"{one_line(run_id)} continues"

    def _start(self, run_id: str, *more: str) -> str:
        from aurora_core import Memory  # with numpy

        plan = self._aurora.plan_resume(run_id)
        self._aurora.refresh_memory(plan.agents, Memory.index)
        background.start(self._aurora, run_id, more=more)
        return f"{one_line(run_id)} continues in the background"

    def _comment(self, run_id: str, task_id: str, given: Mapping[str, str]) -> str:
        work = self._aurora.commentable_work(run_id, task_id)
        self._aurora.plan_resume(run_id)  # what would keep the run from going on is told before anything is sent
        if given.get("commit") != work.commit or given.get("base") != work.base:
            return "not done: the work has changed since this page was loaded; copy your comments, and load it again"
        comments = comments_in(given, work.diff, run_id=run_id, task_id=task_id)
        if not comments:
            return "no comments; nothing was sent"
        self._aurora.send_comments(run_id, task_id, comments, seen=work)
        return f"{count(len(comments), 'comment')} sent; {self._start(run_id)}"
