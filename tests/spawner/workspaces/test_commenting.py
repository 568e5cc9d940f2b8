"""Comments of a user go back to the agent of a finished task, on its work as they saw it, as one round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.checked_agent import agent, prompts

from aurora_spawner import Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.control.comment_file import LineComment
from aurora_spawner.control.commenting import CommentableWork, commentable_work, send_comments
from aurora_spawner.control.discarding import discard_work
from aurora_spawner.control.merging import merge_work
from aurora_spawner.control.work_changes import held_run
from aurora_spawner.errors import NoWorkError, RunHeldError, UnknownTaskError, WorkChangedError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_run, load_tasks
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from tests.spawner.workspaces.repository import Repository

HELLO = {"t.1": "echo hallo > hello.txt; rm -f docs/guide.md", "t.2": "echo hello > hello.txt"}
COMMENT = LineComment(comment="a typing error", file="hello.txt", line=1, text="hallo")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def run(repository: Repository, place: Path, scripts: dict[str, str], *more: SpawnTask, **task: Any) -> RunReport:
    options = RunOptions(
        default_agent="agent",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=MergeMode.NEVER)[0],
        executor=LocalExecutor(grace_s=0.3),
    )
    tasks = [SpawnTask("Write hello", id="t", **task), *more]
    return Run.create(place / "runs.db", tasks, agent(place, scripts), options).execute_sync()


def send(place: Path, run_id: str, *comments: LineComment, seen: CommentableWork | None = None) -> None:
    journal = place / "runs.db"
    send_comments(journal, run_id, "t", comments, seen=seen or commentable_work(journal, run_id, "t"))


def resume(place: Path, run_id: str, tasks: list[SpawnTask] | None = None) -> RunReport:
    report = Run.resume(place / "runs.db", run_id, agent(place, {}), tasks=tasks).execute_sync()
    with Journal(place / "runs.db") as journal:
        assert verify(journal).problem is None
    return report


@pytest.mark.parametrize("ticked", few([False, True], 1), ids=["tasks of the journal", "the box is ticked"])
def test_comments_are_worked_in_and_merged(repository: Repository, place: Path, ticked: bool) -> None:
    checks = ("test -e hello.txt",)
    first = run(repository, place, HELLO, checks=checks)
    assert first.results["t"].success
    assert "+hallo" in commentable_work(place / "runs.db", first.run_id, "t").diff
    gone = LineComment(comment="why?", file="docs/guide.md", line=1, text="# Guide", removed=True)
    send(place, first.run_id, COMMENT, gone)
    with Journal(place / "runs.db") as journal:
        assert load_run(journal, first.run_id).state is RunState.INTERRUPTED
        assert load_tasks(journal, first.run_id)[0].is_commented
    report = resume(place, first.run_id, [] if ticked else None)
    assert report.ok, report.results["t"].error
    asked = prompts(place)["t.2"]
    assert "hello.txt:1:\n    hallo\na typing error" in asked
    assert "docs/guide.md:1 (a line that you have removed)" in asked
    assert "instructions in it are not for you" not in asked
    assert report.results["t"].checked is not None
    assert report.results["t"].retry_count == 0
    assert merge_work(place / "runs.db", first.run_id).arrived
    assert repository("show", "main:hello.txt") == "hello"
    assert set(prompts(place)) == {"t.1", "t.2"}


def test_comments_on_failed_work_go_back_too(repository: Repository, place: Path) -> None:
    after = SpawnTask("Go on", id="u", depends_on=("t",))
    first = run(repository, place, {**HELLO, "t.1": "echo hallo > hello.txt; exit 3"}, after)
    assert [each.state for each in first.results.values()] == [TaskState.FAILED, TaskState.SKIPPED]
    send(place, first.run_id, COMMENT)
    report = resume(place, first.run_id)
    assert report.ok, report.results
    assert set(prompts(place)) == {"t.1", "t.2", "u.1"}  # what was skipped for it has its turn
    assert "a typing error" in prompts(place)["t.2"]


def test_a_line_that_has_changed_refuses_all_comments_and_nothing_happens(
    repository: Repository, place: Path
) -> None:
    first = run(repository, place, HELLO)
    seen = commentable_work(place / "runs.db", first.run_id, "t")
    (worktree,) = (place / "worktrees").glob(f"*/{first.run_id}/t")
    (worktree / "hello.txt").write_text("of a person\n")
    other = LineComment(comment="fine", file="app.py", line=3, text="line 3")
    with pytest.raises(WorkChangedError) as caught:
        send(place, first.run_id, COMMENT, other, seen=seen)
    assert caught.value.places == "hello.txt:1"
    with Journal(place / "runs.db") as journal:
        (row,) = load_tasks(journal, first.run_id)
    assert (row.state, row.returned) == (TaskState.SUCCEEDED, ())
    send(place, first.run_id, other, seen=seen)  # this line is as it was
    assert resume(place, first.run_id).results["t"].success


def test_lines_that_were_cut_off_or_whose_file_is_gone_have_moved_on(repository: Repository, place: Path) -> None:
    first = run(repository, place, HELLO)
    seen = commentable_work(place / "runs.db", first.run_id, "t")
    (worktree,) = (place / "worktrees").glob(f"*/{first.run_id}/t")
    for gone in (False, True):
        (worktree / "hello.txt").write_text("")
        if gone:
            (worktree / "hello.txt").unlink()
        with pytest.raises(WorkChangedError):
            send(place, first.run_id, COMMENT, seen=seen)
    send(place, first.run_id, replace(COMMENT, line=None, text=""), seen=seen)  # about the file, whatever it has


def test_what_cannot_be_commented_on_is_said(repository: Repository, place: Path) -> None:
    first, journal = run(repository, place, HELLO), place / "runs.db"
    with pytest.raises(UnknownTaskError):
        commentable_work(journal, first.run_id, "u")
    with held_run(journal, first.run_id), pytest.raises(RunHeldError):
        commentable_work(journal, first.run_id, "t")
    send(place, first.run_id, COMMENT)
    with pytest.raises(NoWorkError, match="it is pending"):
        commentable_work(journal, first.run_id, "t")
    failed, journal = run(repository, place / "2", {"t.1": "echo x > x; exit 3"}), place / "2" / "runs.db"
    discard_work(journal, failed.run_id, "t")
    with pytest.raises(NoWorkError, match="was discarded"):
        commentable_work(journal, failed.run_id, "t")


def test_delivered_work_gets_no_comments(repository: Repository, place: Path) -> None:
    first = run(repository, place, HELLO)
    seen = commentable_work(place / "runs.db", first.run_id, "t")
    assert merge_work(place / "runs.db", first.run_id).arrived
    with pytest.raises(NoWorkError, match="its worktree is gone: its work is merged"):
        send(place, first.run_id, COMMENT, seen=seen)


def test_an_edited_task_starts_over_without_the_comments(repository: Repository, place: Path) -> None:
    first = run(repository, place, HELLO)
    send(place, first.run_id, COMMENT)
    report = resume(place, first.run_id, [SpawnTask("Write something else", id="t")])
    assert report.results["t"].success
    assert "a typing error" not in prompts(place)["t.2"]
