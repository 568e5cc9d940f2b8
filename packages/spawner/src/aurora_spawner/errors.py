"""The errors of this package.

SpawnerError
├── TaskError               a task with an invalid field: the field
├── TaskFileError           a task file that cannot be used: path, line, field
├── GraphError              dependencies that cannot be satisfied: the task, and its line in a task file
├── BackendError            an agent without a backend, or without its program
│   └── MissingExtraError       a backend that needs an extra of this package which is not installed
├── JournalError            a journal that cannot be opened, read or written
│   ├── JournalGoneError        a journal that the user's own folder knows, and that is missing or empty
│   ├── JournalLockedError      another process holds the journal longer than the wait
│   └── JournalCorruptError     the file is not a journal, or its hash chain is broken
│       └── JournalChangedError     a run's part of the journal was changed from outside
│           └── ForeignJournalError     the user has written no journal in this place
├── UnknownRunError         a run that the journal does not have
│   └── UnknownSessionError     a conversation that the journal does not have
├── UnknownTaskError        a task that the run does not have
├── NoWorkError             a run or a task without work to merge, compare or discard
│   ├── NotPickableError        a candidate that cannot be taken as things are
│   └── WorkChangedError        comments on lines of work that has changed: the places
├── RunHeldError            a run that another living coordinator works on
├── UnknownLineageError     a process whose ancestors cannot be followed: its id
├── AgentAnswersError       an agent that answers what is for the user
├── AgentActsError          an agent that does what else is for the user: the act
├── TakeOverError           a task whose session the user cannot open as things are: the task
├── NotInsideAgentError     something for agents alone, done by a process that belongs to none
├── UnknownApprovalError    a question that the journal does not have, or that needs no answer any longer
│   └── NotGrantedError         an approval that does not hold for the whole run
├── NotAQuestionError       a text that answers what is only approved or denied
├── NoShapeError            a question that cannot be approved for a whole run
├── TurnTooLongError        a turn of a session that is too long: the most characters
├── PostRefusedError        a post that a board does not take: the reason
├── ApprovalCutOffError     a question of a task or a run that ends; the gate must take it for a no
├── IllegalTransitionError  a state change that the transition table does not have; a defect of this package
├── RecoveryPolicyError     a recovery policy with an invalid field: the field, and its valid values
├── ProviderStateError      a store of provider limits that cannot be used: the path
├── PriceFileError          a user's price table that cannot be used: path, line, field
├── ReplayError             a run that cannot be replayed: the reason
├── TelemetryError          the telemetry of a run that cannot be sent
└── AttemptRecordError      an unreadable record in an attempt's folder

Worktrees and merges have theirs in `workspaces/errors.py`; `conversations` and `distributed`, beside what raises
them. A failed agent is not an exception but a `SpawnResult`.
"""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

Failure = TypeVar("Failure", bound=BaseException)
_NAMED_TASKS: Final = 20
"""Number of a run's tasks that an error names."""


def first_failure(failures: Sequence[Failure]) -> Failure:
    """Returns the first of some failures, to be raised for all of them; its notes tell the others."""
    first, *others = failures
    for other in others:
        first.add_note(f"also: {other}")
    return first


class SpawnerError(Exception):
    """The root of this package's errors."""


class TaskError(SpawnerError):
    """A field of a task has an invalid value."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TaskFileError(SpawnerError):
    """A task file cannot be used; `line` counts from 1 and is None for a problem of the whole file."""

    def __init__(self, path: Path | str, line: int | None, problem: str, *, field: str | None = None) -> None:
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {problem}")
        self.path = path
        self.line = line
        self.field = field


class GraphError(SpawnerError):
    """Tasks that cannot be ordered: a duplicate id, an unknown dependency, or a cycle."""

    def __init__(
        self, task_id: str, problem: str, *, line: int | None = None, path: Path | str | None = None
    ) -> None:
        place = f"{path}:{line}: " if path and line else f"line {line}: " if line else ""
        super().__init__(f"{place}task {task_id}: {problem}")
        self.task_id = task_id
        self.problem = problem
        self.line = line
        self.path = path


class BackendError(SpawnerError):
    """The agent has no backend, or its program cannot be found."""

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(f"agent {agent}: {problem}")
        self.agent = agent


class MissingExtraError(BackendError):
    """A backend needs packages that only an extra of aurora-spawner installs."""

    def __init__(self, agent: str, *, extra: str, packages: Sequence[str]) -> None:
        named = " and ".join(packages)
        super().__init__(agent, f"needs {named}, not installed here: pip install 'aurora-spawner[{extra}]'")
        self.extra = extra
        self.packages = tuple(packages)


class TelemetryError(SpawnerError):
    """The telemetry of a run cannot be sent; the run itself is as it was."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"OpenTelemetry: {problem}")


