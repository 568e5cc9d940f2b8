"""The stages of an attempt: their order in the journal, and one reading of each output."""

import asyncio
import inspect
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from aurora_spawner import RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnerError, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.backends.base import Invocation, Reply
from aurora_spawner.backends.replies import read_end, reply_of
from aurora_spawner.errors import BackendError
from aurora_spawner.journal.entries import Entry
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import StoredOptions, load_run
from aurora_spawner.recovery.no_recovery import NoRecovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.runs.run_options import TaskSource
from aurora_spawner.spending.budgeted_executor import BudgetedExecutor
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor, echo


@dataclass(frozen=True)
class CountingBackend:
    """An agent of which nothing exists but its name; counts how often an output is read."""

    name: str
    timeout_s: float | None = None
    reads: Counter[str] = field(default_factory=Counter)

    def invoke(self, task: SpawnTask) -> Invocation:
        return Invocation(command=(self.name,), env={})

    def read(self, stdout: str, stderr: str) -> Reply:
        self.reads[stdout] += 1
        return Reply(text=stdout)


@dataclass(frozen=True)
class Granted:
    granted: bool = True
    reason: str = ""
    notices: tuple[str, ...] = ()
    allowance_usd: float | None = None


class OpenPurse:
    """A gate that grants everything."""

    def reserve(self, **_asked: object) -> Granted:
        return Granted()

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> Granted:
        return Granted()

    def settle(self, token: str, cost_usd: float | None) -> None:
        pass

    def release(self, token: str) -> None:
        pass

    def open_reservations(self, run_id: str) -> dict[str, str]:
        return {}


def options(folder: Path, **more: object) -> RunOptions:
    return RunOptions(default_agent="a", cwd=folder, spool=folder / "runs", **more)  # type: ignore[arg-type]


def facts_of(folder: Path, task_id: str) -> list[str]:
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        rows = connection.execute("SELECT kind FROM events WHERE task_id = ? ORDER BY seq", (task_id,))
        return [kind for (kind,) in rows]


def test_the_facts_of_an_attempt_stand_in_the_order_of_its_stages(tmp_path: Path) -> None:
    failures = iter([1, 0])

    def agent(order: AttemptOrder) -> AttemptEnd:
        end = echo(order)
        return end if next(failures) == 0 else AttemptEnd(reason=EndReason.EXITED, exit_code=1)

    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"a": SimulatedBackend("a")},
        options(
            tmp_path,
            executor=SimulatedExecutor(agent=agent),
            recovery=RecoverySettings(policy=RecoveryPolicy(base_delay=0.001, jitter=False), state_dir=None),
        ),
    )
    assert asyncio.run(run.execute()).ok
    assert facts_of(tmp_path, "1") == [
        *("attempt_intended", "recovery_transition", "attempt_started", "attempt_ended", "recovery_transition"),
        *("attempt_intended", "recovery_transition", "attempt_started", "attempt_ended", "task_settled"),
        "recovery_transition",
    ]


def test_what_stands_in_the_journal_is_of_plain_types(tmp_path: Path) -> None:
    """A text of a class of its own would take twice as long to write, and look like plain text everywhere."""
    seen: list[Entry] = []
    append = Journal.append

    def watched(self: Journal, entries: Sequence[Entry], *, lease: str | None = None) -> None:
        seen.extend(entries)
        append(self, entries, lease=lease)

    ends = iter([EndReason.SUPERVISOR_LOST, EndReason.EXITED])
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"a": SimulatedBackend("a")},
        options(tmp_path, executor=SimulatedExecutor(agent=lambda order: replace(echo(order), reason=next(ends)))),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", watched)
        assert asyncio.run(run.execute()).ok
    assert len(seen) > 6
    values = [value for *names, row in seen for value in (*names, *row)]
    assert {type(value) for value in values} <= {str, int, float, bool, type(None)}


