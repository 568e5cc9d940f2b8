"""Tasks that run as several candidates: real git, real agents; one is taken, the others are kept in the attic."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.spawner.workspaces.test_isolated_runs import BACKENDS, make, run, writes

from aurora_spawner import CommandBackend, Run, RunReport, SpawnTask, TaskState
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptRefusedError
from aurora_spawner.control.candidates import list_candidates, pick_candidate
from aurora_spawner.control.comment_file import LineComment
from aurora_spawner.control.commenting import commentable_work, send_comments
from aurora_spawner.control.diffs import work_diff
from aurora_spawner.control.discarding import discard_work
from aurora_spawner.control.merging import merge_work
from aurora_spawner.control.steering import NotRunningError, cancel_run
from aurora_spawner.control.worktree_cleanup import clean_worktrees
from aurora_spawner.errors import NoWorkError, UnknownTaskError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import count_tasks, load_run, load_tasks
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.choice import ChosenBy
from aurora_spawner.tasks.result import NOT_PICKED, RunState
from aurora_spawner.tasks.run_events import TaskStarted
from aurora_spawner.tasks.verification import Verified
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spawner.workspaces.repository import Repository

    from aurora_spawner import RunEvent
    from aurora_spawner.attempts.executor import AttemptOrder, RunningAttempt
    from aurora_spawner.journal.views import TaskRow

NUMBER = "n=${AURORA_TASK_ID##*:}"
SHRINKING = f"{NUMBER}; seq $((9 - n)) > out.txt; echo done"
"""Each candidate has a smaller change than the one before."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def counted(place: Path, script: str) -> str:
    """The script of an agent that says that it has started."""
    return f"{NUMBER}; echo $n >> {place}/counts; {script}"


def counts(place: Path) -> list[str]:
    """The numbers of the candidates whose agents have started."""
    return sorted((place / "counts").read_text().split())


def task(script: str, count: int = 2, **fields: object) -> SpawnTask:
    return SpawnTask(script, id="a", candidates=count, **fields)  # type: ignore[arg-type]


def resumed(place: Path, run_id: str, *tasks: SpawnTask, retry_failed: bool = False) -> RunReport:
    again = Run.resume(
        place / "runs.db",
        run_id,
        BACKENDS,
        tasks=tasks or None,
        retry_failed=retry_failed,
        executor=LocalExecutor(grace_s=0.3),
    )
    return again.execute_sync()


def rows_of(place: Path, run_id: str) -> dict[str, TaskRow]:
    with Journal(place / "runs.db") as journal:
        assert verify(journal).problem is None
        return {row.task_id: row for row in load_tasks(journal, run_id)}


def attic(repository: Repository) -> dict[str, str]:
    """The commits of the attic by the task's part of their names."""
    listed = repository("for-each-ref", "--format=%(objectname) %(refname)", "refs/aurora/attic/").splitlines()
    return {name.rpartition("/")[2]: commit for commit, _, name in (line.partition(" ") for line in listed)}


def test_checks_come_before_the_size_of_the_change(repository: Repository, place: Path) -> None:
    """The third one changes least and fails its check; of the others the second is smaller."""
    report = run(repository, place, task(f"{SHRINKING}; exit", 3, checks=('test "$(wc -l < out.txt)" != 6',)))
    assert report.ok
    assert (report.succeeded, report.failed, len(report.results)) == (1, 0, 1)
    assert {each: result.state.value for each, result in report.candidates.items()} == {
        "a:1": "succeeded",
        "a:2": "succeeded",
        "a:3": "failed",
    }
    result = report.results["a"]
    assert result.choice is not None
    assert (result.choice.winner, result.choice.by) == ("a:2", ChosenBy.RULE)
    assert "the smallest change, 7 lines; candidate 1 (sh) has 8; candidate 3 (sh) failed: the check" in (
        result.choice.why
    )
    assert result.verification.level is Verified.FULLY
    assert len((repository.path / "out.txt").read_text().splitlines()) == 7
    assert report.merge is not None
    assert {each: merge.outcome for each, merge in report.merge.tasks.items()} == {"a:2": MergeOutcome.MERGED}
    with Journal(place / "runs.db") as journal:
        assert count_tasks(journal, report.run_id) == {TaskState.SUCCEEDED: 1}
        assert load_run(journal, report.run_id).state is RunState.SUCCEEDED


