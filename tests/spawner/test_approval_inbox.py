"""A gate that asks while an agent works: its slot and its time limits wait with it, and the end of a run is a no."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.spawner.exported_events import exported_events

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.control.approvals import answer_approval, approvals_of, open_approvals
from aurora_spawner.control.audit import audit_journal
from aurora_spawner.control.control_client import request_coordinator
from aurora_spawner.control.user_acts import record_act
from aurora_spawner.errors import AgentAnswersError, SpawnerError, UnknownRunError, UnknownTaskError
from aurora_spawner.journal.approval_facts import UserActed
from aurora_spawner.journal.approval_views import ApprovalRow, ApprovalState
from aurora_spawner.runs.approval_inbox import TEXT_LIMIT
from aurora_spawner.runs.coordinator import Coordinator
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion, AskingAttempt
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.run_events import ApprovalAsked, RunEvent, TaskStarted


def question(task_id: str = "a", **fields: str) -> ApprovalQuestion:
    texts = {"gate": "live", "subject": "rm -rf x", "rule": "file_delete", "reason": "deletes", "shape": "rm -rf"}
    return ApprovalQuestion(task_id=task_id, **{**texts, **fields})


WAITS = "until test -e finish; do sleep 0.05; done; echo done"
"""An agent that ends once its gate has."""


class Asking:
    """A run whose gates a test plays."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str = WAITS, **options: Any) -> None:
        asking, self.folder = self, folder

        class Known(Coordinator):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                asking.coordinator = self

        monkeypatch.setattr("aurora_spawner.runs.execution.Coordinator", Known)
        self.coordinator: Coordinator
        self.early: set[str] = set()
        """Questions that were told before the journal had them: nobody could answer them."""
        timeout_s = options.pop("timeout_s", None)
        names = options.pop("names", "a")
        given = RunOptions(
            default_agent="sh",
            cwd=folder,
            spool=folder / "runs",
            executor=LocalExecutor(grace_s=0.3),
            **options,
        )
        tasks = [SpawnTask(script, id=name, timeout_s=timeout_s) for name in names]
        self.run = Run.create(folder / "runs.db", tasks, {"sh": CommandBackend("sh", ("sh",))}, given)

    async def execute(self, gate: Any) -> RunReport:
        """Execute the run; `gate` is called with each task that starts."""
        playing: set[asyncio.Task[None]] = set()

        def follow(event: RunEvent) -> None:
            if isinstance(event, TaskStarted):
                playing.add(asyncio.create_task(play(event.task_id)))
            if isinstance(event, ApprovalAsked):
                self.early |= {event.approval} - {each.approval for each in approvals_of(self.run.journal)}

        async def play(task_id: str) -> None:
            await gate(task_id)
            (self.folder / "finish").touch()

        report = await self.run.execute(follow)
        await asyncio.gather(*playing)
        return report

    async def ask(self, **fields: str) -> ApprovalAnswer:
        return await self.coordinator.approvals.ask(question(**fields), AskingAttempt(number=1, agent="sh"))

    async def answer_later(self, after_s: float, *, approved: bool = True) -> None:
        """Answer what is open, once something is."""
        await asyncio.sleep(after_s)
        for each in await self.open_ones():
            await asyncio.to_thread(answer_approval, self.run.journal, each.approval, approved=approved)

    async def open_ones(self) -> list[ApprovalRow]:
        for _ in range(600):
            if found := open_approvals(self.run.journal):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError("nothing was asked")


