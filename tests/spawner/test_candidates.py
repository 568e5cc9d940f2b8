"""Candidates of a task: what the run is made of, which one is taken, and what an edited file changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner import Backend, CommandBackend, ModelBackend, Run, RunOptions, SpawnResult, SpawnTask, TaskState
from aurora_spawner.errors import GraphError, TaskError, TaskFileError
from aurora_spawner.runs.candidate_places import first_task_needing_worktrees
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.tasks.candidates import attempted, untaken_candidates, with_candidates, without_work
from aurora_spawner.tasks.checked import CheckedWork, CheckOutcome, CheckRun
from aurora_spawner.tasks.choice import Choice, ChosenBy
from aurora_spawner.tasks.choosing import choose
from aurora_spawner.tasks.graph import build_graph
from aurora_spawner.tasks.result import NOT_PICKED, result_from_json
from aurora_spawner.tasks.task import MOST_CANDIDATES, task_from_json, task_to_json
from aurora_spawner.tasks.work import TaskWork

COMMIT = "a" * 40


def parse(text: str) -> list[SpawnTask]:
    return list(parse_taskfile(text, Path("tasks.md")).tasks)


def done(number: int, *, lines: int = 5, files: int = 1, passed: int = 0, changed: bool = True) -> SpawnResult:
    """Return a candidate that succeeded, with so many checks that passed."""
    runs = tuple(CheckRun(command=f"check {n}", status=0, seconds=0.1) for n in range(passed))
    commit = COMMIT if changed else None
    return SpawnResult(
        task_id=f"a:{number}",
        agent=f"agent{number}",
        state=TaskState.SUCCEEDED,
        output=f"answer {number}",
        started_at=1.0,
        work=TaskWork(
            branch=f"aurora/run/a-{number}",
            base=COMMIT,
            commit=commit,
            files=files if changed else 0,
            insertions=lines if changed else 0,
        ),
        checked=CheckedWork(number=1, outcome=CheckOutcome.PASSED, runs=runs, commit=COMMIT) if passed else None,
    )


def ended(number: int, state: TaskState, error: str, *, began: bool = True) -> SpawnResult:
    started = 1.0 if began else None
    return SpawnResult(task_id=f"a:{number}", agent=f"agent{number}", state=state, error=error, started_at=started)


def task_with(count: int, **fields: Any) -> SpawnTask:
    return with_candidates([SpawnTask("go", id="a", candidates=count, **fields)])[-1]


def test_a_task_becomes_its_candidates_and_a_choice() -> None:
    given_tasks = [
        SpawnTask("first", id="1"),
        SpawnTask("go", id="2", depends_on=("1",), order_only=("1",), agents=("claude", "codex"), candidates=3),
        SpawnTask("last", id="3", depends_on=("2",)),
    ]
    tasks = with_candidates(given_tasks)
    assert [task.id for task in tasks] == ["1", "2:1", "2:2", "2:3", "2", "3"]
    candidates, choice = tasks[1:4], tasks[4]
    assert [each.agent for each in candidates] == ["claude", "codex", "claude"]
    assert {each.candidate_of for each in candidates} == {"2"}
    assert {(each.depends_on, each.order_only, each.critical, each.prompt) for each in candidates} == {
        (("1",), ("1",), False, "go")
    }
    assert (choice.choice_of, choice.depends_on, choice.order_only) == (("2:1", "2:2", "2:3"),) * 2 + ((),)
    assert [each.id for each in attempted(given_tasks)] == ["1", "2:1", "2:2", "2:3", "3"]
    assert with_candidates(tasks) == tasks
    assert [task_from_json(task_to_json(task)) for task in tasks] == tasks


def test_one_candidate_is_the_task_itself() -> None:
    alone = SpawnTask("go", id="1", candidates=1)
    assert with_candidates([alone]) == [alone]
    (only,) = with_candidates([SpawnTask("go", id="1", agents=("codex",))])
    assert (only.id, only.agent, only.choice_of) == ("1", "codex", ())
    agents = SpawnTask("go", id="1", agents=("claude", "codex"), candidates=1)
    assert [each.agent for each in with_candidates([agents])] == ["claude"]


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=8))
def test_any_list_of_tasks_with_candidates_is_a_graph(shape: list[tuple[int, bool]]) -> None:
    """Whatever waited for a task waits for its choice, which waits for all candidates."""
    tasks = [
        SpawnTask("x", id=str(n), candidates=count, depends_on=(str(n - 1),) if after and n else ())
        for n, (count, after) in enumerate(shape)
    ]
    graph = build_graph(with_candidates(tasks))
    assert len(attempted(tasks)) == sum(count for count, _ in shape)
    for n, (count, after) in enumerate(shape):
        assert len(graph.tasks[str(n)].choice_of) == (count if count > 1 else 0)
        begins = graph.tasks[f"{n}:1"] if count > 1 else graph.tasks[str(n)]
        assert begins.depends_on == ((str(n - 1),) if after and n else ())


def test_an_id_that_a_candidate_would_have_is_refused_if_it_is_taken() -> None:
    with pytest.raises(GraphError, match=r"a:1.*twice"):
        build_graph(with_candidates([SpawnTask("x", id="a", candidates=2), SpawnTask("y", id="a:1")]))


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("candidates", {"candidates": 0}),
        ("candidates", {"candidates": MOST_CANDIDATES + 1}),
        ("candidates", {"candidates": 2.5}),
        ("agents", {"agents": "claude"}),
        ("agents", {"agents": ("claude", " ")}),
        ("agents", {"agents": ("claude", "a\nb")}),
        ("agents", {"agents": ("x",) * (MOST_CANDIDATES + 1)}),
        ("agents", {"agents": ("claude", "codex"), "agent": "qwen"}),
        ("pick", {"pick": "me"}),
        ("choice_of", {"choice_of": ("a:1",), "depends_on": ("b",)}),
    ],
)
def test_candidates_that_cannot_be_are_refused(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(TaskError) as caught:
        SpawnTask("go", **fields)
    assert caught.value.field == field


def test_only_candidates_change_the_hash_of_a_task() -> None:
    once = SpawnTask("go", id="a", agent="x")
    assert replace(once, candidates=1).content_hash == once.content_hash
    hashes = {replace(once, candidates=n, pick=pick).content_hash for n in (2, 3) for pick in ("best", "ask")}
    assert len(hashes | {once.content_hash}) == 5
    before, after = (with_candidates([replace(once, candidates=n)]) for n in (2, 3))
    assert [each.content_hash for each in before[:2]] == [each.content_hash for each in after[:2]]


# The choice.


@pytest.mark.parametrize(
    ("results", "winner", "why"),
    [
        ([done(1, passed=1, lines=90), done(2, lines=1)], 1, "verified, candidate 2 (agent2) is unverified"),
        ([done(1, passed=1), done(2, passed=3, lines=90)], 2, "it passed 3 checks, candidate 1 (agent1) 1"),
        ([done(1, changed=False), done(2, lines=40)], 2, "it changed something, candidate 1 (agent1) did not"),
        ([done(1, lines=9), done(2, lines=8)], 2, "the smallest change, 8 lines; candidate 1 (agent1) has 9"),
        ([done(1, files=2), done(2)], 2, "as many lines as candidate 1 (agent1) in fewer files, 1 instead of 2"),
        ([done(1), done(2)], 1, "as good as candidate 2 (agent2), and the first"),
        (
            [ended(1, TaskState.FAILED, "broke"), done(2), ended(3, TaskState.FAILED, "no money", began=False)],
            2,
            (
                "the only one that succeeded; candidate 1 (agent1) failed: broke; "
                "candidate 3 (agent3) did not start: no money"
            ),
        ),
    ],
)
def test_the_best_candidate_is_taken(results: list[SpawnResult], winner: int, why: str) -> None:
    chosen = choose(task_with(len(results)), results, run_id="run")
    assert chosen.choice == Choice(
        winner=f"a:{winner}", by=ChosenBy.RULE, why=f"candidate {winner} (agent{winner}): {why}"
    )
    assert (chosen.task_id, chosen.output, chosen.worker) == ("a", f"answer {winner}", f"a:{winner}")
    assert chosen.work == results[winner - 1].work
    assert result_from_json(chosen.to_json()) == chosen


@given(st.permutations([done(n, lines=n % 3, files=1 + n % 2, passed=n % 2) for n in range(1, 7)]))
def test_the_winner_is_at_least_as_good_as_every_other(results: list[SpawnResult]) -> None:
    numbered = [replace(result, task_id=f"a:{n}") for n, result in enumerate(results, start=1)]
    chosen = choose(task_with(len(results)), numbered, run_id="run")
    assert chosen.checked is not None  # some passed a check
    assert chosen.work is not None
    proven = [each.work for each in numbered if each.checked is not None]
    assert chosen.work.insertions == min(work.insertions for work in proven if work is not None)


def test_if_all_fail_every_reason_is_told() -> None:
    results = [ended(1, TaskState.FAILED, "one"), ended(2, TaskState.CANCELLED, "two")]
    failed = choose(task_with(2), results, run_id="run")
    assert failed.state is TaskState.FAILED
    assert failed.choice is None
    assert failed.error == (
        "no candidate succeeded; candidate 1 (agent1) failed: one; candidate 2 (agent2) cancelled: two"
    )
    cancelled = choose(task_with(2), [ended(n, TaskState.CANCELLED, "stop") for n in (1, 2)], run_id="run")
    assert cancelled.state is TaskState.CANCELLED
    skipped = choose(task_with(2), [ended(n, TaskState.SKIPPED, "task 0 failed") for n in (1, 2)], run_id="run")
    assert (skipped.state, skipped.error) == (TaskState.SKIPPED, "task 0 failed")


def test_the_user_is_asked_to_pick_if_there_is_something_to_pick() -> None:
    task = task_with(2, pick="ask")
    waits = choose(task, [done(1), done(2)], run_id="run-1")
    assert (waits.state, waits.termination_reason, waits.choice) == (TaskState.FAILED, NOT_PICKED, None)
    assert waits.error == (
        "it waits for you to pick one of its candidates 1 (agent1), 2 (agent2): aur pick run-1 a NUMBER"
    )
    failed = choose(task, [ended(n, TaskState.FAILED, "no") for n in (1, 2)], run_id="run")
    assert failed.termination_reason is None


def test_only_the_work_of_the_winner_counts() -> None:
    tasks = {
        str(each.id): each for each in with_candidates([SpawnTask("x", id="a", candidates=2), SpawnTask("y", id="b")])
    }
    candidates = {"a:1": done(1), "a:2": done(2)}
    assert untaken_candidates(tasks, candidates) == ()
    assert without_work(tasks, candidates) == {"a:1", "a:2", "a"}
    chosen = {**candidates, "a": choose(tasks["a"], list(candidates.values()), run_id="run")}
    assert untaken_candidates(tasks, chosen) == ("a:2",)
    assert without_work(tasks, chosen) == {"a:2", "a"}


# Task files.


def test_a_task_file_names_candidates_their_agents_and_who_picks() -> None:
    one, two, three = parse(
        "- [ ] 1 One\n  - Candidates: 3\n- [ ] 2 Two\n  - Agents: @claude, codex\n  - Pick: ask\n- [ ] 3 Three\n"
    )
    assert (one.candidates, one.agents, one.pick) == (3, (), "best")
    assert (two.candidates, two.agents, two.pick) == (None, ("claude", "codex"), "ask")
    assert three.candidate_count == 1


@pytest.mark.parametrize(
    "prose",
    ["Candidates: Ada and Grace", "Candidates: 0", "Candidates: 21", "Agents: do it together", "Pick: a colour"],
)
def test_prose_that_only_looks_like_candidates_stays_in_the_prompt(prose: str) -> None:
    file = parse_taskfile(f"- [ ] 1 One\n  - {prose}\n", Path("tasks.md"))
    (task,) = file.tasks
    assert task.prompt == f"One\n- {prose}"
    assert task.candidate_count == 1
    assert "stays in the prompt" in file.notes[0].text


def test_the_nearest_of_agent_and_agents_counts() -> None:
    own, inherited = parse(
        "- [ ] 1 Group\n  - Agents: claude, codex\n  - [ ] 1.1 One\n    - Agent: qwen\n  - [ ] 1.2 Two\n"
    )
    assert (own.agent, own.agents) == ("qwen", ())
    assert (inherited.agent, inherited.agents) == (None, ("claude", "codex"))
    with pytest.raises(TaskFileError, match=r"tasks.md:1: task 1 has both Agent and Agents") as caught:
        parse("- [ ] 1 One\n  - Agent: qwen\n  - Agents: claude, codex\n")
    assert caught.value.field == "agents"


def test_the_command_line_speaks_for_tasks_that_say_nothing() -> None:
    text = "- [ ] 1 One\n- [ ] 2 Two\n  - Candidates: 2\n- [ ] 3 Three\n  - Agent: qwen\n"
    file = parse_taskfile(text, Path("tasks.md")).with_candidates(3, ("claude", "codex"))
    assert [(task.candidate_count, task.agents) for task in file.tasks] == [
        (3, ("claude", "codex")),
        (2, ()),
        (3, ()),
    ]
    assert parse_taskfile(text, Path("tasks.md")).with_candidates(None, ()).candidates is None


# Where they work.


def test_candidates_that_may_write_need_worktrees(tmp_path: Path) -> None:
    sh = CommandBackend("sh", ("sh",))
    options = RunOptions(default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs")
    with pytest.raises(TaskError, match="task a: its 2 candidates may write files and each needs a worktree"):
        Run.create(tmp_path / "runs.db", [SpawnTask("go", id="a", candidates=2)], {"sh": sh}, options)
    assert not (tmp_path / "runs.db").exists()


def test_candidates_without_worktrees_are_refused_in_an_edited_file_too(tmp_path: Path) -> None:
    sh = CommandBackend("sh", ("sh",))
    options = RunOptions(default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs")
    run = Run.create(tmp_path / "runs.db", [SpawnTask("exit 3", id="a")], {"sh": sh}, options)
    edited = [SpawnTask("echo done", id="a", candidates=2)]
    with pytest.raises(TaskError, match="task a: its 2 candidates may write files"):
        Run.resume(tmp_path / "runs.db", run.run_id, {"sh": sh}, tasks=edited)


def test_candidates_without_worktrees_are_refused_from_the_result_of_a_task(tmp_path: Path) -> None:
    sh = CommandBackend("sh", ("sh",))
    options = RunOptions(
        default_agent="sh",
        cwd=tmp_path,
        spool=tmp_path / "runs",
        expand=lambda _task, _result: [SpawnTask("touch written; echo done", candidates=2)],
    )
    report = Run.create(tmp_path / "runs.db", [SpawnTask("echo go", id="a")], {"sh": sh}, options).execute_sync()
    assert "its 2 candidates may write files" in str(report.results["a"].error)
    assert not (tmp_path / "written").exists()


def test_a_model_writes_no_files() -> None:
    model = ModelBackend(name="model", api="openai", base_url="http://127.0.0.1:1/v1", model="m")
    backends: dict[str, Backend] = {"model": model, "sh": CommandBackend("sh", ("sh",))}
    asks = SpawnTask("go", id="a", agent="model", candidates=2)
    assert first_task_needing_worktrees([asks], backends=backends, default_agent="sh") is None
    mixed = SpawnTask("go", id="a", agents=("model", "sh"))
    found = first_task_needing_worktrees([mixed], backends=backends, default_agent="model")
    assert found is not None
    assert found.id == "a"
