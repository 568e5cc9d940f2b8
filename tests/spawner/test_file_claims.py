"""Tasks that declare a common file work one after the other, each on the work of the one before, and all know it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunEvent, RunOptions, RunReport, SpawnTask
from aurora_spawner.control.discarding import discard_work
from aurora_spawner.control.file_claims import awaited, file_holders, seen_files
from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.merging import merge_work
from aurora_spawner.gates.tool_calls import ToolCall, ToolUse, UseKind
from aurora_spawner.journal.facts import AttemptIntended, TaskSettled
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events
from aurora_spawner.journal.work_facts import FilesClaimed
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.runs.file_claims import MOST_SEEN, FileClaims
from aurora_spawner.runs.run_tasks import RunTasks
from aurora_spawner.runs.scheduler import Limits, starting_tasks
from aurora_spawner.runs.seen_files import claim_edited
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.file_claims import (
    CLAIMS_HEADING,
    FileClaim,
    Wait,
    declares,
    foreseen_waits,
    may_overlap,
    prompt_with_claims,
)
from aurora_spawner.tasks.run_events import TaskEnded, TaskRetried, TaskStarted
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("a.py", "a.py", True),
        ("./a.py", "a.py", True),
        ("./", "a.py", True),
        ("a.py", "b.py", False),
        ("src", "src/a.py", True),
        ("src/", "src/deep/a.py", True),
        ("src", "source/a.py", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a.md", False),
        ("src/*.py", "src", True),
        ("src/**/x.py", "src/a/x.py", True),
        ("src/*.py", "src/*.md", False),
        ("src/*.py", "src/a*.py", True),
        ("src/*", "tests/*", False),
        ("*", "anything/at/all", True),
        ("*.py", "src/a.py", True),
        ("a[12].py", "a1.py", True),
        ("a[12].py", "b1.py", False),
        ("a?", "ab", True),
        ("?a", "aa/.", True),
        ("src/a.py", "src/../src//./a.py", True),
        ("src/a.py", "docs/../a.py", False),
        ("/", "/..", True),
        ("?./../b", "../../b", True),
    ],
)
def test_what_may_be_a_common_file(one: str, other: str, may: bool) -> None:
    assert may_overlap(one, other) is may
    assert may_overlap(other, one) is may


@given(st.text("ab*?/.", min_size=1, max_size=8), st.text("ab/.", min_size=1, max_size=8))
def test_no_file_that_a_pattern_matches_is_taken_for_free(pattern: str, path: str) -> None:
    from fnmatch import fnmatchcase
    from posixpath import normpath

    if fnmatchcase(normpath(path), pattern):  # a claim of `./a` is one of `a`
        assert may_overlap(pattern, path)


def task(task_id: str, *files: str, after: tuple[str, ...] = (), **more: Any) -> SpawnTask:
    return SpawnTask("go", id=task_id, files=files, depends_on=after, **more)


def test_waits_are_foreseen_and_dependencies_are_none() -> None:
    tasks = [
        task("1", "a.py"),
        task("2", "b.py"),
        task("3", "a.py", "b.py"),
        task("4", "a.py", after=("3",)),
        task("5", after=("4",)),
        task("6", "a.py", after=("5",)),
        task("7", "c.py"),
    ]
    found = [(each.task_id, each.other, each.files) for each in foreseen(tasks)]
    assert found == [("3", "2", ("b.py",)), ("4", "1", ("a.py",)), ("6", "1", ("a.py",))]


def foreseen(tasks: list[SpawnTask], at_once: int = 8) -> list[Wait]:
    limits = Limits(max_concurrent=at_once, per_agent={})
    return foreseen_waits(tasks, starting_tasks(tasks, limits=limits, agent_of=lambda _task: "sh"))


@pytest.mark.parametrize(
    ("tasks", "at_once", "waits"),
    [
        ([task("1", "a.py"), task("2", "*.py"), task("3", "till.py")], 8, ["2 for 1"]),
        ([task("1", "a.py"), task("2", "*.py"), task("3", "till.py")], 1, ["2 for 1", "3 with 2"]),
        ([task("1"), task("2", "*.py", after=("1",)), task("3", "till.py")], 8, ["2 for 3"]),
        ([task("1"), task("2", "*.py", after=("1",)), task("3", "till.py", after=("1",))], 8, ["3 with 2"]),
        ([task("1", "a.py"), task("2", "a.py", priority=5)], 8, ["1 for 2"]),
        ([task("1", "a.py", candidates=2), task("2", "a.py")], 8, ["2 for 1"]),
    ],
    ids=["free", "no slot", "later", "both later", "priority", "candidates"],
)
def test_only_waits_that_are_certain_are_told_as_such(tasks: list[SpawnTask], at_once: int, waits: list[str]) -> None:
    """A task that waits itself has claimed nothing, so another one may overtake it."""
    found = foreseen(tasks, at_once)
    assert [f"{each.task_id} {'for' if each.certain else 'with'} {each.other}" for each in found] == waits


def test_candidates_of_one_task_are_no_rivals() -> None:
    one, two = (FileClaim.of(task(f"1:{n}", "a.py", candidate_of="1")) for n in (1, 2))
    assert one.common(two) == ()
    assert one.common(FileClaim.of(task("2", "a.py"))) == ("a.py",)


def test_a_prompt_names_the_claims_of_others_in_one_line_each() -> None:
    claims = [FileClaim.of(task("1", "a.py", title="Mend\nit")), FileClaim.of(task("2", "x" * 900))]
    text = prompt_with_claims("Do this.\n", claims)
    assert text.startswith("Do this.\n\n" + CLAIMS_HEADING)
    assert "- task 1 (Mend it): a.py\n" in text
    assert len(text) < 1_000
    many = [FileClaim.of(task(str(n), "a.py")) for n in range(30)]
    assert "- and 10 more tasks" in prompt_with_claims("Do this.", many)
    as_json = prompt_with_claims('{"ask": 1}', claims[:1], as_json=True)
    assert (
        as_json
        == '{"ask": 1, "claimed_by_others": [{"task": "1", "title": "Mend\\nit", "files": ["a.py"], "changes": []}]}'
    )


# Runs.

APPENDS = "cat > prompt; echo $AURORA_TASK_ID >> shared.txt; cat prompt; sleep 0.2; echo done"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "project", {"shared.txt": "first\n", ".gitignore": "prompt\n"})


def make_run(
    repository: Repository,
    *tasks: SpawnTask,
    script: str = APPENDS,
    mode: MergeMode = MergeMode.AUTO,
    every_s: float | None = None,
    **more: Any,
) -> Run:
    home = repository.path.parent
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=home / "runs",
        isolation=isolation_of(repository.path, home=home / "worktrees", merge=mode)[0],
        executor=LocalExecutor(grace_s=0.3),
        forecast_every_s=every_s,
        **more,
    )
    return Run.create(home / "runs.db", tasks, {"sh": CommandBackend("sh", ("sh", "-c", script))}, options)


def facts_of(run: Run) -> list[tuple[str | None, object]]:
    with Journal(run.journal) as journal:
        return [(each.task_id, each.fact) for each in load_events(journal, run.run_id)]


def spans_of(run: Run) -> dict[str, tuple[int, int]]:
    """For each task the places in the journal of its first attempt and of its end."""
    begun: dict[str, int] = {}
    ended: dict[str, int] = {}
    for at, (task_id, fact) in enumerate(facts_of(run)):
        if isinstance(fact, AttemptIntended):
            begun.setdefault(str(task_id), at)
        if isinstance(fact, TaskSettled):
            ended[str(task_id)] = at
    return {each: (begun[each], ended[each]) for each in begun}


def outcome(report: RunReport) -> dict[str, str]:
    assert report.merge is not None
    return {each.task_id: str(each.outcome) for each in report.merge.tasks.values()}


def test_declared_overlaps_are_serialised_and_nothing_conflicts(repository: Repository) -> None:
    tasks = [task("1", "shared.txt"), task("2", "shared.txt"), task("3", "shared.*")]
    run = make_run(repository, *tasks)
    report = run.execute_sync()
    assert report.ok, report.results
    assert outcome(report) == dict.fromkeys("123", "merged")
    assert (repository.path / "shared.txt").read_text() == "first\n1\n2\n3\n"
    spans = sorted(spans_of(run).values())
    assert all(one[1] < two[0] for one, two in pairwise(spans))
    claimed = [(task_id, fact.files) for task_id, fact in facts_of(run) if isinstance(fact, FilesClaimed)]
    assert claimed == [("1", ["shared.txt"]), ("2", ["shared.txt"]), ("3", ["shared.*"])]


def test_with_allow_they_run_side_by_side_and_the_merge_tells(repository: Repository) -> None:
    report = make_run(repository, task("1", "shared.txt"), task("2", "shared.txt"), overlaps="allow").execute_sync()
    assert sorted(outcome(report).values()) == ["conflict", "merged"]


def test_other_tasks_are_not_held_up_and_are_told(repository: Repository) -> None:
    script = "cat > prompt; echo x > own.$AURORA_TASK_ID; cat prompt; sleep 0.4; echo done"
    tasks = [task("1", "own.1", title="One"), task("2", "own.2", title="Two"), task("3", title="Three")]
    run = make_run(repository, *tasks, script=script)
    report = run.execute_sync()
    assert report.ok
    spans = spans_of(run)
    assert spans["2"][0] < spans["1"][1]
    outputs = {each: result.output for each, result in report.results.items()}
    last = max(outputs, key=lambda each: spans[each][0])
    others = {"1": "task 1 (One): own.1", "2": "task 2 (Two): own.2"}
    told = [sentence for each, sentence in others.items() if each != last]
    assert all(sentence in outputs[last] for sentence in told)
    assert all(others.get(each, "no claim") not in outputs[each] for each in outputs)


def test_a_claim_ends_with_a_task_that_fails(repository: Repository) -> None:
    script = "test $AURORA_TASK_ID = 1 && exit 3; echo 2 >> shared.txt; echo done"
    report = make_run(repository, task("1", "shared.txt"), task("2", "shared.txt"), script=script).execute_sync()
    assert (str(report.results["1"].state), str(report.results["2"].state)) == ("failed", "succeeded")
    assert (repository.path / "shared.txt").read_text() == "first\n2\n"


def test_work_that_cannot_be_merged_is_left_to_the_merge_of_the_run(repository: Repository) -> None:
    """Tasks 1 and 2 clash in a file that they do not declare; task 3 shares a declared file with each of them."""
    script = "echo $AURORA_TASK_ID > undeclared.txt; echo x > own.$AURORA_TASK_ID; echo done"
    tasks = [task("1", "own.1"), task("2", "own.2"), task("3", "own.*")]
    report = make_run(repository, *tasks, script=script).execute_sync()
    assert report.results["3"].success


PROGRAM = """
import sys
from pathlib import Path
from tests.spawner.test_file_claims import make_run, task
from tests.spawner.workspaces.repository import Repository
folder = Path(sys.argv[1])
run = make_run(Repository(folder / "project"), task("1", "shared.txt"), task("2", "shared.txt"),
    script="test $AURORA_TASK_ID = 2 || sleep 5; echo $AURORA_TASK_ID >> shared.txt; echo done")
