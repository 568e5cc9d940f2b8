"""The inbox of a run: asks a person for its gates, and has every question and answer in the journal first."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.errors import ApprovalCutOffError, NoShapeError, UnknownApprovalError
from aurora_spawner.journal.approval_facts import (
    ApprovalAnswered,
    ApprovalRequested,
    ApprovalWithdrawn,
    GrantRevoked,
    GrantStored,
)
from aurora_spawner.journal.approval_views import ApprovalState
from aurora_spawner.storage.stored_values import storable_text
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.approvals import WHOLE_RUN, ApprovalAnswer, ApprovalQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.tasks.approvals import AskingAttempt
    from aurora_spawner.tasks.run_events import RunEvent


class EventSink(Protocol):
    """Takes the events of an inbox; the notifier of a run does."""

    def emit(self, event: RunEvent) -> None:
        """Hands an event on."""
        ...


_ALPHABET: Final = "23456789abcdefghjkmnpqrstvwxyz"
"""Of ids: nothing that looks like something else."""
_ID_LENGTH: Final = 6
TEXT_LIMIT: Final = 4_000
"""The most characters that are kept of a text of a question, and of the note of an answer."""

USER_LIMIT: Final = 300
"""The most characters that are kept of the name of a user who has signed in."""

_Key = tuple[str, int, str, str, str]
"""Task, number of the attempt, gate, rule and subject: what makes a question the same after a resume."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A question, and what has become of it."""

    approval: str
    question: ApprovalQuestion
    number: int
    answer: ApprovalAnswer | None = None
    withdrawn: bool = False
    asked: int = 0
    """Gates that have asked and not got an answer yet."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the answer is durable, or none will come."""

    @property
    def open(self) -> bool:
        return self.answer is None and not self.withdrawn

    @property
    def key(self) -> _Key:
        return key_of(self.question, self.number)


def key_of(question: ApprovalQuestion, number: int) -> _Key:
    """Returns what makes a question of an attempt the same after a resume."""
    return question.task_id, number, question.gate, question.rule, question.subject