class JournalError(SpawnerError):
    """The journal cannot be opened, read or written."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class JournalGoneError(JournalError):
    """The user's own folder knows events of a journal that is missing, or empty; `events` is their number."""

    def __init__(self, path: Path | str, described: str, events: int) -> None:
        problem = f"is gone or empty: {described} had {events:,} events"
        super().__init__(path, f"{problem}; restore it from a copy, or start a new one with `aur spawn`")
        self.events = events


class JournalLockedError(JournalError):
    """Another process kept the journal locked longer than the wait."""


class JournalCorruptError(JournalError):
    """The file is not a journal, or was changed; `seq` is the first event that does not fit."""

    def __init__(self, path: Path | str, problem: str, *, seq: int | None = None) -> None:
        super().__init__(path, problem)
        self.seq = seq


class JournalChangedError(JournalCorruptError):
    """A run's part of the journal was changed from outside; nothing was started."""

    def __init__(self, path: Path | str, run_id: str, problem: str) -> None:
        advice = "restore the journal from a copy, or accept the changes: --accept-changes"
        super().__init__(path, f"run {run_id} was changed from outside: {problem}; nothing was started: {advice}")
        self.run_id = run_id
        self.problem = problem


class ForeignJournalError(JournalChangedError):
    """The user's own folder knows of no journal in this place, so somebody else may have written it."""

    def __init__(self, path: Path | str, run_id: str) -> None:
        super().__init__(path, run_id, "it was not written by you in this place")
        advice = "if you have copied or moved it, accept it: --accept-changes"
        self.args = (
            f"{path}: run {run_id} was not written by you in this place, and may come with a clone; {advice}",
        )


class UnknownRunError(SpawnerError):
    """The journal has no run of this name."""

    def __init__(self, run_id: str, known: tuple[str, ...] = ()) -> None:
        newest = f"; the newest are {', '.join(known)}" if known else ""
        super().__init__(f"no run named {run_id}{newest}")
        self.run_id = run_id
        self.known = known


class UnknownSessionError(UnknownRunError):
    """The journal has no conversation of this name; `is_run` if it has a run of it."""

    def __init__(self, run_id: str, *, is_run: bool) -> None:
        super().__init__(run_id)
        self.args = (f"{run_id} is a run, and no session" if is_run else f"no session named {run_id}",)
        self.is_run = is_run


class ReplayError(SpawnerError):
    """A run cannot be replayed, or a question about it cannot be answered by its journal."""

    def __init__(self, run_id: str, problem: str) -> None:
        super().__init__(f"run {run_id} {problem}")
        self.run_id = run_id
        self.problem = problem


class UnknownTaskError(SpawnerError):
    """A run has no task of that name; `nearest` is the most similar one, None if none is similar."""

    def __init__(self, run_id: str, task_id: str, known: Collection[str]) -> None:
        more = f" and {len(known) - _NAMED_TASKS} more" if len(known) > _NAMED_TASKS else ""
        names = f"; its tasks: {', '.join(islice(known, _NAMED_TASKS))}{more}" if known else ""
        super().__init__(f"run {run_id} has no task {task_id!r}{names}")
        self.run_id = run_id
        self.task_id = task_id
        close = get_close_matches(task_id, known, n=1)
        self.nearest = close[0] if close else None


class NoWorkError(SpawnerError):
    """A run, or a task of it, has no work to merge, compare or discard; `task_id` is None for a run."""

    def __init__(self, run_id: str, task_id: str | None, problem: str) -> None:
        which = f"run {run_id}" if task_id is None else f"run {run_id}, task {task_id}"
        super().__init__(f"{which}: {problem}")
        self.run_id = run_id
        self.task_id = task_id
        self.problem = problem


class NotPickableError(NoWorkError):
    """A candidate cannot be taken: it has no work, others still run, or another one's work is in use."""


class WorkChangedError(NoWorkError):
    """The work of a task has changed since a user began to comment on it; `places` names the lines that are gone."""

    def __init__(self, run_id: str, task_id: str, places: str) -> None:
        super().__init__(run_id, task_id, f"the work has changed; these lines are different now: {places}")
        self.places = places


class RunHeldError(SpawnerError):
    """Another living coordinator works on this run."""

    def __init__(self, run_id: str, holder: str) -> None:
        super().__init__(f"run {run_id} is held by {holder}: wait for it, or cancel the run there")
        self.run_id = run_id
        self.holder = holder


