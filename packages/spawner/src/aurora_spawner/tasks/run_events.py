"""Everything that a watcher of a run is told: one small class for each thing that can happen.

`Run.execute(on_event)` calls `on_event` with one of these; `RunEvent` is their union, so `match` on the class is
complete. To add an event, write its class here, add it to the union, and hand it to the coordinator's `tell`.
"""

from __future__ import annotations

from dataclasses import dataclass

from aurora_spawner.tasks.result import RunState, SpawnResult  # noqa: TC001 -- the fields of public classes resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """The fields of every event; `tell` fills them in."""

    run_id: str = ""
    at: float = 0.0
    """Unix time."""
    done: int = 0
    """Tasks settled so far, those of earlier executions included."""
    total: int = 0
    """Tasks of the run; a run may grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent(Happening):
    """The fields of every event about one task; `tell` fills in title and agent."""

    task_id: str
    title: str = ""
    """The first line of the task."""
    agent: str = ""
    """The agent that has the task now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Happening):
    """A coordinator has begun to execute the run, anew or after a resume."""

    @property
    def message(self) -> str:
        """One line for people; empty, since this is routine."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(Happening):
    """Nothing more starts until the run goes on; what runs is left alone."""

    by: str = ""
    """Who paused it: a user, or the batch breaker with its reason."""

    @property
    def message(self) -> str:
        """One line for people."""
        return "paused: what runs goes on, nothing else starts"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUnpaused(Happening):
    """The run goes on after a pause."""

    by: str = ""

    @property
    def message(self) -> str:
        """One line for people."""
        return "going on"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnding(Happening):
    """The run was told to end before its tasks were done; its agents are being stopped."""

    why: str
    """interrupted or cancelled."""

    @property
    def message(self) -> str:
        """One line for people."""
        return self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Happening):
    """The last event: the journal has the run's end, and no attempt runs any more."""

    state: RunState

    @property
    def message(self) -> str:
        """One line for people; empty, since the report follows."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPaused(Happening):
    """A provider has limited its rate; attempts at its agents wait."""

    provider: str
    until: float
    """Unix time of the next attempt."""
    reason: str
    """What the provider said."""
    message: str
    """One line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLeft(Happening):
    """A provider asks for a longer wait than the policy allows; its tasks go to other agents, or fail."""

    provider: str
    message: str
    """One line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswers(Happening):
    """A provider that was paused answers again."""

    provider: str

    @property
    def message(self) -> str:
        """One line for people."""
        return f"provider {self.provider} answers again; going on"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTripped(Happening):
    """So many tasks have failed that the rest of the run does not start."""

    reason: str
    action: str
    """held or skipped: what the rest is."""

    @property
    def message(self) -> str:
        """One line for people."""
        return f"{self.reason}; the rest is {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(TaskEvent):
    """An attempt at the task runs."""

    adopted: bool = False
    """An earlier coordinator started it; it is followed to its end."""
    continues_session: bool = False
    """The agent goes on with its session of an earlier attempt."""

    @property
    def message(self) -> str:
        """One line for people; empty for a plain start."""
        if self.adopted:
            return "adopted"
        return "goes on with its session" if self.continues_session else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetried(TaskEvent):
    """An attempt failed; the same agent is asked again after a wait."""

    retry: int
    """From 1."""
    retries: int
    """How many the policy allows."""
    wait_s: float
    error: str

    @property
    def message(self) -> str:
        """One line for people."""
        return f"retry {self.retry} of {self.retries} in {self.wait_s:.1f} s: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRestarted(TaskEvent):
    """An attempt was lost through no fault of the task; another begins at once and costs no retry."""

    reason: str

    @property
    def message(self) -> str:
        """One line for people."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeferred(TaskEvent):
    """An attempt met a rate limit; it cost nothing, and the task waits for its provider."""

    @property
    def message(self) -> str:
        """One line for people; empty, since ProviderPaused says it once for all tasks."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFellBack(TaskEvent):
    """Another agent of the fallback chain has the task."""

    to_agent: str
    from_agent: str | None = None
    """None where the first agent was not even asked, its circuit being open."""
    error: str | None = None

    @property
    def message(self) -> str:
        """One line for people."""
        origin = f"from {self.from_agent} " if self.from_agent else ""
        return f"{origin}to {self.to_agent}" + (f": {self.error}" if self.error else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStalled(TaskEvent):
    """The attempt shows no sign of life; it is left running."""

    reason: str
    """The thing that it waits for, if detectable."""

    @property
    def message(self) -> str:
        """One line for people."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHedged(TaskEvent):
    """The attempt takes unusually long; a second agent works on the task beside it."""

    rival: str
    """The second agent."""

    @property
    def message(self) -> str:
        """One line for people."""
        return f"also asked of {self.rival}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(TaskEvent):
    """The task has its result, and the journal has it, too."""

    result: SpawnResult

    @property
    def message(self) -> str:
        """One line for people; empty for a success."""
        return "" if self.result.success else self.result.error or self.result.state.value


RunEvent = (
    RunStarted
    | RunPaused
    | RunUnpaused
    | RunEnding
    | RunEnded
    | ProviderPaused
    | ProviderLeft
    | ProviderAnswers
    | BatchTripped
    | TaskStarted
    | TaskRetried
    | TaskRestarted
    | TaskDeferred
    | TaskFellBack
    | TaskStalled
    | TaskHedged
    | TaskEnded
)
"""Any event of a run."""