(folder / "run_id").write_text(run.run_id)
run.execute_sync()
"""


def test_a_claim_outlives_its_coordinator(tmp_path: Path, repository: Repository) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    journal = tmp_path / "runs.db"
    with WarmPopen(command, cwd=ROOT, env={**kept, **ALONE}) as coordinator:
        end = time.monotonic() + 40
        while not (tmp_path / "run_id").exists() or not file_holders(find_run(journal, run_id_in(tmp_path))[1]):
            assert time.monotonic() < end
            time.sleep(0.05)
        coordinator.send_signal(signal.SIGKILL)
    row, rows = find_run(journal, run_id_in(tmp_path))
    waiting = awaited(rows[1], file_holders(rows), row)
    assert waiting is not None
    assert waiting.task_id == "1"
    backends = {"sh": CommandBackend("sh", ("sh", "-c", APPENDS))}
    run = Run.resume(journal, row.run_id, backends, executor=LocalExecutor(grace_s=0.3), forecast_every_s=None)
    assert run.execute_sync().ok
    spans = spans_of(run)
    assert spans["1"][1] < spans["2"][0]
    assert (repository.path / "shared.txt").read_text() == "first\n1\n2\n"


WRITES = (
    "test -e {folder}/go && cat && exit; echo 1 >> shared.txt; "
    "until test -e {folder}/go; do sleep 0.1; done; echo done"
)
SEEING = """
import sys
from pathlib import Path
from tests.spawner.test_file_claims import WRITES, make_run, task
from tests.spawner.workspaces.repository import Repository
folder = Path(sys.argv[1])
run = make_run(Repository(folder / "project"), task("1"), task("2"), script=WRITES.format(folder=folder),
    max_concurrent=1, every_s=0.1)
