"""Everything this package raises.

SoarError
├── EmptyQuestionError     a question without a word to look for
├── ModelAnswerError       a model's answer without the document that it was asked for
├── AgentOutputError       an agent's output that is not the document it promised: agent and field
├── NoProjectError         a folder that belongs to no project
├── UnknownAgentError      a name that no agent has, and where it stands
├── MissingProgramError    an agent whose program is not on this machine, and where it is named
├── UserOnlyError          an agent that does what only the user may do
├── UntrustedAgentError    an agent of a project that the user does not trust, and where it is named
├── NoSandboxError         a run whose agents must be in a sandbox where none holds
├── OverLimitError         a run that a cap or the budget refuses
├── PoolError              a run or a worker that a pool cannot have
├── IncludeDirtyError      work on uncommitted changes that was to be merged without a question
├── NotResumableError      a run that only its question could resume
├── NotReplannableError    a run whose rest cannot be planned anew: the run
├── ReplannedBeforeError   a run whose rest was planned anew already: the run
├── NoConversationError    an agent that cannot be talked with
├── StoredStepError        a stored result of a question's step that this version cannot read
├── StoredLimitError       a run's stored limit that cannot be read: the file
├── TaskFileInUseError     a task file that another run works on
├── TaskFileChangedError   a task file that changed after it was read
├── StartedBeforeError     a start with the key of another one: the run that was started
├── StartLockError         another process that does not finish starting a run
├── SearchByMeaningError   search by meaning that cannot be turned on or off
├── LessonStoreError       the file of a project's lessons cannot be used: the file
│   └── LessonStoreBusyError   another process holds its lock
├── LogFileError           a conversation log that cannot be read: the file
├── NoSessionError         no earlier question that could be continued
├── SessionIdError         a name that no session can have
├── UnknownPlanError       a plan that is not there
├── SpecFolderError        a folder of a spec tool that cannot be taken: the folder or the file
├── RetentionError         contents of runs that the user's rule keeps for longer: the rule
├── NoRetentionError       contents of runs that were to be removed at no age
├── PlanFileError          a file of a plan that cannot be read: the file and the field
├── NotificationError      a notification that could not be delivered: the receiver
└── ForgeError             a code forge, such as GitHub, that could not be asked: the program

A failed agent is no exception: it is a `SpawnResult`, or lowers an answer's confidence.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = [
    "AgentOutputError",
    "EmptyQuestionError",
    "ForgeError",
    "IncludeDirtyError",
    "LessonStoreError",
    "LogFileError",
    "MissingProgramError",
    "ModelAnswerError",
    "NoConversationError",
    "NoProjectError",
    "NoRetentionError",
    "NoSandboxError",
    "NoSessionError",
    "NotReplannableError",
    "NotResumableError",
    "NotificationError",
    "OverLimitError",
    "PlanFileError",
    "PoolError",
    "ReplannedBeforeError",
    "RetentionError",
    "SearchByMeaningError",
    "SessionIdError",
    "SoarError",
    "SpecFolderError",
    "StartLockError",
    "StartedBeforeError",
    "StoredLimitError",
    "StoredStepError",
    "TaskFileChangedError",
    "TaskFileInUseError",
    "UnknownAgentError",
    "UnknownPlanError",
    "UntrustedAgentError",
    "UserOnlyError",
]


class SoarError(Exception):
    """The root of every error that this package raises on purpose.

    Attributes:
        hint: the next step, one line; empty if the message names it.
    """

    hint = ""


class EmptyQuestionError(SoarError, ValueError):
    """A question without a word to search for, or without a place that it must name."""

    def __init__(self, text: str, lacking: str = "has no word to search for; name what it is about") -> None:
        self.text = text
        super().__init__(f'the question {text[:60]!r} {lacking}, for example "Where are retries limited?"')


class ModelAnswerError(SoarError, ValueError):
    """A model's answer without a valid document of the requested kind."""


class AgentOutputError(SoarError, ValueError):
    """An agent's output that is not the expected document.

    Attributes:
        agent: the agent's id.
        field: dotted path of the first field that is wrong, "" for the document as a whole.
    """

    def __init__(self, agent: str, field: str, reason: str) -> None:
        self.agent = agent
        self.field = field
        super().__init__(f"output of agent {agent}: {field or 'document'}: {reason}")


class NoProjectError(SoarError):
    """A project is needed and the folder belongs to none.

    Attributes:
        start: the folder that was searched, with those above it.
    """

    hint = "run `aur init` in the project's folder"

    def __init__(self, start: Path, *, worktree: Path | None = None) -> None:
        self.start = start
        reach = "or above it" if worktree is None else f"or above it in the git worktree {worktree}"
        super().__init__(f"no project in {start} {reach}: no .aurora folder found")


