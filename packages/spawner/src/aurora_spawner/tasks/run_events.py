"""Events of a run: one small class for each thing that can happen.

`Run.execute(on_event)` calls `on_event` with each event. `RunEvent` is their union, so a `match` on the class can be
checked for completeness. To add an event, write its class here, add it to the union, and let the coordinator emit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion  # noqa: TC001 -- as below
from aurora_spawner.tasks.checked import CheckedWork  # noqa: TC001 -- as below
from aurora_spawner.tasks.result import RunState, SpawnResult  # noqa: TC001 -- the fields of public classes resolve
from aurora_spawner.tasks.work import RunMerge  # noqa: TC001 -- as above

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseEvent:
    """The fields of every event; the notifier fills them in."""

    run_id: str = ""
    at: float = 0.0
    """Unix time."""
    done: int = 0
    """The number of settled tasks, earlier executions included."""
    total: int = 0
    """The number of tasks of the run, which may grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent(BaseEvent):
    """The fields of every event about one task; the notifier fills in all but the id."""

    task_id: str
    title: str = ""
    """The first line of the task."""
    agent: str = ""
    """The agent that has the task now."""
    candidate_of: str | None = None
    """For a candidate: the id of its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(BaseEvent):
    """A coordinator has started to execute the run, for the first time or after a resume."""

    @property
    def message(self) -> str:
        """A line for people; empty, because a start is routine."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(BaseEvent):
    """No task starts until the run continues; running attempts continue."""

    by: str = ""
    """The user who paused it, or the batch breaker with its reason."""

    @property
    def message(self) -> str:
        """A line for people."""
        return "paused: running tasks continue, no others start"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUnpaused(BaseEvent):
    """The run continues after a pause."""

    by: str = ""

    @property
    def message(self) -> str:
        """A line for people."""
        return "continued"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnding(BaseEvent):
    """The run ends before its tasks are done; its agents are being stopped."""

    why: str
    """interrupted or cancelled."""

    @property
    def message(self) -> str:
        """A line for people."""
        return self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMerged(BaseEvent):
    """The work of the tasks was merged, as far as it could be; the journal holds each outcome."""

    merge: RunMerge

    @property
    def message(self) -> str:
        """A line for people; empty, because the report follows."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(BaseEvent):
    """The last event: the journal has the run's end, and no attempt runs any longer."""

    state: RunState

    @property
    def message(self) -> str:
        """A line for people; empty, because the report follows."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPaused(BaseEvent):
    """A provider is rate-limiting; attempts of its agents wait."""

    provider: str
    until: float
    """Unix time of the next attempt."""
    reason: str
    """The provider's message."""
    message: str
    """A line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLeft(BaseEvent):
    """A provider requires a longer wait than the policy allows; its tasks fall back to other agents, or fail."""

    provider: str
    message: str
    """A line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswers(BaseEvent):
    """A provider that was paused answers again."""

    provider: str

    @property
    def message(self) -> str:
        """A line for people."""
        return f"{self.provider} answers again: continuing"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTripped(BaseEvent):
    """Too many tasks have failed; the rest of the run does not start."""

    reason: str
    action: str
    """held or skipped: the treatment of the rest."""

    @property
    def message(self) -> str:
        """A line for people."""
        return f"{self.reason}; the rest is {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWaitsForRoom(TaskEvent):
    """The task's worktree has no room on the disk until others are given back."""

    reason: str
    others: tuple[str, ...]
    """The tasks and runs that it waits for."""

    @property
    def message(self) -> str:
        """A line for people."""
        return f"waits for room: {self.reason}; {', '.join(self.others[:_MOST_NAMED])} will give some back"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPreparing(TaskEvent):
    """The set-up commands of the task's worktree run; its agent starts after them."""

    commands: tuple[str, ...]

    @property
    def message(self) -> str:
        """A line for people."""
        return f"sets up its worktree: {'; '.join(self.commands)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(TaskEvent):
    """An attempt at the task runs."""

    adopted: bool = False
    """True if an earlier coordinator started it and this one follows it to its end."""
    continues_session: bool = False
    """True if the agent resumes its session of an earlier attempt."""

    @property
    def message(self) -> str:
        """A line for people; empty for a plain start."""
        if self.adopted:
            return "adopted"
        return "resumes its session" if self.continues_session else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetried(TaskEvent):
    """An attempt failed; the same agent tries again after a wait."""

    retry: int
    """The number of the retry, from 1."""
    retries: int
    """The number of retries that the policy allows."""
    wait_s: float
    error: str

    @property
    def message(self) -> str:
        """A line for people."""
        return f"retry {self.retry} of {self.retries} in {self.wait_s:.1f} s: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRestarted(TaskEvent):
    """An attempt was lost through no fault of the task; another starts at once and costs no retry."""

    reason: str

    @property
    def message(self) -> str:
        """A line for people."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSentBack(TaskEvent):
    """The task's work goes back to its agent, which goes on; that costs no retry."""

    checked: CheckedWork | None
    """The checks of the work; None if it never came to them."""
    reason: str
    """The finding and the round, in one line."""

    @property
    def message(self) -> str:
        """A line for people."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReviewing(TaskEvent):
    """Another agent reviews the task's work, which has passed its checks."""

    reviewer: str
    """The agent that reviews it."""

    @property
    def message(self) -> str:
        """A line for people."""
        return f"its work is reviewed by {self.reviewer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeferred(TaskEvent):
    """An attempt met a rate limit; it costs no retry, and the task waits for its provider."""

    @property
    def message(self) -> str:
        """A line for people; empty, because ProviderPaused reports it once for all tasks."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFellBack(TaskEvent):
    """The task falls back to another agent of its chain."""

    to_agent: str
    from_agent: str | None = None
    """None if the first agent never started because its circuit is open."""
    error: str | None = None

    @property
    def message(self) -> str:
        """A line for people."""
        origin = f"from {self.from_agent} " if self.from_agent else ""
        return f"{origin}to {self.to_agent}" + (f": {self.error}" if self.error else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStalled(TaskEvent):
    """The attempt shows no activity; it is left running."""

    reason: str
    """The thing that it waits for, if detectable."""

    @property
    def message(self) -> str:
        """A line for people."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConflict(TaskEvent):
    """The work of the task conflicts with that of another, as both stand now."""

    other: str
    """The id of the other task."""
    files: tuple[str, ...]
    """The files in conflict; git may name none."""
    over: bool = False
    """True if they conflict no longer."""

    @property
    def message(self) -> str:
        """A line for people."""
        if self.over:
            return f"no longer conflicts with task {self.other}"
        where = f" in {', '.join(self.files[:5])}" if self.files else ""
        return f"will conflict with task {self.other}{where}, as both stand now"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHedged(TaskEvent):
    """The attempt takes unusually long; a second agent works on the task beside it."""

    rival: str
    """The second agent."""

    @property
    def message(self) -> str:
        """A line for people."""
        return f"also started on {self.rival}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTakenOver(TaskEvent):
    """The user works in the session of the task's agent; the task waits until they leave it."""

    pid: int
    """The user's process."""

    @property
    def message(self) -> str:
        """A line for people."""
        return f"taken over by the user (process {self.pid})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHandedBack(TaskEvent):
    """The user has left the session of the task's agent, which goes on."""

    why: str

    @property
    def message(self) -> str:
        """A line for people."""
        return f"handed back to its agent: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked(TaskEvent):
    """A gate asks a person about the task; it goes on once that is answered."""

    approval: str
    """The id of the question."""
    question: ApprovalQuestion
    limit_s: float | None
    """Time for the answer; then it is no. None for no limit."""

    @property
    def message(self) -> str:
        """A line for people."""
        return f"asks for approval ({self.approval}): {self.question.reason}: {self.question.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettled(TaskEvent):
    """A question has its answer, or needs none any longer."""

    approval: str
    answer: ApprovalAnswer | None = None
    """None if it needs none."""

    @property
    def message(self) -> str:
        """A line for people; empty for a question that needs no answer."""
        if self.answer is None:
            return ""
        note = f": {self.answer.note}" if self.answer.note else ""
        return f"{self.approval} {'approved' if self.answer.approved else 'denied'} (by {self.answer.by}){note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(TaskEvent):
    """The task has its result, and the journal holds it."""

    result: SpawnResult

    @property
    def message(self) -> str:
        """A line for people; empty for a success."""
        return "" if self.result.success else self.result.error or self.result.state.value


RunEvent = (
    RunStarted
    | RunPaused
    | RunUnpaused
    | RunEnding
    | RunMerged
    | RunEnded
    | ProviderPaused
    | ProviderLeft
    | ProviderAnswers
    | BatchTripped
    | TaskWaitsForRoom
    | TaskPreparing
    | TaskStarted
    | TaskRetried
    | TaskRestarted
    | TaskSentBack
    | TaskReviewing
    | TaskDeferred
    | TaskFellBack
    | TaskStalled
    | TaskConflict
    | TaskHedged
    | TaskTakenOver
    | TaskHandedBack
    | ApprovalAsked
    | ApprovalSettled
    | TaskEnded
)
"""Any event of a run."""