(folder / "run_id").write_text(run.run_id)
run.execute_sync()
"""


def test_what_a_task_was_seen_to_change_is_told_to_others_after_a_kill_of_the_coordinator(
    tmp_path: Path, repository: Repository
) -> None:
    """Nothing looks at the worktrees after the resume: only the journal can know."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "AURORA_"))}
    journal = tmp_path / "runs.db"
    with WarmPopen[bytes](
        [sys.executable, "-c", SEEING, str(tmp_path)], cwd=ROOT, env={**kept, **ALONE}
    ) as coordinator:
        end = time.monotonic() + 40
        while not (tmp_path / "run_id").exists() or not seen_files(journal, run_id_in(tmp_path)):
            assert time.monotonic() < end
            time.sleep(0.05)
        coordinator.send_signal(signal.SIGKILL)
    assert seen_files(journal, run_id_in(tmp_path)) == {"1": ("shared.txt",)}
    backends = {"sh": CommandBackend("sh", ("sh", "-c", WRITES.format(folder=tmp_path)))}
    executor = LocalExecutor(grace_s=0.3)
    run = Run.resume(
        journal, run_id_in(tmp_path), backends, executor=executor, forecast_every_s=None, max_concurrent=2
    )
    report = run.execute_sync(lambda event: (tmp_path / "go").touch() if is_start_of_two(event) else None)
    assert report.ok, report.results
    assert "task 1 (go): has changed shared.txt" in report.results["2"].output