class UnknownAgentError(SoarError):
    """A task or a setting names an agent that nothing here can run.

    Attributes:
        agent: the name as it was written.
        where: the place of the name, for example "tasks.md:12" or "--tool".
    """

    def __init__(self, agent: str, where: str, known: Collection[str]) -> None:
        self.agent = agent
        self.where = where
        from aurora_spawner.backends.profiles import PROFILES

        if agent in PROFILES:
            super().__init__(f"{where}: {agent} is not on PATH")
            self.hint = f"install it, or set its path: `backends:` {agent}: {{kind: {agent}, command: [PATH]}}"
            return
        super().__init__(f"{where}: no agent named {agent!r}")
        nearest = get_close_matches(agent, known, n=1)
        guess = f"did you mean {nearest[0]!r}? " if nearest else ""
        self.hint = (
            f"{guess}known agents: {', '.join(sorted(known))}; add others under `backends:` in .aurora/config.yaml"
        )


class MissingProgramError(SoarError):
    """A task names an agent whose program is not found; nothing was started."""

    hint = "`aur agents doctor` shows each agent's program, and how to install it"

    def __init__(self, agent: str, program: str, where: str) -> None:
        super().__init__(f"{where}: the program of agent {agent}, {program!r}, is not found")


class UntrustedAgentError(SoarError):
    """A task or a setting names an agent of the project's own, and the user does not trust the project.

    Attributes:
        agent: the name as it was written.
        where: the place of the name, for example "tasks.md:12" or "--tool".
    """

    hint = "run `aur trust` to review what it runs, and to trust it"

    def __init__(self, agent: str, where: str) -> None:
        self.agent = agent
        self.where = where
        super().__init__(f"{where}: agent {agent!r} is defined by this project, which you do not trust yet")


class OverLimitError(SoarError):
    """A run would exceed a cap or the budget; nothing was started."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


class PoolError(SoarError):
    """A run cannot go to a pool of workers, or this machine cannot be a worker; nothing was started."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


class NoSandboxError(SoarError):
    """A sandbox is required for the agents of a run, and none holds on this machine; nothing was started."""

    hint = "install bubblewrap, or use a Linux kernel with Landlock; `aur agents doctor` shows what was tried"

    def __init__(self, problem: str) -> None:
        super().__init__(f"a sandbox is required, and does not hold here: {problem}")


class IncludeDirtyError(SoarError):
    """Work on a snapshot of uncommitted changes cannot be merged before these are committed."""

    hint = "leave merge out; when the run has ended, commit your changes, then: aur merge RUN"

    def __init__(self) -> None:
        super().__init__("include_dirty and merge=auto exclude each other: the branch has to get your changes first")


class UserOnlyError(SoarError):
    """A process of an agent asks for something that only the user may do."""

    def __init__(self, what: str, hint: str) -> None:
        self.hint = hint
        super().__init__(f"{what} for the user, and this process belongs to an agent")


class NotResumableError(SoarError):
    """A run is a part of a question, or a question that has its answer; neither can be resumed."""

    hint = '`aur status` lists what can be resumed; to ask again: aur soar "…"'

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id} has no work left of its own: its question was answered, or is resumed itself")


class NotReplannableError(SoarError):
    """The rest of a run cannot be planned anew.

    Attributes:
        run_id: the run.
    """

    def __init__(self, run_id: str, reason: str, hint: str = "") -> None:
        self.run_id = run_id
        self.hint = hint
        super().__init__(f"the rest of run {run_id} is not planned anew: {reason}")


class ReplannedBeforeError(SoarError):
    """The rest of a run was planned anew before, which is done once a run.

    Attributes:
        run_id: the run.
    """

    def __init__(self, run_id: str, by: str, taskfile: Path) -> None:
        self.run_id = run_id
        self.hint = f"change {taskfile} yourself if you want another plan; go on with it: aur resume {run_id}"
        super().__init__(f"the rest of run {run_id} was planned anew before, by {by}; that is done once a run")


class NoConversationError(SoarError):
    """An agent cannot be talked with."""

    hint = "name another with --agent, or install an agent; `aur agents doctor` shows which are there"

    def __init__(self, agent: str) -> None:
        self.agent = agent
        super().__init__(f"agent {agent} answers questions about the project and holds no conversation")


class StoredStepError(SoarError, ValueError):
    """A stored result of a question's step cannot be read, for example because another version wrote it."""

    hint = 'resume it with the version of Aurora that wrote it, or ask again: aur soar "…"'