def test_what_was_changed_counts_more_than_nothing(repository: Repository, place: Path) -> None:
    report = run(repository, place, task(f"{NUMBER}; test $n = 1 || echo x > x.txt; echo done"))
    assert report.results["a"].worker == "a:2"


def test_candidates_that_all_fail_fail_the_task_with_every_reason(repository: Repository, place: Path) -> None:
    """What waits for it is skipped, their work stays where it is, and a retry runs them and the choice again."""
    script = counted(place, f"echo $n > out.txt; test -e {place}/fixed || exit $n; echo done; exit")
    report = run(repository, place, task(script), SpawnTask("echo x; exit", id="b", depends_on=("a",)))
    assert report.results["a"].state is TaskState.FAILED
    assert report.results["a"].error == (
        "no candidate succeeded; candidate 1 (sh) failed: it exited with code 1; "
        "candidate 2 (sh) failed: it exited with code 2"
    )
    assert report.results["b"].state is TaskState.SKIPPED
    assert attic(repository) == {}
    assert sum("a retry continues from it" in each for each in report.notices) == 2
    (place / "fixed").touch()
    again = resumed(place, report.run_id, retry_failed=True)
    assert again.results["a"].worker == "a:1"
    assert counts(place) == ["1", "1", "2", "2"]
    assert (repository.path / "out.txt").read_text() == "1\n"


def test_a_candidate_that_lost_does_not_run_again(repository: Repository, place: Path) -> None:
    script = counted(place, "echo $n > out.txt; test $n != 1 && echo done")
    report = run(repository, place, task(script))
    assert report.results["a"].worker == "a:2"
    again = resumed(place, report.run_id, retry_failed=True)
    assert again.ok
    assert again.results["a"].choice == report.results["a"].choice
    assert counts(place) == ["1", "2"]


def test_a_third_candidate_joins_the_two_that_are_done(repository: Repository, place: Path) -> None:
    """The work of the two is chosen among once more, although the attic had one of them."""
    script = counted(place, SHRINKING)
    report = run(repository, place, task(script), merge=MergeMode.NEVER)
    assert report.results["a"].worker == "a:2"
    again = resumed(place, report.run_id, task(script, 3))
    assert again.results["a"].worker == "a:3"
    assert counts(place) == ["1", "2", "3"]
    assert {name[:3] for name in attic(repository)} >= {"a-1", "a-2"}


def test_a_candidate_that_is_wanted_no_longer_is_not_chosen(repository: Repository, place: Path) -> None:
    """Its work goes to the attic, and no agent runs again."""
    script = counted(place, SHRINKING)
    report = run(repository, place, task(script, 3), merge=MergeMode.NEVER)
    assert report.results["a"].worker == "a:3"
    again = resumed(place, report.run_id, task(script, 2))
    assert again.results["a"].worker == "a:2"
    assert counts(place) == ["1", "2", "3"]
    assert {each[:3] for each in attic(repository)} >= {"a-1", "a-3"}


def test_a_choice_that_falls_on_work_from_the_attic_gives_it_its_branch_again(
    repository: Repository, place: Path
) -> None:
    """The user picks the first instead of the second; then a third joins, and the rule chooses anew."""
    script = f"{NUMBER}; test $n = 3 && n=0; seq $((9 - n)) > out.txt; echo done"
    report = run(repository, place, task(script), merge=MergeMode.NEVER)
    assert report.results["a"].worker == "a:2"
    assert pick_candidate(place / "runs.db", report.run_id, "a", 1).before == "a:2"
    again = resumed(place, report.run_id, task(script, 3))
    work = again.results["a"].work
    assert again.results["a"].worker == "a:2"
    assert work is not None
    assert repository("rev-parse", f"refs/heads/{work.branch}") == work.commit


def test_an_edited_task_starts_all_its_candidates_over(repository: Repository, place: Path) -> None:
    report = run(repository, place, task(counted(place, SHRINKING)), merge=MergeMode.NEVER)
    again = resumed(place, report.run_id, task(counted(place, f"{SHRINKING}; exit")))
    assert again.results["a"].worker == "a:2"
    assert counts(place) == ["1", "1", "2", "2"]
    assert (again.results["a"].started_at or 0) > (report.results["a"].started_at or 0)
    assert {each[:3] for each in attic(repository)} >= {"a-1", "a-2"}