async def test_the_time_limit_of_an_attempt_stands_still_while_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The busier the machine is, the longer is the limit: it must not be used up before anything is asked."""
    for limit_s in (2.0, 8.0, 32.0):
        (tmp_path / str(limit_s)).mkdir()
        asking = Asking(tmp_path / str(limit_s), monkeypatch, timeout_s=limit_s)
        result = (await asking.execute(partial(answered_after, asking, limit_s + 0.5))).results["a"]
        asked = approvals_of(asking.run.journal)
        if asked and result.started_at is not None and asked[0].asked_at - result.started_at < limit_s / 4:
            break
    assert result.success, result.error


async def answered_after(asking: Asking, after_s: float, _task_id: str) -> None:
    asked = asyncio.create_task(asking.ask())
    await asyncio.sleep(after_s)
    for each in open_approvals(asking.run.journal):
        await asyncio.to_thread(answer_approval, asking.run.journal, each.approval, approved=True)
    await asked


async def test_the_time_limit_holds_again_once_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(tmp_path, monkeypatch, "sleep 60; echo done", timeout_s=1.5)

    async def gate(_task_id: str) -> None:
        answer = asyncio.create_task(asking.answer_later(0.7))
        await asking.ask()
        await answer

    began = time.monotonic()
    report = await asking.execute(gate)
    assert report.results["a"].termination_reason == "deadline"
    assert time.monotonic() - began < 40


async def test_an_agent_that_waits_holds_no_slot_and_gets_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Asking(tmp_path, monkeypatch, names="ab", max_concurrent=1)
    started = []

    async def gate(task_id: str) -> None:
        started.append(task_id)
        if task_id == "a":
            assert (await asking.ask()).approved
        else:
            await asking.answer_later(0.0)

    assert (await asking.execute(gate)).ok
    assert started == ["a", "b"]


async def test_the_end_of_the_run_is_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(tmp_path, monkeypatch, "sleep 60; echo done")
    answers = []

    async def gate(_task_id: str) -> None:
        asyncio.get_running_loop().call_later(0.5, asking.coordinator.end, "interrupted")
        answers.append(await asking.ask())
        answers.append(await asking.ask(subject="asked once more"))

    report = await asking.execute(gate)
    assert report.results["a"].state is TaskState.CANCELLED
    assert [(each.approved, each.by) for each in answers] == [(False, "no inbox")] * 2
    assert [each.state for each in approvals_of(asking.run.journal)] == [ApprovalState.WITHDRAWN]


async def test_a_gate_that_gives_up_takes_its_question_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(tmp_path, monkeypatch)

    async def gate(_task_id: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asking.ask()

    assert (await asking.execute(gate)).ok
    (row,) = approvals_of(asking.run.journal)
    assert (row.state, row.note) == (ApprovalState.WITHDRAWN, "its gate no longer waits for it")


async def test_a_question_that_is_open_is_not_asked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(tmp_path, monkeypatch)

    async def gate(_task_id: str) -> None:
        answer = asyncio.create_task(asking.answer_later(0.3))
        first, second = await asyncio.gather(asking.ask(), asking.ask())
        assert first == second == ApprovalAnswer(approved=True, by="user", approval=first.approval)
        await answer
        again = asyncio.create_task(asking.answer_later(0.2, approved=False))
        assert not (await asking.ask()).approved, "what was approved once is asked again"
        await again

    assert (await asking.execute(gate)).ok
    assert asking.early == set()
    assert [each.state for each in approvals_of(asking.run.journal)] == [ApprovalState.APPROVED, ApprovalState.DENIED]


async def test_odd_texts_are_stored_and_long_ones_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(tmp_path, monkeypatch, approval_limit_s=0.0)

    async def gate(_task_id: str) -> None:
        assert (await asking.ask(subject="\udce4\0\x1b" + "x" * 9_000)).by == "limit"

    assert (await asking.execute(gate)).ok
    (row,) = approvals_of(asking.run.journal)
    assert len(row.subject) == TEXT_LIMIT
    assert row.subject.startswith("\\udce4")


async def test_a_note_that_cannot_be_stored_as_it_is_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Asking(tmp_path, monkeypatch)
    notes = []

    async def gate(_task_id: str) -> None:
        asked = asyncio.create_task(asking.ask())
        (waiting,) = await asking.open_ones()
        request = {"do": "answer", "approval": waiting.approval, "approved": True, "note": "\ud800"}
        said = await asyncio.to_thread(request_coordinator, asking.run.journal, asking.run.run_id, request)
        notes.append(said["note"])
        assert (await asked).note == "\\ud800"
        request = {"do": "answer", "approval": 1, "approved": "yes"}
        with pytest.raises(SpawnerError, match="an answer has the id of a question"):
            await asyncio.to_thread(request_coordinator, asking.run.journal, asking.run.run_id, request)

    assert (await asking.execute(gate)).ok
    assert notes == ["\\ud800"]


async def test_no_agent_answers_by_the_library_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(tmp_path, monkeypatch)

    async def gate(_task_id: str) -> None:
        answer = asyncio.create_task(asking.ask())
        (waiting,) = await asking.open_ones()
        with monkeypatch.context() as inside:
            inside.setenv(TOKEN_VARIABLE, "t")
            with pytest.raises(AgentAnswersError, match="is for the user"):
                answer_approval(asking.run.journal, waiting.approval, approved=True)
        await asking.answer_later(0.0, approved=False)
        assert not (await answer).approved

    assert (await asking.execute(gate)).ok


def test_a_record_of_waits_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    files = AttemptFolder(path=tmp_path)
    assert files.waited_s(5.0) == 0.0
    files.write_waited(1.0, since=10.0)
    assert files.waited_s(12.5) == 3.5
    files.write_waited(4.0, since=None)
    assert files.waited_s(30.0) == 4.0
    for damage in ("", "x -", "1", "nan -", "inf -", "-5 -", "1 2", "1 2 3", "1 - 3", "\xe4 -"):
        files.waited.write_text(damage)
        assert files.waited_s(30.0) == 0.0


async def test_an_agent_that_forges_the_record_of_its_waits_gains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "at=$(dirname $(find runs -name claim)); while :; do echo '99999 -' > $at/waited; sleep 0.05; done"
    asking = Asking(tmp_path, monkeypatch, script, timeout_s=1.0)

    async def gate(_task_id: str) -> None:
        answer = asyncio.create_task(asking.answer_later(0.2))
        await asking.ask()
        await answer

    monkeypatch.setattr("aurora_spawner.supervision.supervisor_deadline.KILL_LIMIT_S", 0.5)
    monkeypatch.setattr("aurora_spawner.supervision.supervisor_deadline.MARGIN_S", 0.5)
    report = await asking.execute(gate)
    assert report.results["a"].termination_reason == "deadline"


async def test_an_answer_names_the_user_and_acts_stand_between_the_events_of_the_coordinator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Asking(tmp_path, monkeypatch)
    answers = []

    def act(approval: str) -> None:
        journal, run_id = asking.run.journal, asking.run.run_id
        act = {"role": "operator", "issuer": "https://id.example", "subject": "1", "refused": ""}
        record_act(
            journal, UserActed(act="approve", user="blue\ud800", approval=approval, **act), run_id="", task_id=None
        )
        paused = UserActed(act="pause", user="blue", approval="", **act)
        record_act(journal, paused, run_id=run_id, task_id=None)
        with pytest.raises(UnknownTaskError):
            record_act(journal, paused, run_id=run_id, task_id="b")
        for user in ("blue", "red"):
            report = answer_approval(journal, approval, approved=True, user=user)
            answers.append((report.answer.user, report.first))

    async def gate(_task_id: str) -> None:
        asked = asyncio.create_task(asking.ask())
        (row,) = await asking.open_ones()
        await asyncio.to_thread(act, row.approval)
        answers.append(((await asked).user, True))

    assert (await asking.execute(gate)).ok
    assert answers == [("blue", True), ("blue", False), ("blue", True)]
    (row,) = approvals_of(asking.run.journal)
    assert (row.answered_by, row.answered_user) == ("user", "blue")
    acts = exported_events(asking.run.journal, "user_acted")
    assert [(each["task"], each["fields"]["user"]) for each in acts] == [("a", "blue\\ud800"), (None, "blue")]
    assert audit_journal(asking.run.journal).ok
    with pytest.raises(UnknownRunError):
        record_act(
            asking.run.journal,
            UserActed(act="pause", user="blue", role="", issuer="", subject="", approval="", refused=""),
            run_id="spawn-9",
            task_id=None,
        )
