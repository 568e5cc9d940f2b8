"""The results of tools, as types with a schema that clients can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from aurora_spawner.tasks.approvals import AGENT_GATE

if TYPE_CHECKING:
    from aurora_core import Hit, Reference
    from aurora_soar import DecompositionReview, StoredPlan
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.views import TaskRow

__all__ = [
    "Answered",
    "Cancelled",
    "Definitions",
    "Logs",
    "Plan",
    "Question",
    "Questions",
    "Run",
    "RunLine",
    "Runs",
    "SearchResult",
]

MAX_TEXT = 20_000
"""Characters of one answer or log in a result; agents pay for each."""


class Document(BaseModel):
    """The base of all results."""

    model_config = ConfigDict(frozen=True)


class Chunk(Document):
    """A piece of the project: a definition, a section or a paragraph."""

    file: str
    line_start: int
    line_end: int
    name: str
    kind: str = Field(description="code, kb (Markdown), doc (other text) or reas (an earlier answer)")
    content: str
    score: float

    @classmethod
    def of(cls, hit: Hit) -> Chunk:
        """Returns a hit of the memory as a result."""
        return cls(
            file=hit.file,
            line_start=hit.line_start,
            line_end=hit.line_end,
            name=hit.name,
            kind=str(hit.kind.value),
            content=hit.content,
            score=round(hit.hybrid_score, 4),
        )


class SearchResult(Document):
    """The chunks that fit a query, the best first."""

    chunks: list[Chunk]


class Caller(Document):
    """A line that calls a definition."""

    file: str
    line: int
    text: str
    certain: bool = Field(description="False if another definition of the same name may be meant")

    @classmethod
    def of(cls, reference: Reference) -> Caller:
        """Returns a reference of the memory as a result."""
        return cls(file=reference.file, line=reference.line, text=reference.text, certain=reference.certain)


class Definitions(Document):
    """The definitions at a place or of a name, and the lines that call them."""

    definitions: list[Chunk]
    callers: list[Caller]


class Subgoal(Document):
    """One task of a plan."""

    id: str
    description: str
    agent: str
    is_gap: bool = Field(description="True if no agent of this kind is there, and another one does it")
    depends_on: list[str]


class Plan(Document):
    """A plan that was written, as tasks that spawn_tasks can run."""

    id: str
    taskfile: str = Field(description="Path of its task file, for spawn_tasks")
    subgoals: list[Subgoal]
    issues: list[str] = Field(description="What the verification found weak")

    @classmethod
    def of(cls, review: DecompositionReview, stored: StoredPlan) -> Plan:
        """Returns a plan that was kept as a result."""
        return cls(
            id=stored.id,
            taskfile=str(stored.taskfile),
            subgoals=[
                Subgoal(
                    id=each.id,
                    description=each.description,
                    agent=each.agent,
                    is_gap=each.is_gap,
                    depends_on=[f"sg-{number}" for number in each.needs],
                )
                for each in review.plan.subgoals
            ],
            issues=list(review.plan.issues),
        )


class Question(Document):
    """A question of a gate or an agent that a person has to answer."""

    id: str
    run_id: str
    task: str
    agent: str
    subject: str
    reason: str
    wants_text: bool = Field(description="True if an agent asks, whose answer is a text: the note")

    @classmethod
    def of(cls, row: ApprovalRow) -> Question:
        """Returns a row of the inbox as a result."""
        return cls(
            id=row.approval,
            run_id=row.run_id,
            task=row.task_id,
            agent=row.agent,
            subject=row.subject,
            reason=row.reason,
            wants_text=row.gate == AGENT_GATE,
        )


class Questions(Document):
    """The questions that wait for an answer, the oldest first."""

    questions: list[Question]


class Answered(Document):
    """The answer to a question that counts."""

    id: str
    approved: bool
    first: bool = Field(description="False if somebody else had answered before")
    by: str


class Task(Document):
    """A task of a run, and what became of it."""

    id: str
    title: str
    agent: str
    state: str
    output: str | None = Field(description="The agent's answer; a long one is cut in its middle")
    error: str | None
    verification: str | None = Field(description="verified, partly verified or unverified, and what was run")

    @classmethod
    def of(cls, row: TaskRow, default_agent: str) -> Task:
        """Returns a task of the journal as a result."""
        result = row.result
        return cls(
            id=row.task_id,
            title=row.task.headline,
            agent=row.task.agent or default_agent,
            state=str(row.state),
            output=shortened(result.output) if result else None,
            error=result.error if result else None,
            verification=str(result.verification) if result else None,
        )


class Run(Document):
    """A run, its progress, and its tasks."""

    run_id: str
    state: str = Field(description="running, paused, succeeded, failed, unmerged, cancelled, interrupted or crashed")
    counts: dict[str, int] = Field(description="Number of tasks in each state")
    waiting_for: dict[str, str] = Field(description="What a quiet agent waits for, by task")
    questions: list[Question] = Field(description="Questions that wait for a person's answer")
    tasks: list[Task]

    @classmethod
    def of(cls, status: RunStatus, rows: list[TaskRow], default_agent: str) -> Run:
        """Returns the status of a run and its tasks as a result."""
        return cls(
            run_id=status.run_id,
            state=_state(status),
            counts=dict(status.tasks),
            waiting_for=dict(status.waiting_for),
            questions=[Question.of(each) for each in status.approvals],
            tasks=[Task.of(each, default_agent) for each in rows],
        )


class RunLine(Document):
    """A run in a list."""

    run_id: str
    state: str
    counts: dict[str, int]

    @classmethod
    def of(cls, status: RunStatus) -> RunLine:
        """Returns the status of a run as a line."""
        return cls(run_id=status.run_id, state=_state(status), counts=dict(status.tasks))


class Runs(Document):
    """The runs that are running, paused or interrupted, newest first."""

    runs: list[RunLine]


class Logs(Document):
    """The output of a task's agent so far."""

    run_id: str
    task: str
    text: str
    cut: bool = Field(description="True if only the end of the output is here")


class Cancelled(Document):
    """The end of a run or a task that was cancelled."""

    run_id: str
    task: str | None
    changed: bool = Field(description="False if it had ended before")


def _state(status: RunStatus) -> str:
    return "paused" if status.paused and status.state == "running" else status.state


def shortened(text: str) -> str:
    """Returns a text whose middle is left out if it is long."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