def test_a_task_that_has_no_candidates_any_longer_runs_once(repository: Repository, place: Path) -> None:
    """And one that gets some lets them all run, whatever became of it."""
    script = counted(place, SHRINKING)
    report = run(repository, place, task(script), merge=MergeMode.NEVER)
    once = resumed(place, report.run_id, SpawnTask(counted(place, "echo x > out.txt; echo done; exit"), id="a"))
    assert once.results["a"].error is None
    assert once.results["a"].choice is None
    assert once.results["a"].work is not None
    assert once.merge is not None
    assert set(once.merge.tasks) == {"a"}
    several = resumed(place, report.run_id, task(f"{script}; exit"))
    assert several.results["a"].worker == "a:2"
    assert several.merge is not None
    assert set(several.merge.tasks) == {"a:2"}
    assert counts(place) == ["1", "1", "2", "2", "a"]


def test_candidates_of_a_task_that_cannot_start_are_skipped_with_it(repository: Repository, place: Path) -> None:
    report = run(repository, place, SpawnTask("exit 1", id="0"), task("echo x", depends_on=("0",)))
    assert report.results["a"].state is TaskState.SKIPPED
    assert report.results["a"].error == "task 0, which it depends on, failed"
    assert (report.skipped, report.failed) == (1, 1)


