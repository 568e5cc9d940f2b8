"""Reviews without a repository: verdicts read strictly, rounds with a limit, reviewers that fail."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aurora_spawner import RecoveryPolicy, RecoverySettings, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.errors import BackendError, TaskError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_attempts
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.tasks.result import REVIEW_FAILED, REVIEW_REFUSED
from aurora_spawner.tasks.review import Reviewer, Verdict
from aurora_spawner.tasks.run_events import RunEvent, TaskReviewing
from aurora_spawner.tasks.task import task_from_json, task_to_json
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor


def said(word: str, *reasons: str) -> str:
    return json.dumps({"verdict": word, "summary": "s", "reasons": [{"reason": each} for each in reasons]})


YES, NO = said("approve"), said("send_back", "not so")


def answering(*verdicts: str | int) -> SimulatedExecutor:
    """The worker answers with its prompt, the reviewer with these; a number is its exit code."""
    left = list(verdicts)

    def agent(order: AttemptOrder) -> AttemptEnd:
        answer = left.pop(0) if order.agent == "critic" else "done"
        if isinstance(answer, int):
            return AttemptEnd(reason=EndReason.EXITED, exit_code=answer, stderr="broken")
        return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=answer)

    return SimulatedExecutor(agent=agent)


def execute(folder: Path, executor: SimulatedExecutor, **options: Any) -> tuple[RunReport, list[RunEvent]]:
    task = SpawnTask("Find it", id="1", review=Reviewer(agent="critic", instructions="Be strict."))
    given = RunOptions(default_agent="a", cwd=folder, spool=folder / "runs", executor=executor, **options)
    backends, events = {name: SimulatedBackend(name) for name in ("a", "critic")}, list[RunEvent]()
    report = Run.create(folder / "runs.db", [task], backends, given).execute_sync(events.append)
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        attempts = load_attempts(journal, report.run_id)
    assert {each.state for each in attempts} == {"ended"}
    assert [each.role for each in attempts] == ["review" if each.agent == "critic" else "work" for each in attempts]
    return report, events


def agents(executor: SimulatedExecutor) -> str:
    return " ".join(order.agent for order in executor.orders)


def test_the_reviewer_gets_task_and_answer_and_its_own_folder(tmp_path: Path) -> None:
    executor = answering(YES)
    report, events = execute(tmp_path, executor)
    assert report.ok
    worker, reviewer = executor.orders
    assert worker.folder.parent != reviewer.folder.parent
    assert worker.number != reviewer.number  # the budget knows attempts by it
    for part in ("Be strict.", "Find it", "done", "there is no diff of it", '"send_back"'):
        assert part in reviewer.prompt
    assert [event.message for event in events if isinstance(event, TaskReviewing)] == [
        "its work is reviewed by critic"
    ]
    assert str(report.results["1"].verification) == "unverified: no check was run; approved by critic"


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_the_rounds_of_reviews_have_a_limit_of_their_own(tmp_path: Path, rounds: int) -> None:
    executor = answering(*[NO] * 9)
    report, _events = execute(tmp_path, executor, review_rounds=rounds, check_rounds=7)
    assert agents(executor) == " ".join(["a critic"] * (1 + rounds))
    result = report.results["1"]
    assert (result.success, result.error) == (False, "sent back by critic: not so")
    assert result.reported is not None
    assert result.reported.code == REVIEW_REFUSED
    assert result.review is not None
    assert result.review.verdict is Verdict.SENT_BACK


class Counting(SimulatedExecutor):
    """Knows how many attempts of each agent ran at once at most."""

    def __init__(self) -> None:
        super().__init__(agent=said_by_all, duration_s=0.05)
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.agents: dict[str, str] = {}

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        running = await super().start(order)
        self.agents[running.token] = order.agent
        self.running[order.agent] += 1
        self.most |= self.running
        return running

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        end = await super().collect(attempt)
        self.running[self.agents[attempt.token]] -= 1
        return end


def said_by_all(_order: AttemptOrder) -> AttemptEnd:
    return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=YES)


def test_reviewers_keep_to_the_limits_of_their_agents(tmp_path: Path) -> None:
    """Two agents review each other's work, each one at a time: neither waits for the other in a circle."""
    executor = Counting()
    pairs = [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a"), ("c", "a"), ("c", "b"), ("c", "c")]
    tasks = [SpawnTask("x", agent=agent, review=reviewer) for agent, reviewer in pairs]
    given = RunOptions(
        default_agent="a",
        cwd=tmp_path,
        spool=tmp_path / "runs",
        executor=executor,
        max_concurrent=6,
        agent_limits={"a": 1, "b": 1},
    )
    backends = {name: SimulatedBackend(name) for name in "abc"}
    report = Run.create(tmp_path / "runs.db", tasks, backends, given).execute_sync()
    assert report.ok
    assert (executor.most["a"], executor.most["b"]) == (1, 1)
    assert executor.most["c"] == 3


@pytest.mark.parametrize(("answer", "complaint"), [
    ("Looks good to me", "line 1, column 1"),
    (said("approved"), "'approved' is not one of"),
    (said("send_back"), "$.reasons: "),
    (f"{YES}\n{YES}", "Extra data"),
    ('{"verdict": "approve", "summary": "s", "reasons": [], "score": 9}', "'score' was unexpected"),
    ('{"verdict": "approve", "verdict": "send_back", "summary": "s", "reasons": []}', "'verdict' twice"),
])  # fmt: skip
def test_a_verdict_is_read_strictly_and_asked_for_again(tmp_path: Path, answer: str, complaint: str) -> None:
    executor = answering(answer, YES)
    report, _events = execute(tmp_path, executor)
    assert report.ok
    assert agents(executor) == "a critic critic"
    assert complaint in executor.orders[2].prompt
    review = report.results["1"].review
    assert review is not None
    assert review.attempts == 2


@pytest.mark.parametrize(("answers", "asked"), [(["hm", "hm", "hm"], 2), ([3], 1), ([""], 1)])
def test_without_a_verdict_the_task_fails_and_its_agent_is_not_asked_again(
    tmp_path: Path, answers: Sequence[str | int], asked: int
) -> None:
    executor = answering(*answers)
    report, _events = execute(tmp_path, executor, check_rounds=1)
    assert agents(executor) == " ".join(["a", *["critic"] * asked])
    result = report.results["1"]
    assert str(result.error).startswith("its work could not be reviewed: ")
    assert result.reported is not None
    assert result.reported.code == REVIEW_FAILED


def test_a_reviewer_that_fails_is_asked_again_as_the_policy_allows(tmp_path: Path) -> None:
    policy = RecoveryPolicy(max_retries=2, base_delay=0.001, jitter=False, fallback_to_llm=False)
    executor = answering(3, 4, YES)
    report, _events = execute(tmp_path, executor, recovery=RecoverySettings(policy=policy, state_dir=None))
    assert report.ok
    assert agents(executor) == "a critic critic critic"
    assert (report.results["1"].retry_count, report.results["1"].agent) == (0, "a")
    again = answering(*[3] * 9)
    settings = RecoverySettings(policy=policy, state_dir=None)
    failed, _events = execute(tmp_path / "again", again, recovery=settings)
    assert agents(again) == "a critic critic critic"
    assert not failed.ok


def test_retries_of_the_agent_and_reviews_are_counted_apart(tmp_path: Path) -> None:
    executor = answering(NO, "hm", YES)
    report, _events = execute(tmp_path, executor)
    assert agents(executor) == "a critic a critic critic"
    assert report.results["1"].retry_count == 0


def test_a_reviewer_without_a_backend_is_refused_before_anything_runs(tmp_path: Path) -> None:
    options = RunOptions(default_agent="a", cwd=tmp_path, spool=tmp_path / "runs")
    with pytest.raises(BackendError, match="nobody"):
        Run.create(tmp_path / "runs.db", [SpawnTask("x", review="nobody")], {"a": SimulatedBackend("a")}, options)


@pytest.mark.parametrize("wrong", [3, Reviewer, "", "two\nlines"])
def test_what_is_no_reviewer_is_refused(wrong: Any) -> None:
    with pytest.raises(TaskError) as caught:
        SpawnTask("x", review=wrong)
    assert caught.value.field == "review"


def test_a_task_keeps_its_reviewer_in_the_journal_and_in_its_hash() -> None:
    task = SpawnTask("x", id="t", review=Reviewer(agent="critic", instructions="Be strict."))
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task
    assert task.content_hash != SpawnTask("x", id="t").content_hash
    assert task.content_hash != SpawnTask("x", id="t", review="critic").content_hash


def test_a_task_file_names_its_reviewer(tmp_path: Path) -> None:
    text = "- [ ] 1 Group\n  - Review: @critic\n  - [ ] 1.1 In it\n- [ ] 2 Write\n  - Review: carefully\n"
    inside, outside = parse_taskfile(text, tmp_path / "tasks.md").tasks
    assert inside.reviewer == Reviewer(agent="critic")
    assert outside.reviewer is None
    assert "Review: carefully" in outside.prompt


async def test_a_review_that_was_cut_off_is_no_retry_of_its_task(tmp_path: Path) -> None:
    executor = SimulatedExecutor(agent=said_by_all, duration_s=0.1)
    given = RunOptions(default_agent="a", cwd=tmp_path, spool=tmp_path / "runs", executor=executor)
    backends = {name: SimulatedBackend(name) for name in ("a", "critic")}
    run = Run.create(tmp_path / "runs.db", [SpawnTask("x", id="1", review="critic")], backends, given)

    def cut_off(event: RunEvent) -> None:
        if isinstance(event, TaskReviewing):
            running.cancel()

    running = asyncio.ensure_future(run.execute(cut_off))
    with pytest.raises(asyncio.CancelledError):
        await running
    again = Run.resume(tmp_path / "runs.db", run.run_id, backends, executor=executor)
    result = (await again.execute()).results["1"]
    with Journal(tmp_path / "runs.db") as journal:
        roles = [each.role for each in load_attempts(journal, run.run_id)]
    assert roles == ["work", "review", "work", "review"]
    assert result.retry_count == 1