def is_start_of_two(event: RunEvent) -> bool:
    return isinstance(event, TaskStarted) and event.task_id == "2"


def test_what_a_running_task_changes_is_claimed_once_and_told_to_who_begins() -> None:
    claims = FileClaims(waits=True)
    one, two = task("1", "declared/"), task("2", "shared.txt")
    assert claims.see(one, ["declared/a", "b.txt", "b.txt"]) == ("b.txt",)
    assert claims.see(one, ["b.txt"]) == ()
    assert claims.holder(two) is None
    claims.take(two)
    assert not claims.contested.is_set()
    assert claims.see(one, ["shared.txt"]) == ("shared.txt",)
    assert claims.contested.is_set()
    assert [each.seen for each in claims.others(two)] == [("b.txt", "shared.txt")]
    assert "declared/; has changed b.txt, shared.txt" in prompt_with_claims("Do this.", claims.others(two))
    assert len(claims.see(two, [f"{n}.txt" for n in range(500)])) == MOST_SEEN
    claims.release("1")
    assert not claims.others(two)


def test_a_call_that_is_allowed_after_its_task_has_ended_claims_nothing(tmp_path: Path) -> None:
    """A person may agree long after the task was cancelled; it must not come to life again."""
    nothing: Any = {name: {} for name in ("states", "results", "positions", "attempts")}
    graph = SimpleNamespace(tasks={"1": task("1")})
    state: Any = SimpleNamespace(**nothing, graph=graph, discarded=frozenset(), cancelled=(), added=0)
    options: Any = SimpleNamespace(max_added=0)
    tasks, claims, kept = RunTasks(state, options=options, backends={}), FileClaims(waits=True), list[object]()
    run: Any = SimpleNamespace(
        tasks=tasks,
        cwd_of=lambda _worktree: tmp_path,
        scheduler=SimpleNamespace(claims=claims),
        task=graph.tasks.__getitem__,
        recorder=SimpleNamespace(append_nowait=lambda _task, fact: kept.append(fact)),
    )
    use = ToolUse(kind=UseKind.WRITE, files=("late.txt",))
    call = ToolCall(
        task_id="1", agent="sh", tool="Write", uses=(use,), cwd=tmp_path, workspace=tmp_path, isolated=False
    )
    claim_edited(run, call)
    assert (dict(tasks.in_flight), claims.others(task("2")), kept) == ({}, [], [])
    tasks.flight("1")
    claim_edited(run, call)
    assert [each.seen for each in claims.others(task("2"))] == [("late.txt",)]


def run_id_in(folder: Path) -> str:
    return (folder / "run_id").read_text()


def test_what_a_task_started_from_is_merged_with_it_and_named_when_it_is_discarded(repository: Repository) -> None:
    tasks = (task("1", "shared.txt"), task("2", "shared.txt"), task("3"))
    script = "test $AURORA_TASK_ID = 3 && exit 3; echo $AURORA_TASK_ID >> shared.txt; echo done"
    run = make_run(repository, *tasks, script=script, mode=MergeMode.NEVER, checks=("false",))
    assert not run.execute_sync().ok
    discarded = discard_work(run.journal, run.run_id, "1")
    assert discarded.part_of == ("2",)