@dataclass(slots=True, kw_only=True)
class ApprovalInbox:
    """Asks a person for any gate of a run; used from the run's event loop.

    A question of the same attempt, gate, rule and subject as one that an earlier coordinator has left is that one:
    it keeps its id, and an answer that was given meanwhile counts.

    Attributes:
        limit_s: time for an answer, from the question or from a resume; then it is no. None for no limit.
        stopping: returns True if a task or the whole run is to end.
        on_wait: called with a task once a question of it waits: it gives back its slot, and its time stands still.
        on_go_on: called with it once none does any longer.
    """

    recorder: Recorder
    notifier: EventSink
    limit_s: float | None
    stopping: Callable[[str], bool]
    on_wait: Callable[[str], None]
    on_go_on: Callable[[str], None]
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _left: dict[_Key, _Entry] = field(default_factory=dict)
    """Questions of an earlier coordinator that were not asked again yet."""
    _grants: dict[tuple[str, str], str] = field(default_factory=dict)
    """The ids of grants, by rule and shape."""
    _waiting: dict[str, int] = field(default_factory=dict)
    """Questions that wait, by task."""

    def restore(self, rows: Sequence[ApprovalRow], *, used: Collection[str] = ()) -> None:
        """Takes over what earlier coordinators have asked, and what was answered since.

        Args:
            used: the questions whose answers have decided on a tool call, and hold for no other.
        """
        for row in rows:
            entry = _Entry(approval=row.approval, question=_question_of(row), number=row.number)
            entry.withdrawn = row.state is ApprovalState.WITHDRAWN
            if row.state in (ApprovalState.APPROVED, ApprovalState.DENIED):
                approved = row.state is ApprovalState.APPROVED
                entry.answer = ApprovalAnswer(
                    approved=approved, by=row.answered_by or "user", note=row.note, user=row.answered_user
                )
                entry.settled.set()
            self._entries[row.approval] = entry
            if not entry.withdrawn and row.approval not in used:
                self._left[entry.key] = entry
            if row.granted:
                self._grants[row.rule, row.shape] = row.approval

    def drop_stale(self, attempts: Collection[tuple[str, int]]) -> None:
        """Withdraws open questions of attempts that do not go on.

        Args:
            attempts: task and number of those that do.
        """
        for entry in list(self._left.values()):
            of_attempt = entry.question.task_id != WHOLE_RUN
            if of_attempt and (entry.question.task_id, entry.number) not in attempts:
                del self._left[entry.key]
                if entry.open:
                    fact = self._withdraw(entry, "its attempt has ended")
                    self.recorder.append_nowait(entry.question.task_id, fact)

    # Asking.

    async def ask(self, question: ApprovalQuestion, attempt: AskingAttempt) -> ApprovalAnswer:
        """Asks a person as `ask_or_leave` does; the end of the task or of the run is a no."""
        try:
            return await self.ask_or_leave(question, attempt)
        except ApprovalCutOffError as error:
            return ApprovalAnswer(approved=False, by="no inbox", note=str(error))

    def answer_to(self, question: ApprovalQuestion, number: int) -> ApprovalAnswer | None:
        """Returns the answer that the user has given to the same question of an attempt; None if there is none."""
        key = key_of(_bounded(question), number)
        answers = (each.answer for each in self._entries.values() if each.key == key and each.settled.is_set())
        return next((each for each in answers if each is not None and each.by == "user"), None)

    def count(self, task_id: str, number: int, gate: str) -> int:
        """Returns how many questions an attempt has asked by a gate."""
        return sum(each.number == number and each.question.gate == gate for each in self._of(task_id))

    async def ask_or_leave(
        self, question: ApprovalQuestion, attempt: AskingAttempt, *, stays: bool = False
    ) -> ApprovalAnswer:
        """Asks a person and waits for the answer; the question is durable before anybody can see it.

        If the caller is cancelled, the question is withdrawn.

        Args:
            stays: the question stays open then, for a caller that comes again.

        Raises:
            ApprovalCutOffError: The task or the run ends; nothing was approved. The question of an attempt that a
                resume finds again stays open.
        """
        question = _bounded(question)
        if self.stopping(question.task_id):
            raise ApprovalCutOffError(question.task_id)
        key = key_of(question, attempt.number)
        entry = self._left.pop(key, None) or self._same_open(key) or self._request(question, attempt)
        entry.asked += 1
        try:
            await self.recorder.flush()
            if not entry.settled.is_set():
                await self._wait(entry)
        except asyncio.CancelledError:
            if not stays and entry.asked == 1 and entry.open and not entry.settled.is_set():
                withdrawn = self._withdraw(entry, "its gate no longer waits for it")
                self.recorder.append_nowait(question.task_id, withdrawn)
            raise
        finally:
            entry.asked -= 1
        if entry.answer is None:
            raise ApprovalCutOffError(question.task_id)
        return replace(entry.answer, approval=entry.approval)

    def is_open(self, question: ApprovalQuestion, number: int) -> bool:
        """Returns True if an attempt has asked a question, perhaps an earlier coordinator, and has no answer yet."""
        return self._same_open(key_of(_bounded(question), number)) is not None

    def _same_open(self, key: _Key) -> _Entry | None:
        """Returns the question if it is asked already, as by an agent that lost its first call."""
        return next((each for each in self._entries.values() if each.open and each.key == key), None)

    def _request(self, question: ApprovalQuestion, attempt: AskingAttempt) -> _Entry:
        """Returns a new question, which is not durable yet; an earlier grant, or no time to wait, answers it."""
        entry = _Entry(approval=new_approval_id(self._entries), question=question, number=attempt.number)
        self._entries[entry.approval] = entry
        facts: list[Fact] = [
            ApprovalRequested(
                approval=entry.approval,
                number=attempt.number,
                agent=attempt.agent,
                gate=question.gate,
                subject=question.subject,
                rule=question.rule,
                reason=question.reason,
                shape=question.shape,
                limit_s=self.limit_s,
            )
        ]
        grant = self._grants.get((question.rule, question.shape)) if question.shape else None
        if grant is not None:
            entry.answer = ApprovalAnswer(approved=True, by="grant", note=grant_note(grant))
        elif self.limit_s == 0:
            entry.answer = _no_answer(0)
        if entry.answer is not None:
            facts.append(_answered(entry.approval, entry.answer))
            entry.settled.set()
        self.recorder.append_nowait(question.task_id, *facts)
        return entry

    @contextmanager
    def waiting(self, task_id: str) -> Iterator[None]:
        """Lets a task wait for a person while the block runs: it holds no slot, and its time stands still."""
        self._begin_wait(task_id)
        try:
            yield
        finally:
            self._end_wait(task_id)

    async def _wait(self, entry: _Entry) -> None:
        task_id = entry.question.task_id
        asked = run_events.ApprovalAsked(
            task_id=task_id, approval=entry.approval, question=entry.question, limit_s=self.limit_s
        )
        with self.waiting(task_id):
            try:
                self.notifier.emit(asked)
                async with asyncio.timeout(self.limit_s):
                    await entry.settled.wait()
            except TimeoutError:
                if entry.open:
                    await self._settle(entry, _no_answer(self.limit_s))
                else:
                    await entry.settled.wait()

    def _begin_wait(self, task_id: str) -> None:
        self._waiting[task_id] = self._waiting.get(task_id, 0) + 1
        if self._waiting[task_id] == 1:
            self.on_wait(task_id)

    def _end_wait(self, task_id: str) -> None:
        self._waiting[task_id] -= 1
        if not self._waiting[task_id]:
            del self._waiting[task_id]
            self.on_go_on(task_id)

    # Answers.

    async def answer(
        self, approval: str, *, approved: bool, note: str = "", always: bool = False, user: str = ""
    ) -> tuple[ApprovalAnswer, bool]:
        """Answers a question for the user; durable when this returns.

        Args:
            always: also approve, for the rest of the run, what has the same rule and shape.
            user: the name of the user, if somebody who has signed in answers.

        Returns:
            The answer that counts, and True if it is this one: the first does.

        Raises:
            UnknownApprovalError: The run has no such question, or it needs no answer any longer.
            NoShapeError: An approval for the whole run cannot be given.
        """
        entry = self._entries.get(approval)
        if entry is None or entry.withdrawn:
            raise UnknownApprovalError(approval, withdrawn=entry is not None)
        if entry.answer is not None:
            await self.recorder.flush()
            return entry.answer, False
        question = entry.question
        if always and not question.shape:
            raise NoShapeError(approval)
        said, name = storable_text(note, limit=TEXT_LIMIT), storable_text(user, limit=USER_LIMIT)
        given = ApprovalAnswer(approved=approved, by="user", note=said, user=name)
        if always and approved:
            self._grants[question.rule, question.shape] = approval
            await self._settle(entry, given, GrantStored(approval=approval, rule=question.rule, shape=question.shape))
            await self._settle_alike(question, approval)
        else:
            await self._settle(entry, given)
        return given, True

    async def _settle_alike(self, question: ApprovalQuestion, approval: str) -> None:
        """Answers the open questions that a new grant covers."""
        by_grant = ApprovalAnswer(approved=True, by="grant", note=grant_note(approval))
        shape = (question.rule, question.shape)
        for entry in list(self._entries.values()):
            if entry.open and (entry.question.rule, entry.question.shape) == shape:
                await self._settle(entry, by_grant)

    async def _settle(self, entry: _Entry, answer: ApprovalAnswer, *more: Fact) -> None:
        """Gives a question its answer: first here, so that it counts, then durably, then to its gate."""
        entry.answer = answer
        try:
            await self.recorder.append(entry.question.task_id, _answered(entry.approval, answer), *more)
        finally:  # another gate may wait for it, too
            entry.settled.set()
        self.notifier.emit(
            run_events.ApprovalSettled(task_id=entry.question.task_id, approval=entry.approval, answer=answer)
        )

    async def revoke(self, approval: str) -> bool:
        """Takes back an approval for the whole run; returns True if there was one."""
        found = next((shape for shape, each in self._grants.items() if each == approval), None)
        if found is None:
            return False
        del self._grants[found]
        await self.recorder.append(None, GrantRevoked(approval=approval))
        return True

    # The end of attempts, tasks and the run.

    def withdraw(self, task_id: str, why: str) -> tuple[ApprovalWithdrawn, ...]:
        """Withdraws what is open of a task whose attempt has ended; returns the facts of that."""
        return tuple(self._withdraw(entry, why) for entry in self._of(task_id) if entry.open)

    def withdraw_others(self, gate: str, kept: ApprovalQuestion | None, why: str) -> tuple[ApprovalWithdrawn, ...]:
        """Withdraws what is open of a gate about the whole run, except one question; returns the facts of that."""
        key = None if kept is None else key_of(_bounded(kept), 0)
        return tuple(
            self._withdraw(entry, why)
            for entry in self._of(WHOLE_RUN)
            if entry.open and entry.question.gate == gate and entry.key != key
        )

    def cut_off(self, task_id: str | None = None) -> None:
        """Lets the gates of a task, or of all, go without an answer, because it is to end; questions stay open."""
        for entry in list(self._entries.values()) if task_id is None else list(self._of(task_id)):
            if entry.open:
                entry.settled.set()
                self._left[entry.key] = entry

    def _of(self, task_id: str) -> Iterator[_Entry]:
        return (each for each in self._entries.values() if each.question.task_id == task_id)

    def _withdraw(self, entry: _Entry, why: str) -> ApprovalWithdrawn:
        entry.withdrawn = True
        entry.settled.set()
        self._left.pop(entry.key, None)
        self.notifier.emit(run_events.ApprovalSettled(task_id=entry.question.task_id, approval=entry.approval))
        return ApprovalWithdrawn(approval=entry.approval, why=why)