class StoredLimitError(SoarError):
    """The file that stores a run's cost limit cannot be read.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: does not hold the run's cost limit")
        self.hint = "write the limit in US dollars into it, or delete it to continue without a limit"


class TaskFileInUseError(SoarError):
    """Another run works on the task file, or agents of a run that has crashed still do.

    Attributes:
        run_id: that run.
    """

    hint = "wait for it, cancel it with `aur cancel`, or start anyway with --force"

    def __init__(self, run_id: str, file: Path, *, crashed: bool = False) -> None:
        self.run_id = run_id
        if crashed:
            self.hint = f"continue it with `aur resume {run_id}`, or start anyway with --force"
            super().__init__(f"{run_id} has crashed, and its agents still work on {file}; tasks would run twice")
            return
        super().__init__(f"{run_id} is running {file}; its unfinished tasks would run twice")


class TaskFileChangedError(SoarError):
    """The task file changed after its tasks were read."""

    hint = "start it again"

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} changed after it was read, perhaps by another run; nothing was started")


class StartedBeforeError(SoarError):
    """A run was started with the same key, so that this start is that run.

    Attributes:
        run_id: the run.
    """

    def __init__(self, key: str, run_id: str) -> None:
        self.key = key
        self.run_id = run_id
        self.hint = f"see it: aur runs show {run_id}"
        super().__init__(f"the run of the key {key!r} is {run_id}")


class StartLockError(SoarError):
    """Another process has held the lock for starting runs for too long."""

    hint = "find the `aur` process that still runs in this project, and end it"

    def __init__(self, root: Path) -> None:
        super().__init__(f"another aur process is still starting a run in {root}; nothing was started")


class SearchByMeaningError(SoarError, ValueError):
    """A request to turn search by meaning on or off that cannot be met; the message says what to do."""


class NotificationError(SoarError):
    """A receiver of `notify:` could not be told something."""

    hint = "see `notify:` in the configuration"

    def __init__(self, receiver: str, problem: str) -> None:
        super().__init__(f"could not notify {receiver}: {problem}")


class ForgeError(SoarError):
    """A code forge could not be asked: its program is missing, not signed in, or failed.

    Attributes:
        program: `gh` or `glab`; both if neither is there.
    """

    def __init__(self, program: str, problem: str, *, hint: str = "") -> None:
        self.program = program
        self.hint = hint
        super().__init__(f"{program}: {problem}")


class UnknownPlanError(SoarError, LookupError):
    """A plan that is not there, or a number that several plans have."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        close = get_close_matches(name, known, n=1)
        several = name.isdecimal() and sum(each.lstrip("0").startswith(f"{int(name)}-") for each in known) > 1
        reason = "several plans have that number; use the whole name" if several else "there is no such plan"
        super().__init__(
            f"plan {name!r}: {reason}" + (f"; did you mean {close[0]}?" if close and not several else "")
        )
        self.hint = "`aur plan list` shows all plans"


class PlanFileError(SoarError, ValueError):
    """A file of a plan that cannot be read, or not be written.

    Attributes:
        path: the file or folder.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class SpecFolderError(SoarError, ValueError):
    """A folder that is not one of spec-kit, OpenSpec or Kiro, or that cannot be taken as it is.

    Attributes:
        path: the folder, or the file in it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class NoSessionError(SoarError, LookupError):
    """There is no earlier question in the project that could be continued."""

    hint = 'ask one first: aur soar "…"'

    def __init__(self) -> None:
        super().__init__("there is nothing to continue: no question was asked in this project before")


class SessionIdError(SoarError, ValueError):
    """A name that no session can have."""

    hint = "use up to 64 letters, digits, dots, dashes and underscores, for example: login-work"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name[:80]!r} is no name of a session")


class LessonStoreError(SoarError):
    """The file of a project's lessons cannot be used.

    Attributes:
        path: the file.
    """

    hint = "remove the file to begin without lessons, or mend it"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class LessonStoreBusyError(LessonStoreError):
    """Another process holds the lock of the lessons."""

    hint = "try it again; if it stays so, an `aur` is stopped: `ps -eo pid,stat,args` shows it with the state T"


class LogFileError(SoarError, ValueError):
    """A conversation log that cannot be read.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class RetentionError(SoarError):
    """The user's retention rule keeps the contents of runs for longer.

    Attributes:
        keep_days: the rule.
    """

    def __init__(self, keep_days: int) -> None:
        self.keep_days = keep_days
        super().__init__(f"audit.keep_days in your configuration keeps the contents of runs for {keep_days} days")
        self.hint = f"choose {keep_days} days or more, or change the rule"


class NoRetentionError(SoarError, ValueError):
    """Nothing says how old runs must be before their contents are removed."""

    hint = "give --older-than, or set audit.keep_days in your own configuration"

    def __init__(self) -> None:
        super().__init__("no minimum age of runs is given")