def test_one_task_is_not_merged_without_what_it_started_from(repository: Repository) -> None:
    run = make_run(repository, task("1", "shared.txt"), task("2", "shared.txt"), task("3"), mode=MergeMode.NEVER)
    run.execute_sync()
    repository("branch", "-D", f"aurora/{run.run_id}/integration")
    report = merge_work(run.journal, run.run_id, tasks=["2"], deliver=False)
    assert {"1", "2"} <= set(report.merged)


def test_a_thousand_declarations_are_compared_at_once() -> None:
    tasks = [task(str(n), f"src/mod{n}/a.py", f"tests/test_{n % 999}.py") for n in range(1_000)]
    found = [(each.task_id, each.other, each.files) for each in foreseen(tasks, at_once=1_000)]
    assert found == [("999", "0", ("tests/test_0.py",))]


def test_a_declared_path_means_the_same_file_in_each_spelling() -> None:
    assert all(declares(each, "src/a.py") for each in ("src/a.py", "./src/a.py", "src", "src/", "./", "./src/*.py"))
    assert not any(declares(each, "src/a.py") for each in ("a.py", "sr", "./src/b.py", "docs/", "*.md"))


async def test_a_started_task_holds_nothing_while_it_waits_for_an_edited_one(tmp_path: Path) -> None:
    """Both declare one file: the edited task would wait for its claim, and it for the edited task."""
    script = "if [ $AURORA_TASK_ID = 2 ]; then test -e go || sleep 60; fi; touch a.py; echo done"
    backends = {"sh": CommandBackend("sh", ("sh", "-c", script))}
    first, second = task("1", "a.py"), task("2", "a.py", after=("1",))
    options = RunOptions(
        default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs", executor=LocalExecutor(grace_s=0.2)
    )
    run = Run.create(tmp_path / "runs.db", [first, second], backends, options)

    def interrupt(event: RunEvent) -> None:
        if isinstance(event, TaskStarted) and event.task_id == "2":
            asyncio.get_running_loop().call_later(0.1, running.cancel)

    running = asyncio.ensure_future(run.execute(interrupt))
    with pytest.raises(asyncio.CancelledError):
        await running
    (tmp_path / "go").touch()
    edited = replace(first, prompt="go on")
    again = Run.resume(
        tmp_path / "runs.db", run.run_id, backends, tasks=[edited, second], executor=LocalExecutor(grace_s=0.2)
    )
    async with asyncio.timeout(30):
        assert (await again.execute()).ok


async def test_a_task_between_two_attempts_keeps_its_files_over_a_resume(repository: Repository) -> None:
    """Nothing of it runs when the run goes on, and a task that stands before it in the file could start."""
    folder = repository.path.parent
    script = (
        f"cd {folder}; case $AURORA_TASK_ID in 0) touch go;; 1) echo 1 >> order;; "
        "2) until test -e ended; do sleep 0.05; done; test -e tried || { touch tried; exit 3; }; echo 2 >> order;; "
        "esac; echo done"
    )
    backends = {"sh": CommandBackend("sh", ("sh", "-c", script))}
    policy = RecoveryPolicy(max_retries=1, fallback_to_llm=False, base_delay=0.5, jitter=False)
    recovery = RecoverySettings(policy=policy, state_dir=None)
    tasks = (task("0"), task("1", "shared.txt", after=("0",)), task("2", "shared.txt"))
    run = make_run(repository, *tasks, script=script, recovery=recovery)

    def follow(event: RunEvent) -> None:
        if isinstance(event, TaskEnded) and event.task_id == "0":
            (folder / "ended").touch()
        if isinstance(event, TaskRetried):
            asyncio.get_running_loop().call_soon(running.cancel)

    running = asyncio.ensure_future(run.execute(follow))
    with pytest.raises(asyncio.CancelledError):
        await running
    executor = LocalExecutor(grace_s=0.3)
    again = Run.resume(run.journal, run.run_id, backends, executor=executor, recovery=recovery, forecast_every_s=None)
    assert (await again.execute()).ok
    assert (folder / "order").read_text() == "2\n1\n"
