"""Actions of a page: runs are steered, questions answered, work is commented on, and turns are said in sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from aurora_cli import background
from aurora_cli.dashboard.comments import comments_in
from aurora_cli.render.words import count
from aurora_cli.watch.steering import NOT_DONE, Steering
from aurora_core import ProjectError
from aurora_soar.aurora.root import Aurora
from aurora_soar.errors import NoProjectError
from aurora_spawner.control.comment_file import CommentFileError
from aurora_spawner.control.lookup import is_held
from aurora_spawner.control.steering import cancel_run, unpause_run
from aurora_spawner.control.talking import say_in_session
from aurora_spawner.control.user_acts import record_act
from aurora_spawner.conversations.transcript import checked_turn
from aurora_spawner.journal.approval_facts import UserActed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_cli.dashboard.visitors import Visitor

__all__ = ["ANSWERS", "Act", "act", "refuse"]

ACT_CHARS: Final = 40
"""The part of the name of an act that is kept; a form may say anything there."""
ANSWERS: Final = frozenset({"approve", "deny", "always", "answer"})
"""Acts about a question; all others are about a run, whatever question a form names beside it."""


class Act(Protocol):
    """Something that is done about the fields of a form, in the project of a folder."""

    def __call__(self, root: Path, given: Mapping[str, str], visitor: Visitor, *, workspace: str = "") -> str:
        """Returns a sentence for the user."""


def act(root: Path, given: Mapping[str, str], visitor: Visitor, *, workspace: str = "") -> str:
    """Does what the fields of a form ask for, as the command of that name does; returns a sentence for the user.

    The project is opened anew: configuration, policies and trust are those of now, however old the page is, and the
    notices of two actions at once do not mix.

    Args:
        workspace: The name with which the sentence names runs; "" if the project is shown alone.
    """
    return _opened(root, lambda aurora: _Action(aurora, given, visitor, workspace).do())


def refuse(root: Path, given: Mapping[str, str], visitor: Visitor, *, workspace: str = "") -> str:
    """Writes down in the journal what a user wanted and may not do; returns a sentence for the user."""
    wanted = given.get("do", "")[:ACT_CHARS]
    why = f"{visitor.user} (role {visitor.role}) may not do that ({wanted})"
    said = _opened(root, lambda aurora: _Action(aurora, given, visitor, workspace).recorded(lambda: "", refused=why))
    return f"{NOT_DONE}{why}" + (f"; {said.removeprefix(NOT_DONE)}" if said else "")


def _opened(root: Path, what: Callable[[Aurora], str]) -> str:
    try:
        with Aurora.open(root, existing=True) as aurora:
            return what(aurora)
    except (NoProjectError, ProjectError) as error:  # the folder was moved, or is another user's now
        return f"{NOT_DONE}{error}"


class _Action:
    """One action of a project; what fails becomes a sentence."""

    def __init__(self, aurora: Aurora, given: Mapping[str, str], visitor: Visitor, workspace: str) -> None:
        self._aurora = aurora
        self._visitor = visitor
        self._journal = aurora.project.runs_db
        self._steering = Steering(aurora, workspace=workspace)
        self._given = given
        self._run_id = given.get("run", "")
        self._task_id = given.get("task") or None

    def do(self) -> str:
        """Does it; what a user who has signed in wants is in the journal before it is tried."""
        return self.recorded(self._do)

    def recorded(self, what: Callable[[], str], *, refused: str = "") -> str:
        """Does something after it was written down, if the visitor has signed in."""
        visitor, given = self._visitor, self._given
        if not visitor.user:
            return what()
        wanted = UserActed(
            act=given.get("do", "")[:ACT_CHARS],
            user=visitor.user,
            role=visitor.role.value,
            issuer=visitor.issuer,
            subject=visitor.subject,
            approval=given.get("question", "") if given.get("do") in ANSWERS else "",
            refused=refused,
        )

        def record() -> str:
            record_act(self._journal, wanted, run_id=self._run_id, task_id=self._task_id)
            return ""

        return self._steering.said(record) or what()

    def _do(self) -> str:
        steering, run_id = self._steering, self._run_id
        match self._given.get("do"):
            case "pause":
                said = steering.pause(run_id)
            case "cancel":
                said = steering.cancel(run_id, self._task_id)
            case "interrupt":
                said = steering.said(self._interrupt)
            case "say":
                said = steering.said(self._say)
            case "resume":
                said = steering.said(self._resume)
            case "retry":
                said = steering.said(lambda: self._start("--retry-failed"))
            case "comment" if self._task_id is not None:
                said = steering.said(lambda: self._comment(str(self._task_id)))
            case "approve" | "deny" | "always" as answer:
                said = self._answer(approved=answer != "deny", always=answer == "always")
            case "answer":
                said = self._answer_in_words()
            case _:
                said = "nothing was done: the page asked for something that this server does not know"
        return said

    def _answer_in_words(self) -> str:
        given = self._given.get("note", "").strip()
        return self._answer(approved=True) if given else f"{NOT_DONE}the answer is empty"

    def _answer(self, *, approved: bool, always: bool = False) -> str:
        question, note = self._given.get("question", ""), self._given.get("note", "")
        return self._steering.answer(question, approved=approved, note=note, always=always, user=self._visitor.user)

    def _interrupt(self) -> str:
        cancel_run(self._journal, self._run_id)
        return "the turn is being interrupted"

    def _say(self) -> str:
        """Says a turn in a session; one without a process is held in the background from then on."""
        words, run_id = checked_turn(self._given.get("text", "").replace("\r\n", "\n")), self._run_id
        if not words.strip():
            return f"{NOT_DONE}the turn is empty"
        session, name = self._aurora.read_session(run_id), self._steering.name(run_id)
        if not session.held:
            if session.transcript.team_works:
                return f"{NOT_DONE}its team has not done its work; first: aur interact --resume {name}"
            background.hold_session(self._aurora, run_id)
        number = say_in_session(self._journal, run_id, words)
        if number is None:
            return f"{NOT_DONE}another turn runs; say yours once it is over, or interrupt that one"
        return f"turn {number} is said"

    def _resume(self) -> str:
        """Continues a paused run in its process, and one without a process in the background."""
        if not is_held(self._journal, self._run_id):
            return self._start()
        unpause_run(self._journal, self._run_id)
        return f"{self._steering.name(self._run_id)} continues"

    def _start(self, *more: str) -> str:
        from aurora_core import Memory  # with numpy

        plan = self._aurora.plan_resume(self._run_id)
        self._aurora.refresh_memory(plan.agents, Memory.index)
        background.start(self._aurora, self._run_id, more=more)
        return f"{self._steering.name(self._run_id)} continues in the background"

    def _comment(self, task_id: str) -> str:
        run_id, given = self._run_id, self._given
        work = self._aurora.commentable_work(run_id, task_id)
        self._aurora.plan_resume(run_id)  # what would keep the run from going on is told before anything is sent
        if given.get("commit") != work.commit or given.get("base") != work.base:
            return f"{NOT_DONE}the work has changed since this page was loaded; copy your comments, and load it again"
        try:
            comments = comments_in(given, work.diff, run_id=run_id, task_id=task_id)
        except CommentFileError as error:
            return f"{NOT_DONE}{error}"
        if not comments:
            return "no comments; nothing was sent"
        self._aurora.send_comments(run_id, task_id, comments, seen=work)
        return f"{count(len(comments), 'comment')} sent; {self._start()}"
