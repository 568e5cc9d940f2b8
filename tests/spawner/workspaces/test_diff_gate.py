"""The after-gate: a task's diff is judged, denied work is not merged, and a person is asked about the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.checked_agent import agent, make_run

from aurora_spawner import Run, SpawnTask
from aurora_spawner.control.approvals import answer_approval, approvals_of, grants_of, open_approvals, revoke_grant
from aurora_spawner.errors import NoShapeError, UnknownApprovalError
from aurora_spawner.journal.approval_views import ApprovalState
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events, load_tasks
from aurora_spawner.journal.work_facts import WorkJudged
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.diff_gate import FileDiff, WorkDiff
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled, RunEvent, TaskStarted
from aurora_spawner.workspaces.diff_reading import read_diff
from aurora_spawner.workspaces.preparation import Preparation

if TYPE_CHECKING:
    from tests.spawner.workspaces.repository import Repository

    from aurora_spawner import RunReport
    from aurora_spawner.workspaces.worktrees import Workspaces


@dataclass(frozen=True)
class Found:
    rule: str
    denied: bool = False
    subject: str = "a file"
    reason: str = "changes a file"
    shape: str = "changes of files"


@dataclass
class Gate:
    """Objects to what a test says, by the name of the task."""

    findings: dict[str, list[Found]]
    seen: list[WorkDiff] = field(default_factory=list)

    def judge(self, diff: WorkDiff) -> list[Found]:
        self.seen.append(diff)
        return self.findings.get(diff.task_id, [])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def make(repository: Repository, place: Path, gate: Gate, *names: str, **options: Any) -> Run:
    tasks = [SpawnTask("go", id=name) for name in names]
    scripts = {f"{name}.{number}": f"echo {name} > {name}.txt" for name in names for number in (1, 2)}
    return make_run(repository.path, place, tasks, scripts, diff_gate=gate, **options)


def answering(run: Run, *, approved: bool, note: str = "", always: bool = False) -> RunReport:
    """Execute a run whose questions are answered from other threads, as by other processes."""

    async def execute() -> RunReport:
        answers: set[asyncio.Task[object]] = set()

        def follow(event: RunEvent) -> None:
            if isinstance(event, ApprovalAsked):
                answer = asyncio.to_thread(
                    answer_approval, run.journal, event.approval, approved=approved, note=note, always=always
                )
                answers.add(asyncio.create_task(answer))

        report = await run.execute(follow)
        # After a no, the other questions of the work may need no answer any longer.
        await asyncio.gather(*answers, return_exceptions=not approved)
        return report

    return asyncio.run(execute())


def test_work_without_findings_is_taken_and_the_journal_says_that_it_was_judged(
    repository: Repository, place: Path
) -> None:
    gate = Gate({})
    run = make(repository, place, gate, "a")
    assert run.execute_sync().ok
    assert (repository.path / "a.txt").exists()
    (diff,) = gate.seen
    assert (diff.task_id, diff.agent, diff.files) == (
        "a",
        "agent",
        (FileDiff(path="a.txt", kind="A", lines=1, added=((1, "a"),)),),
    )
    with Journal(run.journal) as journal:
        judged = [each.fact for each in load_events(journal, run.run_id) if isinstance(each.fact, WorkJudged)]
    assert [(each.agent, each.findings) for each in judged] == [("agent", [])]
    assert [each.base for each in judged] == [repository("rev-parse", "main~1")]


def test_denied_work_fails_its_task_at_once_and_stays_on_its_branch(repository: Repository, place: Path) -> None:
    gate = Gate({"bad": [Found("protected_paths", denied=True), Found("scope")]})
    report = make(repository, place, gate, "bad", "good").execute_sync()
    assert not report.ok
    bad = report.results["bad"]
    assert bad.state is TaskState.FAILED
    assert bad.error == "the policies deny its work: changes a file: a file [protected_paths]"
    assert len([each for each in gate.seen if each.task_id == "bad"]) == 1  # no retry would make it good
    assert not (repository.path / "bad.txt").exists()
    assert (repository.path / "good.txt").exists()
    assert repository.shown(f"aurora/{report.run_id}/bad", "bad.txt") == "bad"
    assert approvals_of(place / "runs.db") == []


def test_approved_work_is_merged(repository: Repository, place: Path) -> None:
    run = make(repository, place, Gate({"a": [Found("scope")]}), "a")
    assert answering(run, approved=True, note="I have looked").ok
    assert (repository.path / "a.txt").exists()
    (row,) = approvals_of(run.journal, run.run_id)
    assert (row.state, row.answered_by, row.note, row.gate, row.agent, row.number) == (
        ApprovalState.APPROVED,
        "user",
        "I have looked",
        "after",
        "agent",
        1,
    )
    with Journal(run.journal) as journal:
        assert verify(journal).problem is None


def test_work_that_is_not_approved_fails_with_the_note(repository: Repository, place: Path) -> None:
    run = make(repository, place, Gate({"a": [Found("scope"), Found("secrets", shape="")]}), "a")
    report = answering(run, approved=False, note="not like this")
    assert report.results["a"].error is not None
    assert "was not approved" in report.results["a"].error
    assert "not like this" in report.results["a"].error
    assert not (repository.path / "a.txt").exists()
    assert open_approvals(run.journal) == []


@pytest.mark.parametrize(
    ("limit_s", "said"),
    few([(0.2, "nobody answered within 0.2 s"), (0.0, "the time limit for an answer is 0, so nobody was asked")], 1),
)
def test_without_an_answer_the_answer_is_no(repository: Repository, place: Path, limit_s: float, said: str) -> None:
    run = make(repository, place, Gate({"a": [Found("scope")]}), "a", approval_limit_s=limit_s)
    report = run.execute_sync()
    assert f"(by limit: {said}" in str(report.results["a"].error)
    (row,) = approvals_of(run.journal)
    assert (row.state, row.answered_by, row.limit_s) == (ApprovalState.DENIED, "limit", limit_s)
    with pytest.raises(UnknownApprovalError):
        answer_approval(run.journal, "zzzzzz", approved=True)
    late = answer_approval(run.journal, row.approval, approved=True)
    assert (late.first, late.answer.approved, late.answer.by) == (False, False, "limit")


def test_a_task_that_waits_for_a_person_holds_no_slot(repository: Repository, place: Path) -> None:
    """The second task starts, with one slot for all, while the first one waits."""
    run = make(repository, place, Gate({"a": [Found("scope")]}), "a", "b", max_concurrent=1)
    seen: list[str] = []

    async def execute() -> RunReport:
        answers: set[asyncio.Task[object]] = set()
        asked = ""

        def follow(event: RunEvent) -> None:
            nonlocal asked
            if isinstance(event, ApprovalAsked):
                asked = event.approval
                seen.append("asked")
            if isinstance(event, TaskStarted):
                seen.append(event.task_id)
                if event.task_id == "b":
                    answer = asyncio.to_thread(answer_approval, run.journal, asked, approved=True)
                    answers.add(asyncio.create_task(answer))
            if isinstance(event, ApprovalSettled):
                seen.append("settled")

        report = await run.execute(follow)
        await asyncio.gather(*answers)
        return report

    assert asyncio.run(execute()).ok
    assert seen.index("a") < seen.index("asked") < seen.index("settled")
    assert seen.index("b") < seen.index("settled")


def test_an_approval_for_the_run_covers_its_rule_and_shape_and_no_other(repository: Repository, place: Path) -> None:
    other = Found("scope", shape="another")
    gate = Gate({"a": [Found("scope")], "b": [Found("scope", subject="b file")], "c": [other]})
    run = make(repository, place, gate, "a", "b", "c", max_concurrent=1)
    asked: list[str] = []

    async def execute() -> RunReport:
        answers: set[asyncio.Task[object]] = set()

        def follow(event: RunEvent) -> None:
            if isinstance(event, ApprovalAsked):
                asked.append(event.task_id)
                always = event.task_id == "a"
                answer = asyncio.to_thread(answer_approval, run.journal, event.approval, approved=True, always=always)
                answers.add(asyncio.create_task(answer))

        report = await run.execute(follow)
        await asyncio.gather(*answers)
        return report

    assert asyncio.run(execute()).ok
    assert "c" in asked
    by_task = {each.task_id: each for each in approvals_of(run.journal)}
    assert {name: each.answered_by for name, each in by_task.items()} == {"a": "user", "b": "grant", "c": "user"}
    assert [each.approval for each in grants_of(run.journal)] == [by_task["a"].approval]
    revoke_grant(run.journal, by_task["a"].approval)
    assert grants_of(run.journal) == []
    with pytest.raises(UnknownApprovalError, match="is not approved for a whole run; `aur policies grants` lists"):
        revoke_grant(run.journal, by_task["a"].approval)
    with Journal(run.journal) as journal:
        assert verify(journal).problem is None


def test_a_question_without_a_shape_cannot_be_approved_for_the_run(repository: Repository, place: Path) -> None:
    run = make(repository, place, Gate({"a": [Found("secrets", shape="")]}), "a", approval_limit_s=0.3)
    with pytest.raises(NoShapeError):
        answering(run, approved=True, always=True)


def test_a_cancelled_task_takes_its_question_with_it(repository: Repository, place: Path) -> None:
    from aurora_spawner.control.steering import cancel_run

    run = make(repository, place, Gate({"a": [Found("scope")]}), "a", "b")

    async def execute() -> RunReport:
        answers: set[asyncio.Task[object]] = set()

        def follow(event: RunEvent) -> None:
            if isinstance(event, ApprovalAsked):
                answers.add(asyncio.create_task(asyncio.to_thread(cancel_run, run.journal, run.run_id, task_id="a")))

        report = await run.execute(follow)
        await asyncio.gather(*answers)
        return report

    report = asyncio.run(execute())
    assert report.results["a"].state is TaskState.CANCELLED
    assert report.results["b"].success
    (row,) = approvals_of(run.journal)
    assert row.state is ApprovalState.WITHDRAWN
    with pytest.raises(UnknownApprovalError, match="no answer any longer"):
        answer_approval(run.journal, row.approval, approved=True)


def test_what_is_read_of_a_diff(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", repository("rev-parse", "HEAD"))
    (worktree.path / "app.py").write_text("line 1\nnew\n@@ -1 +9 @@\ndiff --git a/x b/x\n")
    (worktree.path / "docs/guide.md").unlink()
    (worktree.path / "zwölf ü\t.txt").write_text("no end of line")
    (worktree.path / "binary").write_bytes(b"\0\1\2")
    (worktree.path / "link").symlink_to("/etc/passwd")
    worktree.git.run("add", "--all")
    worktree.git.run("commit", "--quiet", "-m", "all", environment=worktree.git.identity())
    found = {
        each.path: each
        for each in read_diff(worktree.git, worktree.base, worktree.git.text("rev-parse", "HEAD"), folder=".")
    }
    assert found["app.py"].added == ((2, "new"), (3, "@@ -1 +9 @@"), (4, "diff --git a/x b/x"))
    assert (found["docs/guide.md"].kind, found["docs/guide.md"].added) == ("D", ())
    assert found["zwölf ü\t.txt"].added == ((1, "no end of line"),)
    assert (found["binary"].lines, found["binary"].added, found["binary"].complete) == (0, (), True)
    assert (found["link"].is_link, found["link"].added) == (True, ((1, "/etc/passwd"),))


def test_a_file_that_becomes_a_link_has_the_link_as_its_line(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", repository("rev-parse", "HEAD"))
    (worktree.path / "app.py").unlink()
    (worktree.path / "app.py").symlink_to("../../outside")
    (worktree.path / "docs/guide.md").write_text("# Guide\nmore\n")
    worktree.git.run("add", "--all")
    worktree.git.run("commit", "--quiet", "-m", "all", environment=worktree.git.identity())
    found = {
        each.path: each
        for each in read_diff(worktree.git, worktree.base, worktree.git.text("rev-parse", "HEAD"), folder="docs")
    }
    assert (found["../app.py"].is_link, found["../app.py"].added) == (True, ((1, "../../outside"),))
    assert found["guide.md"].added == ((2, "more"),)


def test_attributes_hide_no_line_of_a_text(repository: Repository, workspaces: Workspaces) -> None:
    worktree = workspaces.create("a", "HEAD")
    hidden = "* -diff\n*.b binary\n*.u diff=unreadable\n"
    files: dict[str, str | None] = {"own.b": "key\n", "a.u": "key", "app.py": None, ".gitattributes": hidden}
    repository("config", "diff.unreadable.binary", "true")
    (worktree.path / "picture.png").write_bytes(b"\x89PNG\0" + b"\n" * 20_000)
    (worktree.path / "late.txt").write_bytes(b"key\n" * 2_500 + b"\0")  # as git itself looks at the beginning alone
    commit = repository.commit(files, folder=worktree.path)
    found = {each.path: each for each in read_diff(repository.git, worktree.base, commit, folder=".")}
    assert {name: each.lines for name, each in found.items()} == {
        ".gitattributes": 3, "own.b": 1, "a.u": 1, "app.py": 20, "picture.png": 0, "late.txt": 2_501,
    }  # fmt: skip
    assert found["own.b"].added == ((1, "key"),)
    assert found["a.u"].added == ((1, "key"),)
    assert len(found["late.txt"].added) == 2_501
    assert found["picture.png"].added == ()
    assert found["picture.png"].complete


def test_a_file_that_is_too_large_is_said_to_be_unread(
    repository: Repository, workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora_spawner.workspaces.diff_reading.FILE_BYTES", 10)
    worktree = workspaces.create("a", repository("rev-parse", "HEAD"))
    (worktree.path / "large.txt").write_text("x" * 11 + "\n")
    worktree.git.run("add", "--all")
    worktree.git.run("commit", "--quiet", "-m", "all", environment=worktree.git.identity())
    (found,) = read_diff(worktree.git, worktree.base, worktree.git.text("rev-parse", "HEAD"), folder=".")
    assert (found.complete, found.lines, found.added) == (False, 1, ())


# Candidates.

SIZES = {"a:1.1": "seq 9 > a.txt", "a:2.1": "echo 1 > a.txt", "a:3.1": "seq 4 > a.txt"}


def several(repository: Repository, place: Path, gate: Gate, **options: Any) -> Run:
    """Three candidates, one at a time; the second is the best, the third the next."""
    task = SpawnTask("go", id="a", candidates=3, **options)
    return make_run(repository.path, place, [task], SIZES, diff_gate=gate, max_concurrent=1)


def asked_about(run: Run) -> list[str | None]:
    return [row.task_id for row in approvals_of(run.journal, run.run_id)]


ALL_FOUND = {f"a:{number}": [Found("scope", shape="")] for number in (1, 2, 3)}


def test_of_candidates_a_person_is_asked_about_the_one_that_is_taken(repository: Repository, place: Path) -> None:
    run = several(repository, place, Gate(ALL_FOUND))
    report = answering(run, approved=True)
    assert report.ok, report.results
    assert asked_about(run) == ["a:2"]
    assert (repository.path / "a.txt").read_text() == "1\n"
    with Journal(run.journal) as journal:
        errors = {row.task_id: row.result.error for row in load_tasks(journal, run.run_id) if row.result}
    unasked = "its work was not approved: nobody was asked about it, since candidate 2 (agent) is taken"
    assert errors == {"a": None, "a:1": unasked, "a:2": None, "a:3": unasked}


def test_after_a_no_the_next_best_candidate_is_asked_about(repository: Repository, place: Path) -> None:
    run = several(repository, place, Gate(ALL_FOUND))
    report = answering(run, approved=False)
    assert asked_about(run) == ["a:2", "a:3", "a:1"]
    assert not report.ok
    assert not (repository.path / "a.txt").exists()


def test_nobody_is_asked_about_candidates_worse_than_one_without_findings(
    repository: Repository, place: Path
) -> None:
    run = several(repository, place, Gate({**ALL_FOUND, "a:2": []}))
    assert run.execute_sync().ok
    assert asked_about(run) == []
    assert (repository.path / "a.txt").read_text() == "1\n"


def test_where_the_user_picks_all_candidates_are_asked_about(repository: Repository, place: Path) -> None:
    run = several(repository, place, Gate(ALL_FOUND), pick="ask")
    answering(run, approved=True)
    assert sorted(map(str, asked_about(run))) == ["a:1", "a:2", "a:3"]


def test_after_a_resume_the_same_one_candidate_is_asked_about(repository: Repository, place: Path) -> None:
    run = several(repository, place, Gate(ALL_FOUND))

    async def until_asked() -> None:
        def follow(event: RunEvent) -> None:
            if isinstance(event, ApprovalAsked):
                running.cancel()

        running = asyncio.ensure_future(run.execute(follow))
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(until_asked())
    executor = LocalExecutor(grace_s=0.3)
    again = Run.resume(run.journal, run.run_id, agent(place, SIZES), executor=executor, diff_gate=Gate(ALL_FOUND))
    assert answering(again, approved=True).ok
    assert asked_about(run) == ["a:2"]
    assert (repository.path / "a.txt").read_text() == "1\n"


def test_a_candidate_that_waits_for_the_others_keeps_none_of_them_waiting_for_room(
    repository: Repository, place: Path
) -> None:
    full = Preparation(setup=("head -c 300000 /dev/urandom > big.log",), max_disk_bytes=250_000)
    task = SpawnTask("go", id="a", candidates=2)
    run = make_run(
        repository.path, place, [task], SIZES, diff_gate=Gate(ALL_FOUND), max_concurrent=1, preparation=full
    )
    assert answering(run, approved=True).ok
    assert asked_about(run) == ["a:1"]
