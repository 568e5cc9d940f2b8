"""Tools for the questions of gates and agents. The model may see them; only the person at the client answers."""

# Annotations are not postponed here: that of `question_answer` names a function of its own scope.
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, CancelledElicitation, DeclinedElicitation
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, Field

from aurora_cli.mcp_server.documents import Answered, Question, Questions
from aurora_cli.mcp_server.service import ProjectService
from aurora_cli.render.approvals import WHOLE
from aurora_cli.render.words import one_line
from aurora_soar.aurora.root import Aurora
from aurora_spawner.control.approvals import answer_approval, check_is_user, find_approval, open_approvals

__all__ = ["ApprovalTools", "Decision", "answer_in", "question_text"]


class Decision(BaseModel):
    """The form that the client shows to the person."""

    approve: bool = Field(description="True approves it, this once; false denies it")
    note: str = Field(
        default="", max_length=4_000, description="The answer to an agent's question; else a remark for the journal"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTools:
    """The inbox of the project's runs."""

    project: ProjectService

    async def questions_list(self) -> Questions:
        """Lists the questions of gates and agents that wait for a person's answer."""
        return await self.project.call(_open)

    def answer_tool(self) -> Callable[..., Any]:
        """Returns the tool that lets the person answer.

        The client asks the person itself (elicitation), so that a model cannot approve what it was stopped from.
        """

        async def ask(question: str) -> Elicit[Decision]:
            row = await self.project.call(partial(_asked, approval=question))
            return Elicit(question_text(row), Decision)

        async def question_answer(
            question: Annotated[str, Field(description="The id of a question, as questions_list has it")],
            decision: Annotated[
                AcceptedElicitation[Decision] | DeclinedElicitation | CancelledElicitation, Resolve(ask)
            ],
        ) -> Answered:
            """Lets the person at this client answer a question; it is shown to them, and their answer counts."""
            if not isinstance(decision, AcceptedElicitation):
                raise ToolError("the person gave no answer; the question still waits")
            return await self.project.call(partial(answer_in, approval=question, decision=decision.data))

        return question_answer


def question_text(row: Question) -> str:
    """Returns a question as the person sees it; words of an agent stay on their line and control nothing."""
    who = f"{row.run_id}/{row.task} @{row.agent}" if row.task else row.run_id
    how = "\nThe agent gets what you write as the note." if row.wants_text else ""
    return f"{one_line(who)} asks: {one_line(row.subject, WHOLE)}\nWhy: {one_line(row.reason, WHOLE)}{how}"


def answer_in(aurora: Aurora, *, approval: str, decision: Decision) -> Answered:
    """Gives the person's answer; durable when it returns."""
    report = answer_approval(aurora.project.runs_db, approval, approved=decision.approve, note=decision.note)
    return Answered(
        id=report.approval.approval, approved=report.answer.approved, first=report.first, by=report.answer.by
    )


def _open(aurora: Aurora) -> Questions:
    return Questions(questions=[Question.of(each) for each in open_approvals(aurora.project.runs_db)])


def _asked(aurora: Aurora, *, approval: str) -> Question:
    check_is_user(approval)
    row = find_approval(aurora.project.runs_db, approval)
    if row.state != "open":
        raise ToolError(f"{row.approval} needs no answer any longer: it is {row.state}")
    return Question.of(row)