def new_approval_id(taken: Collection[str]) -> str:
    """Returns an id for a question that no other has."""
    while True:
        found = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        if found not in taken:
            return found


def grant_note(approval: str) -> str:
    """Returns the note of an answer that a grant gives.

    Args:
        approval: The question that was approved for the whole run.
    """
    return f"as {approval} for the whole run"


def _question_of(row: ApprovalRow) -> ApprovalQuestion:
    return ApprovalQuestion(
        task_id=row.task_id, gate=row.gate, subject=row.subject, rule=row.rule, reason=row.reason, shape=row.shape
    )


def _answered(approval: str, answer: ApprovalAnswer) -> ApprovalAnswered:
    return ApprovalAnswered(
        approval=approval, approved=answer.approved, by=answer.by, note=answer.note, user=answer.user
    )


def _no_answer(limit_s: float | None) -> ApprovalAnswer:
    note = (
        f"nobody answered within {limit_s:g} s"
        if limit_s
        else "the time limit for an answer is 0, so nobody was asked"
    )
    return ApprovalAnswer(approved=False, by="limit", note=note)


def _bounded(question: ApprovalQuestion) -> ApprovalQuestion:
    """Returns a question whose texts can be stored: not too long, and without halves of characters."""
    names = ("subject", "rule", "reason", "shape")
    return replace(question, **{name: storable_text(getattr(question, name), limit=TEXT_LIMIT) for name in names})
