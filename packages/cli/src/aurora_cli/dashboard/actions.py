"""Actions of a page: runs are steered, questions answered, and work is commented on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli import background
from aurora_cli.dashboard.comments import comments_in
from aurora_cli.render.words import count, one_line
from aurora_cli.watch.steering import Steering
from aurora_core import ProjectError
from aurora_soar.aurora.root import Aurora
from aurora_soar.errors import NoProjectError
from aurora_spawner.control.comment_file import CommentFileError
from aurora_spawner.control.lookup import is_held
from aurora_spawner.control.steering import unpause_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["act"]


def act(root: Path, given: Mapping[str, str]) -> str:
    """Does what the fields of a form ask for, as the command of that name does; returns a sentence for the user.

    The project is opened anew: configuration, policies and trust are those of now, however old the page is, and the
    notices of two actions at once do not mix.
    """
    try:
        with Aurora.open(root, existing=True) as aurora:
            return _Action(aurora, given).do()
    except (NoProjectError, ProjectError) as error:  # the folder was moved, or is another user's now
        return f"not done: {error}"


class _Action:
    """One action of a project; what fails becomes a sentence."""

    def __init__(self, aurora: Aurora, given: Mapping[str, str]) -> None:
        self._aurora = aurora
        self._journal = aurora.project.runs_db
        self._steering = Steering(aurora)
        self._given = given
        self._run_id = given.get("run", "")
        self._task_id = given.get("task") or None

    def do(self) -> str:
        steering, run_id = self._steering, self._run_id
        match self._given.get("do"):
            case "pause":
                said = steering.pause(run_id)
            case "cancel":
                said = steering.cancel(run_id, self._task_id)
            case "resume":
                said = steering.said(self._resume)
            case "retry":
                said = steering.said(lambda: self._start("--retry-failed"))
            case "comment" if self._task_id is not None:
                said = steering.said(lambda: self._comment(str(self._task_id)))
            case "approve" | "deny" | "always" as answer:
                said = self._answer(approved=answer != "deny", always=answer == "always")
            case "answer" if self._given.get("note", "").strip():
                said = self._answer(approved=True)
            case "answer":
                said = "not done: the answer is empty"
            case _:
                said = "nothing was done: the page asked for something that this server does not know"
        return said

    def _answer(self, *, approved: bool, always: bool = False) -> str:
        question, note = self._given.get("question", ""), self._given.get("note", "")
        return self._steering.answer(question, approved=approved, note=note, always=always)

    def _resume(self) -> str:
        """Continues a paused run in its process, and one without a process in the background."""
        if not is_held(self._journal, self._run_id):
            return self._start()
        unpause_run(self._journal, self._run_id)
        return f"{one_line(self._run_id)} continues"

    def _start(self, *more: str) -> str:
        from aurora_core import Memory  # with numpy

        plan = self._aurora.plan_resume(self._run_id)
        self._aurora.refresh_memory(plan.agents, Memory.index)
        background.start(self._aurora, self._run_id, more=more)
        return f"{one_line(self._run_id)} continues in the background"

    def _comment(self, task_id: str) -> str:
        run_id, given = self._run_id, self._given
        work = self._aurora.commentable_work(run_id, task_id)
        self._aurora.plan_resume(run_id)  # what would keep the run from going on is told before anything is sent
        if given.get("commit") != work.commit or given.get("base") != work.base:
            return "not done: the work has changed since this page was loaded; copy your comments, and load it again"
        try:
            comments = comments_in(given, work.diff, run_id=run_id, task_id=task_id)
        except CommentFileError as error:
            return f"not done: {error}"
        if not comments:
            return "no comments; nothing was sent"
        self._aurora.send_comments(run_id, task_id, comments, seen=work)
        return f"{count(len(comments), 'comment')} sent; {self._start()}"