def test_an_output_is_read_once_though_budget_and_result_need_it(tmp_path: Path) -> None:
    backend = CountingBackend("a")
    executor = BudgetedExecutor(inner=SimulatedExecutor(), gate=OpenPurse(), backends={"a": backend})
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("one"), SpawnTask("two")],
        {"a": backend},
        options(tmp_path, executor=executor),
    )
    assert asyncio.run(run.execute()).ok
    assert sorted(backend.reads.values()) == [1, 1]


def test_an_end_that_was_read_is_read_again_by_another_backend_only() -> None:
    one, other = CountingBackend("one"), CountingBackend("other")
    read = read_end(AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout="x"), one)
    assert reply_of(read, one) is read.reply
    assert (one.reads["x"], other.reads["x"]) == (1, 0)
    reply_of(read, other)
    assert (one.reads["x"], other.reads["x"]) == (1, 1)


def test_a_simulated_end_whose_waiter_gave_up_can_be_collected(tmp_path: Path) -> None:
    order = AttemptOrder(
        run_id="r",
        task_id="1",
        number=1,
        agent="a",
        token="t",
        folder=tmp_path,
        prompt="go",
        command=("a",),
        environment={},
        cwd=tmp_path,
        deadline_s=None,
    )

    async def collected() -> AttemptEnd:
        executor = SimulatedExecutor(duration_s=0.05)
        running = await executor.start(order)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(executor.collect(running), 0.001)
        return await executor.collect(running)

    assert asyncio.run(collected()).stdout == "go"


def test_a_task_whose_program_is_missing_has_a_result_and_no_attempt(tmp_path: Path) -> None:
    class Missing(CountingBackend):
        def invoke(self, task: SpawnTask) -> Invocation:
            raise BackendError(self.name, "has no program")

    run = Run.create(tmp_path / "runs.db", [SpawnTask("go")], {"a": Missing("a")}, options(tmp_path))
    result = asyncio.run(run.execute()).results["1"]
    assert (result.success, "has no program" in str(result.error)) == (False, True)
    assert facts_of(tmp_path, "1") == ["task_settled"]


def test_no_recovery_answers_all_that_a_coordinator_asks() -> None:
    asked = {name for name in dir(RunRecovery) if not name.startswith("_")} - {"health"}
    for name in asked:
        theirs, ours = getattr(RunRecovery, name, None), getattr(NoRecovery, name)
        if inspect.isfunction(theirs):
            assert [*inspect.signature(theirs).parameters.values()] == [*inspect.signature(ours).parameters.values()]


def test_the_source_and_the_limit_of_a_run_are_stored_for_its_resume(tmp_path: Path) -> None:
    source = TaskSource(taskfile=tmp_path / "tasks.md", order="file", optional=True)
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"a": SimulatedBackend("a")},
        options(tmp_path, source=source, limit_usd=2.5, max_concurrent=3, kind="soar"),
    )
    with Journal(tmp_path / "runs.db") as journal:
        row = load_run(journal, run.run_id)
        stored = journal.connection.execute("SELECT options FROM runs").fetchone()[0]
    assert row.options == StoredOptions(taskfile=tmp_path / "tasks.md", limit_usd=2.5, order="file", optional=True)
    assert set(json.loads(stored)) == {
        "taskfile",
        "limit_usd",
        "order",
        "optional",
        "candidates",
        "candidate_agents",
        "arguments",
        "key",
        "isolation",
        "sandbox",
        "pool",
        "overlaps",
        "chosen_because",
    }
    again = Run.resume(run.journal, run.run_id, run.backends)
    assert (again.options.source, again.options.limit_usd, again.options.max_concurrent) == (source, 2.5, 3)
    assert again.options.kind == "soar"
    more = Run.resume(run.journal, run.run_id, run.backends, max_concurrent=7)
    assert more.options.max_concurrent == 7


def test_options_that_let_nothing_start_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpawnerError, match="max_concurrent must be at least 1, not 0"):
        options(tmp_path, max_concurrent=0)