class OutOfMoney(LocalExecutor):
    """Has no money for the second candidate."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        if order.task_id == "a:2":
            raise AttemptRefusedError(EndReason.OVER_BUDGET, "the budget is used up")
        return await super().start(order)


def test_candidates_that_the_budget_does_not_start_are_told_as_such(repository: Repository, place: Path) -> None:
    made = make(repository, place, task(SHRINKING, 3))
    report = replace(made, executor=OutOfMoney(grace_s=0.3)).execute_sync()
    choice = report.results["a"].choice
    assert choice is not None
    assert choice.winner == "a:3"
    assert "candidate 2 (sh) did not start: the budget is used up" in choice.why


@pytest.mark.parametrize("target", ["a", "a:1"])
def test_a_cancelled_task_ends_all_its_candidates_and_a_candidate_only_itself(
    repository: Repository, place: Path, target: str
) -> None:
    script = f"{NUMBER}; echo $n > out.txt; test $n = 2 && test -e {place}/go2 && exit; sleep 30"
    made = make(repository, place, task(script))
    if target == "a:1":
        (place / "go2").touch()
        made = make(repository, place, task(f"{NUMBER}; echo $n > o; test $n = 2 || sleep 30; echo done"))
    started = set()

    def cancel() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with suppress(NotRunningError):
                cancel_run(made.journal, made.run_id, task_id=target)
                return
            time.sleep(0.02)

    def follow(event: RunEvent) -> None:
        if isinstance(event, TaskStarted):
            started.add(event.task_id)
            if len(started) == 2:
                threading.Thread(target=cancel).start()

    report = made.execute_sync(follow)
    states = {each: result.state.value for each, result in {**report.candidates, **report.results}.items()}
    if target == "a":
        assert states == dict.fromkeys(("a", "a:1", "a:2"), "cancelled")
    else:
        assert states == {"a:1": "cancelled", "a:2": "succeeded", "a": "succeeded"}


def test_ignored_files_keep_the_worktree_of_a_candidate_whose_work_is_in_the_attic(
    repository: Repository, place: Path
) -> None:
    report = run(repository, place, task(f"{SHRINKING}; {NUMBER}; test $n = 2 || echo mine > own.log"))
    (kept,) = (each for each in report.notices if "which was not taken, stays" in each)
    assert "a:1" in kept
    assert "own.log" in kept
    (folder,) = (place / "worktrees").glob("*/*/a-1-*")
    assert (folder / "own.log").read_text() == "mine\n"
    (commit,) = attic(repository).values()
    assert len(repository.shown(commit, "out.txt").splitlines()) == 8


# The user's pick.


def asked(repository: Repository, place: Path, *more: SpawnTask, count: int = 2) -> RunReport:
    return run(repository, place, task(SHRINKING, count, pick="ask"), *more)


def test_nothing_is_taken_until_the_user_picks_and_then_the_run_goes_on(repository: Repository, place: Path) -> None:
    after = SpawnTask("wc -l < out.txt; exit", id="b", depends_on=("a",))
    last = SpawnTask("echo done; exit", id="c", depends_on=("b",))
    report = asked(repository, place, after, last)
    run_id, journal = report.run_id, place / "runs.db"
    assert not report.ok
    assert report.results["a"].termination_reason == NOT_PICKED
    assert f"aur pick {run_id} a NUMBER" in str(report.results["a"].error)
    found = list_candidates(journal, run_id, "a")
    assert [(each.number, each.agent, each.is_taken) for each in found.candidates] == [
        (1, "sh", False),
        (2, "sh", False),
    ]
    assert all(each.branch and each.attic is None for each in found.candidates)
    assert merge_work(journal, run_id, tasks=["a"]).left_out == {"a": str(report.results["a"].error)}

    picked = pick_candidate(journal, run_id, "a", 1)
    assert (picked.winner, picked.before, picked.reopened, picked.kept) == ("a:1", None, ("b", "c"), ())
    assert pick_candidate(journal, run_id, "a", 1).reopened == ()
    first, second = list_candidates(journal, run_id, "a:2").candidates
    assert (first.is_taken, second.is_taken) == (True, False)
    assert (second.branch, second.attic is None) == (None, False)
    again = resumed(place, run_id)
    assert again.ok
    assert again.results["a"].choice is not None
    assert again.results["a"].choice.by is ChosenBy.USER
    assert again.results["b"].output == "8\n"
    assert len((repository.path / "out.txt").read_text().splitlines()) == 8


def test_another_one_is_picked_while_the_work_is_not_on_the_target(repository: Repository, place: Path) -> None:
    """The integration branch that had the first choice is made again without it."""
    report = run(repository, place, task(SHRINKING), writes("own.txt", "1"), merge=MergeMode.NEVER)
    run_id, journal = report.run_id, place / "runs.db"
    assert report.results["a"].worker == "a:2"
    picked = pick_candidate(journal, run_id, "a", 1)
    assert (picked.winner, picked.before) == ("a:1", "a:2")
    assert work_diff(journal, run_id, "a").count(b"\n+") == 8 + 1  # and the name of the file
    cleaned = clean_worktrees(journal, repository.path)
    assert [each.task_id for each in cleaned.kept] == ["2", "a:1"]  # which was in the attic before it was picked
    assert not cleaned.removed
    merged = merge_work(journal, run_id)
    assert set(merged.merged) == {"a:1", "2"}
    assert merged.arrived
    assert len((repository.path / "out.txt").read_text().splitlines()) == 8
    assert load_state(place, run_id) is RunState.SUCCEEDED
    with pytest.raises(NoWorkError, match="the work of candidate a:1 is on main already"):
        pick_candidate(journal, run_id, "a", 2)
    assert repository("for-each-ref", "refs/heads/aurora/") == ""
    assert rows_of(place, run_id)["a"].worker == "a:1"


def load_state(place: Path, run_id: str) -> RunState:
    with Journal(place / "runs.db") as journal:
        return load_run(journal, run_id).state


def test_what_cannot_be_picked_is_refused_with_the_reason(repository: Repository, place: Path) -> None:
    once, after = SpawnTask("echo x", id="once"), SpawnTask("echo x; exit", id="b", depends_on=("a",))
    failing = task(f"{NUMBER}; echo $n > out.txt; test $n != 3 && echo done", 3)
    report = run(repository, place, failing, once, after, merge=MergeMode.NEVER)
    run_id, journal = report.run_id, place / "runs.db"
    assert report.results["a"].worker == "a:1"
    for number, problem in (
        (4, "its candidates are 1 to 3, there is no 4"),
        (3, r"its candidate 3 cannot be taken \(failed: it exited with code 1\)"),
        (2, "task b is built on the work of candidate a:1, so the choice cannot change"),
    ):
        with pytest.raises(NoWorkError, match=problem):
            pick_candidate(journal, run_id, "a", number)
    with pytest.raises(NoWorkError, match="it was run once"):
        pick_candidate(journal, run_id, "once", 1)
    with pytest.raises(UnknownTaskError):
        list_candidates(journal, run_id, "nobody")
    assert rows_of(place, run_id)["a"].worker == "a:1"


def test_the_work_of_the_task_is_discarded_as_that_of_its_candidate(repository: Repository, place: Path) -> None:
    report = run(repository, place, task(SHRINKING))
    with pytest.raises(NoWorkError, match="its work is on main already"):
        discard_work(place / "runs.db", report.run_id, "a")
    repository("reset", "-q", "--hard", "HEAD~1")
    other = run(repository, place, task(f"{SHRINKING}; {NUMBER}"), writes("out.txt", "mine"), merge=MergeMode.NEVER)
    assert other.merge is not None
    assert other.merge.tasks["2"].clashes_with == "a:2"


def test_candidates_of_different_agents_take_turns(repository: Repository, place: Path) -> None:
    made = make(repository, place)
    backends = {**BACKENDS, "bash": CommandBackend("bash", ("bash",))}
    tasks = [SpawnTask(SHRINKING, id="a", agents=("sh", "bash"), candidates=3)]
    report = Run.create(place / "runs.db", tasks, backends, made.options).execute_sync()
    assert [result.agent for result in report.candidates.values()] == ["sh", "bash", "sh"]
    assert report.results["a"].agent == "sh"


def test_comments_are_for_the_candidate_that_was_taken(repository: Repository, place: Path) -> None:
    report = run(repository, place, task(counted(place, "echo $n > out.txt; echo done")), merge=MergeMode.NEVER)
    with pytest.raises(NoWorkError, match=rf"aur review {report.run_id} a:1"):
        commentable_work(place / "runs.db", report.run_id, "a")
    assert commentable_work(place / "runs.db", report.run_id, "a:1").commit


def after_comments(repository: Repository, place: Path, later: str, *, pick: int | None) -> RunReport:
    """A run whose taken candidate has got a comment, resumed; the others were not taken."""
    script = f"test -e {place}/later && {{ {later}; exit; }}; {SHRINKING}"
    run_id = run(repository, place, task(script, pick="ask" if pick else "best"), merge=MergeMode.NEVER).run_id
    if pick is not None:
        pick_candidate(place / "runs.db", run_id, "a", pick)
    winner = rows_of(place, run_id)["a"].worker
    assert winner == f"a:{pick or 2}"
    comment = LineComment(comment="more")
    seen = commentable_work(place / "runs.db", run_id, winner)
    send_comments(place / "runs.db", run_id, winner, [comment], seen=seen)
    (place / "later").touch()
    return resumed(place, run_id)


@pytest.mark.parametrize(("pick", "winner", "by"), [(None, "a:1", ChosenBy.RULE), (1, "a:1", ChosenBy.USER)])
def test_comments_on_the_taken_candidate_let_the_choice_be_made_again(
    repository: Repository, place: Path, pick: int | None, winner: str, by: ChosenBy
) -> None:
    """Its change is the largest now; if the user has picked it, it is taken all the same."""
    report = after_comments(repository, place, "seq 50 > out.txt; echo done", pick=pick)
    choice = report.results["a"].choice
    assert choice is not None
    assert (choice.winner, choice.by) == (winner, by)
    length = 50 if pick else 8
    assert report.merge is not None
    assert set(report.merge.tasks) == {winner}
    assert len(work_diff(place / "runs.db", report.run_id, "a").splitlines()) > length


def test_a_candidate_that_fails_after_comments_is_no_longer_taken(repository: Repository, place: Path) -> None:
    report = after_comments(repository, place, "exit 3", pick=None)
    choice = report.results["a"].choice
    assert choice is not None
    assert (choice.winner, choice.by) == ("a:1", ChosenBy.RULE)
    assert report.merge is not None
    assert set(report.merge.tasks) == {"a:1"}


def test_a_pick_that_fails_after_comments_is_asked_for_again(repository: Repository, place: Path) -> None:
    report = after_comments(repository, place, "exit 3", pick=1)
    assert not report.ok
    assert report.results["a"].termination_reason == NOT_PICKED
    assert "pick one of its candidates 2 (sh)" in str(report.results["a"].error)