class UnknownApprovalError(SpawnerError):
    """There is no such question, or it needs no answer any longer."""

    def __init__(self, approval: str, *, withdrawn: bool = False) -> None:
        gone = "needs no answer any longer" if withdrawn else "is not known"
        super().__init__(f"question {approval} {gone}; `aur approvals` lists the open ones")
        self.approval = approval


class NotGrantedError(UnknownApprovalError):
    """A question was not approved for the whole run, or that was taken back."""

    def __init__(self, approval: str) -> None:
        SpawnerError.__init__(
            self, f"question {approval} is not approved for a whole run; `aur policies grants` lists those that are"
        )
        self.approval = approval


class AgentAnswersError(SpawnerError):
    """An agent tries to answer a question that is for the user."""

    def __init__(self, approval: str) -> None:
        super().__init__(f"question {approval} is for the user, and this process belongs to an agent")
        self.approval = approval


class AgentActsError(SpawnerError):
    """An agent tries to do what is for the user alone."""

    def __init__(self, act: str) -> None:
        super().__init__(f"{act} is for the user, and this process belongs to an agent")
        self.act = act


class TakeOverError(SpawnerError):
    """A task whose session the user cannot open, or leave, as things are."""

    def __init__(self, task_id: str, problem: str) -> None:
        super().__init__(f"task {task_id} cannot be taken over: {problem}")
        self.task_id = task_id


class UnknownLineageError(SpawnerError):
    """The ancestors of a process cannot be followed, so it may belong to an agent."""

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"what the user alone decides is not taken from process {pid}: it has ended, or lives in another"
            " container, so it may belong to an agent"
        )
        self.pid = pid


class NotInsideAgentError(SpawnerError):
    """Something that only agents may do is done by a process that belongs to none.

    Args:
        what: that thing, such as `ask`.
    """

    def __init__(self, what: str = "ask") -> None:
        super().__init__(f"only an agent of a run can {what}, and this process belongs to none")


class NotAQuestionError(SpawnerError):
    """A text is given as the answer to something that is only approved or denied."""

    def __init__(self, approval: str) -> None:
        super().__init__(f"{approval} is no question of an agent; answer it with `aur approve` or `aur deny`")
        self.approval = approval


class PostRefusedError(SpawnerError):
    """A board does not take a post.

    Attributes:
        reason: kind, empty, key, too_long, too_many, recipient, over, no_attempt or no_board.
    """

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(f"the board refuses: {problem}")
        self.reason = reason
        self.problem = problem


class TurnTooLongError(SpawnerError):
    """A turn of a session has too many characters; nothing of it was sent."""

    def __init__(self, found: int, limit: int) -> None:
        super().__init__(
            f"a turn has at most {limit:,} characters, and this one has {found:,}; "
            "put the text into a file and name that"
        )
        self.limit = limit


class NoShapeError(SpawnerError):
    """An approval for the whole run cannot be given."""

    def __init__(self, approval: str) -> None:
        super().__init__(f"question {approval} cannot be approved for the whole run; leave out --always-this-run")
        self.approval = approval


class ApprovalCutOffError(SpawnerError):
    """The task or its run ends while a question of it is open; nothing was approved.

    Attributes:
        task_id: "" for a question about the whole run.
    """

    def __init__(self, task_id: str) -> None:
        what = f"task {task_id}" if task_id else "the run"
        super().__init__(f"{what} ended before its question was answered")
        self.task_id = task_id


class IllegalTransitionError(SpawnerError):
    """The transition table does not have this state change."""

    def __init__(self, state: object, event: object) -> None:
        super().__init__(f"{event} is not possible in state {state}")
        self.state = state
        self.event = event


class AttemptRecordError(SpawnerError):
    """A claim or exit record of an attempt cannot be read."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class PriceFileError(SpawnerError):
    """A price table cannot be used; `line` counts from 1 and is None for a problem of the whole file."""

    def __init__(self, path: object, line: int | None, field: str, problem: str) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {field}: {problem}" if field else f"{place}: {problem}")
        self.path = path
        self.line = line
        self.field = field


class RecoveryPolicyError(SpawnerError):
    """A recovery policy has an unknown field, or a field has an invalid value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"recovery policy: {field} {problem}")
        self.field = field
        self.problem = problem


class ProviderStateError(SpawnerError):
    """The store of provider limits cannot be opened, read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; provider limits are not shared between runs until it is repaired")
        self.path = path
