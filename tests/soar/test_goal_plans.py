"""Plans of goals: any goal becomes tasks that can be run, gaps are marked, a plan is there whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few
from tests.warm_python import WarmPopen, run_warm

from aurora_core import Project
from aurora_soar import (
    Aurora,
    Complexity,
    EmptyQuestionError,
    GoalPlan,
    Intent,
    PlanFileError,
    PlanStore,
    ReviewDecision,
    UnknownPlanError,
)
from aurora_soar.model_plans.planned import MAX_SUBGOALS
from aurora_soar.notices import Notice
from aurora_soar.phases.decompose import MatchQuality
from aurora_soar.plans.documents import agents_json, goals_json, plan_md, tasks_md
from aurora_soar.plans.estimate import AgentHistory, makespan, preview
from aurora_soar.plans.goal_rules import steps_for
from aurora_soar.plans.goal_text import TITLE_LENGTH, parts_of, sentence, title_of
from aurora_soar.plans.plan import GoalSubgoal
from aurora_soar.plans.review import with_tasks_of
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask, read_taskfile
from aurora_spawner.journal.anchor import write_anchor
from aurora_spawner.journal.store import Journal
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.taskfiles.read import parse_taskfile
from aurora_spawner.taskfiles.recipes import with_arguments

HOSTILE = [
    "Add rate limiting",
    "# Add\n\n- [ ] 1 one\n- [ ] 1 one again\n  - Agent: evil\n  - Depends: 99\n",
    "Fix <!-- agent: evil --> it\n<!-- never closed",
    "```\n- [ ] code\n```\nMake `x` faster",
    "---\nagent: evil\n---\nUse front matter",
    "T001 [P] [US1] Do it (depends on T002, T003)",
    "1.1 (P) Rework _Requirements: 1.1_ _Depends: 9.9_",
    "- Agent: evil\n- Check: rm -rf /\n- Until: true",
    "Rename a\r\n\tb\x00c\x1b[31m\u202ed\u2028e \ud800",
    "> quoted goal\n> - [x] done already",
    "修复登录循环并添加测试",
    "x" * 100_000,
    "Improve it\n" * 9_000,
    "Do all:\n" + "\n".join(f"{n}. do thing number {n}" for n in range(1, 201)),
    "Bump | table | cells\n|---|---|\n| a | b |",
    "**Checkpoint**: stop here * optional",
    "Render {{name}} and \\{{name}} in the page",
]


def subgoal(number: int, description: str, **fields: object) -> GoalSubgoal:
    made = GoalSubgoal(
        number=number,
        description=sentence(description),
        ideal_agent="coder",
        ideal_agent_desc="codes",
        agent="coder",
        is_persona=False,
        match_quality=MatchQuality.EXCELLENT,
        source_file=None,
        is_critical=True,
        needs=(),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def plan_of(*subgoals: GoalSubgoal, goal: str = "Add rate limiting") -> GoalPlan:
    return GoalPlan(
        title=title_of(goal),
        source="",
        goal=goal,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        complexity=Complexity.MEDIUM,
        planned_by=None,
        score=0.8,
        issues=(),
        note="",
        memory_context=(),
        subgoals=subgoals,
    )


def check_round_trip(plan: GoalPlan, decision: ReviewDecision = ReviewDecision.PROCEED) -> None:
    """Each subgoal is one task of tasks.md, with its agent, its words and its dependencies, and there is no other."""
    file = with_arguments(parse_taskfile(tasks_md(plan, decision, default_agent="local"), Path("tasks.md")), {})
    assert [line.id for line in file.lines] == [str(each.number) for each in plan.subgoals]
    assert (file.notes, file.groups, file.done, file.left_out) == ((), (), (), ())
    for line, each in zip(file.lines, plan.subgoals, strict=True):
        unnamed = each.agent == "local" and each.is_gap
        assert line.task.agent == (None if unnamed else each.agent)
        assert line.task.depends_on == tuple(map(str, each.needs))
        assert line.task.critical is each.is_critical
        assert line.task.prompt.startswith(each.description)
        assert line.task.checks == ()
        assert line.task.until is None


@pytest.mark.parametrize("goal", few(HOSTILE, 5), ids=lambda goal: repr(goal[:24]))
def test_any_goal_becomes_tasks_that_can_be_run(goal: str, shop: Path) -> None:
    with Aurora.open(shop) as aurora:
        review = aurora.plan_goal(goal)
        assert review is not None
        check_round_trip(review.plan)
        stored = aurora.write_plan(review, ReviewDecision.PROCEED)
        assert stored.problem == ""
        assert stored.tasks == len(review.plan.subgoals) <= MAX_SUBGOALS
        assert len(stored.title) <= TITLE_LENGTH
        assert stored.taskfile.stat().st_size < 40_000
        spawn = aurora.plan(stored.taskfile)
    assert {spawn.agent_of(task) for task in spawn.file.tasks} == {"local"}, "no agent was named by the goal"
    goals = json.loads((stored.folder / "goals.json").read_text("utf-8"))
    assert goals["goal"] == goal.encode("utf-8", "replace").decode()
    assert {"id", "title", "created_at", "status", "memory_context", "subgoals", "gaps"} <= set(goals)


@settings(max_examples=examples(60))
@given(
    st.lists(st.text(max_size=60) | st.sampled_from(HOSTILE[:10]), min_size=1, max_size=4),
    st.sampled_from(["claude", "local"]),
    st.booleans(),
    st.sampled_from([ReviewDecision.PROCEED, ReviewDecision.FALLBACK]),
)
def test_any_descriptions_come_back_out_of_the_task_file(
    texts: list[str], agent: str, persona: bool, decision: ReviewDecision
) -> None:
    subgoals = [
        subgoal(n, text, agent=agent, is_persona=persona and agent != "local", is_critical=n % 2 == 0, needs=needs)
        for n, text in enumerate(texts, start=1)
        for needs in [tuple(range(1, n))]
    ]
    check_round_trip(plan_of(*subgoals, goal="\n".join(texts)), decision)


def test_a_goal_without_words_is_refused_before_anything_is_made(shop: Path) -> None:
    with Aurora.open(shop) as aurora, pytest.raises(EmptyQuestionError):
        aurora.plan_goal("  ?! ")
    assert not (shop / ".aurora").exists()


def test_a_list_in_the_goal_gives_a_step_an_item_and_none_is_lost() -> None:
    goal = "Release:\n- bump the version\n* write the notes\n3) tag it\n- bump the version"
    assert parts_of(goal) == ("bump the version", "write the notes", "tag it")
    steps = steps_for(goal, Intent.EXPLAIN, Complexity.MEDIUM)
    done = [step.description for step in steps if step.description.startswith("Implement")]
    assert done == ["Implement: bump the version", "Implement: write the notes", "Implement: tag it"]
    long = "Do:\n" + "\n".join(f"- part number {n}" for n in range(100))
    steps = steps_for(long, Intent.IMPLEMENT, Complexity.COMPLEX)
    assert len(steps) <= MAX_SUBGOALS
    assert all(0 <= need < at for at, step in enumerate(steps) for need in step.needs)


def test_large_work_is_designed_first() -> None:
    small = steps_for("add a cache", Intent.IMPLEMENT, Complexity.MEDIUM)
    large = steps_for("add a cache", Intent.IMPLEMENT, Complexity.COMPLEX)
    assert next(step.description for step in large if step not in small).startswith("Design")
    assert len(large) == len(small) + 1


def test_a_persona_that_fits_is_named_and_the_rest_are_gaps(shop: Path) -> None:
    folder = shop / ".claude" / "agents"
    folder.mkdir(parents=True)
    (folder / "qa.md").write_text(
        "---\nname: qa-tester\ndescription: Writes unit and integration tests.\n---\nTest.\n"
    )
    with Aurora.open(shop) as aurora:
        review = aurora.plan_goal("Add a discount to the till's total")
        assert review is not None
        stored = aurora.write_plan(review, ReviewDecision.PROCEED)
        fallback = aurora.write_plan(review, ReviewDecision.FALLBACK)
        spawn = aurora.plan(stored.taskfile)
    tests = [each for each in review.plan.subgoals if each.description.startswith("Write tests")]
    assert [(each.agent, each.is_gap) for each in tests] == [("qa-tester", False)]
    assert {gap.ideal_agent for gap in review.gaps} == {
        each.ideal_agent for each in review.plan.subgoals if each.is_gap
    }
    assert review.gaps
    assert review.preview.gaps == review.gaps
    assert list(spawn.personas.values()) == ["qa-tester"]
    assert "You work as" in stored.taskfile.read_text()
    assert "You work as" not in fallback.taskfile.read_text(), "the default agent does a gap as it is"
    agents = json.loads((stored.folder / "agents.json").read_text())
    assert agents["agents"]["qa-tester"]["persona"] is True
    assert [gap["subgoal"] for gap in agents["gaps"]] == [gap.subgoal_id for gap in review.gaps]
    assert review.plan.memory_context[0].file == "src/till.py"
    assert review.plan.memory_context[0].relevance == 1.0


def test_without_a_gap_there_is_nothing_to_fall_back_for(shop: Path) -> None:
    with Aurora.open(shop) as aurora:
        review = aurora.plan_goal("Explain the till")
        assert review is not None
        assert ReviewDecision.FALLBACK in review.decisions
        whole = replace(review, plan=plan_of(subgoal(1, "Look")))
        assert whole.decisions == (ReviewDecision.PROCEED, ReviewDecision.ABORT)
        with pytest.raises(ValueError, match="aborted"):
            aurora.write_plan(whole, ReviewDecision.ABORT)
    assert not (shop / ".aurora" / "plans").exists()


def test_edited_tasks_become_the_plan(shop: Path) -> None:
    with Aurora.open(shop) as aurora:
        review = aurora.plan_goal("Add a discount to the till")
        assert review is not None
        text = aurora.taskfile_of(review)
        first, second = review.plan.subgoals[:2]
        edited = f"- [ ] 1 {first.description}\n  - Agent: local\n- [ ] 9 Ask the customers\n  - Depends: 1\n"
        again = aurora.edited_review(review, edited, Path("edited.md"))
        same = aurora.edited_review(review, text, Path("edited.md"))
        stored = aurora.write_plan(again, ReviewDecision.PROCEED)
        kept = f"- [ ] 1 {second.description}\n  - Agent: {second.agent}\n"
        once = aurora.edited_review(review, kept, Path("edited.md"))
        twice = aurora.edited_review(once, f"{kept}- [ ] 2 Ask the customers\n", Path("edited.md"))
    assert [each.plan.subgoals[0].is_gap for each in (once, twice)] == [True, True], "its number has changed"
    assert [each.description for each in again.plan.subgoals] == [first.description, "Ask the customers"]
    assert again.plan.subgoals[0].ideal_agent == first.ideal_agent
    assert again.plan.subgoals[1].needs == (1,)
    assert stored.taskfile.read_text() == edited
    assert same is review, "what was not edited is as it was"
    assert again.decisions == (ReviewDecision.PROCEED, ReviewDecision.ABORT), "the tasks are the user's own"
    assert second.is_gap
    assert not again.plan.subgoals[1].is_gap


def test_an_edited_task_that_speaks_of_an_argument_keeps_its_subgoal() -> None:
    plan = plan_of(subgoal(1, "Render {{name}}", ideal_agent="designer"))
    file = parse_taskfile(tasks_md(plan, ReviewDecision.PROCEED, default_agent="local"), Path("tasks.md"))
    again = with_tasks_of(plan, file, personas=frozenset(), default_agent="local")
    assert again.subgoals[0].description == "Render {{name}}"
    assert again.subgoals[0].ideal_agent == "designer"


def test_costs_and_times_are_unknown_without_history_and_measured_with_it() -> None:
    plan = plan_of(subgoal(1, "a"), subgoal(2, "b"), subgoal(3, "c", needs=(1, 2)))
    few = {"coder": AgentHistory(durations_s=[1.0] * 4, costs_usd=[0.1] * 4)}
    unknown = preview(plan, few, default_agent="coder", max_concurrent=2, policies=None)
    assert (unknown.cost_usd, unknown.time_s, unknown.without_history) == (None, None, ("coder",))
    enough = {"coder": AgentHistory(durations_s=[1, 2, 3, 4, 50], costs_usd=[0.1, 0.1, 0.2, 0.3, 0.9])}
    known = preview(plan, enough, default_agent="coder", max_concurrent=2, policies=None)
    assert known.time_s is not None
    assert known.cost_usd is not None
    assert known.time_s.p50 == pytest.approx(6.0)
    assert known.cost_usd.p50 == pytest.approx(0.6)
    assert known.cost_usd.p90 > known.cost_usd.p50
    assert known.without_history == ()
    free = preview(
        plan, {"coder": AgentHistory(is_free=True)}, default_agent="coder", max_concurrent=1, policies=None
    )
    assert free.cost_usd is not None
    assert free.cost_usd.p90 == 0.0
    assert free.time_s is None


@pytest.mark.parametrize(("at_once", "expected"), [(1, 10.0), (2, 5.0), (3, 5.0)])
def test_the_time_follows_from_dependencies_and_concurrency(at_once: int, expected: float) -> None:
    assert makespan([1, 3, 2, 2, 2], [(), (), (), (0,), (1,)], at_once) == pytest.approx(expected)


def test_history_of_earlier_runs_is_used(shop: Path) -> None:
    (shop / "tasks.md").write_text("".join(f"- [ ] {n} Where is scan?\n" for n in range(1, 6)))
    with Aurora.open(shop) as aurora:
        before = aurora.plan_goal("Explain how the till scans")
        assert aurora.run_taskfile("tasks.md").report.results
        after = aurora.plan_goal("Explain how the till scans")
    assert before is not None
    assert after is not None
    assert before.preview.time_s is None
    assert after.preview.time_s is not None
    assert 0 < after.preview.time_s.p50 <= after.preview.time_s.p90


def test_a_journal_that_is_gone_leaves_times_unknown_and_is_said(shop: Path) -> None:
    path = Project.init(shop).runs_db
    options = RunOptions(default_agent="sh", cwd=shop, spool=shop / ".aurora" / "runs")
    Run.create(path, [SpawnTask("go")], {"sh": CommandBackend("sh", ("sh",))}, options)
    with Journal(path) as journal:
        write_anchor(default_state_dir(), journal)
    path.unlink()
    notices: list[Notice] = []
    with Aurora.open(shop, notify=notices.append) as aurora:
        review = aurora.plan_goal("Explain how the till scans")
    assert review is not None
    assert review.preview.time_s is None
    assert [each.message for each in notices if each.message.startswith("times are unknown: ") and each.warning]


def store(root: Path) -> PlanStore:
    return PlanStore(Project.init(root))


def write(plans: PlanStore, goal: str = "Add rate limiting") -> Path:
    plan = plan_of(subgoal(1, "Look"), subgoal(2, "Do", needs=(1,)), goal=goal)
    tasks = tasks_md(plan, ReviewDecision.PROCEED, default_agent=None)
    return plans.write(plan, ReviewDecision.PROCEED, tasks=tasks).folder


def test_plans_are_numbered_and_the_archive_counts(tmp_path: Path) -> None:
    plans = store(tmp_path)
    assert write(plans).name == "0001-add-rate-limiting"
    assert write(plans, "!!!").name == "0002-plan"
    archived = plans.archive("2")
    assert archived.status == "archived"
    assert archived.folder.parent.name == "archive"
    assert write(plans).name.startswith("0003-")
    assert [each.id for each in plans.all()] == ["0001-add-rate-limiting", "0003-add-rate-limiting"]
    assert [each.id for each in plans.all(archived=True)] == [archived.id]
    assert plans.get("2").status == "archived"
    assert plans.archive("2") == archived, "twice is once"
    assert sorted(each.name for each in plans.get("1").folder.iterdir()) == [
        "agents.json",
        "goals.json",
        "plan.md",
        "tasks.md",
    ]
    assert plans.get("1").folder.stat().st_mode & 0o077 == 0


def test_ticked_boxes_are_counted(tmp_path: Path) -> None:
    plans = store(tmp_path)
    taskfile = write(plans) / "tasks.md"
    taskfile.write_text(taskfile.read_text().replace("- [ ] 1", "- [x] 1"))
    assert (plans.get("1").done, plans.get("1").tasks) == (1, 2)


@pytest.mark.parametrize("name", ["7", "0001", "nothing", "../x", ""])
def test_a_plan_that_is_not_there_is_an_error_with_the_next_step(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownPlanError) as raised:
        store(tmp_path).get(name)
    assert "aur plan list" in raised.value.hint


def test_a_number_that_two_plans_have_is_not_guessed(tmp_path: Path) -> None:
    plans = store(tmp_path)
    write(plans).rename(plans.folder / "0001-one")
    write(plans).rename(plans.folder / "0001-two")
    with pytest.raises(UnknownPlanError, match="several plans"):
        plans.get("1")
    assert plans.get("0001-two").tasks == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "goals.json"),
        (b"", "goals.json"),
        (b'{"id": 1}', "goals.json: "),
        (b"\xff\xfe", "goals.json"),
        (None, "goals.json: cannot be read"),
    ],
)
def test_a_broken_plan_is_listed_with_its_problem(tmp_path: Path, content: bytes | None, problem: str) -> None:
    plans = store(tmp_path)
    goals = write(plans) / "goals.json"
    goals.unlink()
    if content is not None:
        goals.write_bytes(content)
    (found,) = plans.all()
    assert problem in found.problem
    assert found.tasks == 2
    assert plans.archive("1").status == "archived"


def test_a_plans_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    plans = store(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    plans.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlanFileError, match="is a link"):
        write(plans)
    assert not list((tmp_path / "elsewhere").iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
import aurora_soar.plans.store as store
from aurora_core import Project
sys.path.insert(0, {root!r})
from tests.soar.test_goal_plans import write
real, left = store.write_private, int({after})
def dying(path, content):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    real(path, content)
store.write_private = dying
write(store.PlanStore(Project.init(Path({folder!r}))))
"""


@pytest.mark.parametrize("after", [0, 3])
def test_a_kill_while_writing_leaves_no_half_plan(tmp_path: Path, after: int) -> None:
    root = str(Path(__file__).parents[2])
    code = KILLED.format(root=root, after=after, folder=str(tmp_path))
    ended = run_warm([sys.executable, "-c", code], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    plans = store(tmp_path)
    assert plans.all() == ()
    (unfinished,) = plans.folder.iterdir()
    write(plans)
    assert unfinished.exists(), "it may be another process that still writes"
    os.utime(unfinished, (0, 0))
    write(plans)
    assert sorted(each.name[:4] for each in plans.folder.iterdir()) == ["0001", "0002"]


def test_two_writers_at_once_get_a_number_each(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    code = (
        f"import sys; sys.path.insert(0, {root!r}); from pathlib import Path\n"
        f"from tests.soar.test_goal_plans import store, write\n"
        f"for _ in range(4): write(store(Path({str(tmp_path)!r})))"
    )
    writers = [WarmPopen([sys.executable, "-c", code]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert [each.id[:4] for each in store(tmp_path).all()] == [f"{n:04d}" for n in range(1, 9)]


def test_the_documents_say_who_and_why(tmp_path: Path) -> None:
    gap = subgoal(2, "Tune the database", ideal_agent="dba", ideal_agent_desc="Tunes databases.", needs=(1,))
    plan = plan_of(subgoal(1, "Look", agent="qa", ideal_agent="qa", is_persona=True), gap)
    tasks = tmp_path / "tasks.md"
    tasks.write_text(tasks_md(plan, ReviewDecision.PROCEED, default_agent="coder"))
    first, second = read_taskfile(tasks).lines
    assert first.task.agent == "qa"
    assert second.task.agent is None
    assert "You work as Dba (Tunes databases.)" in second.task.prompt
    assert "This is a part of a larger goal: Add rate limiting" in second.task.prompt
    document = json.loads(goals_json(plan, "0001-x", "planned"))
    assert document["subgoals"][1]["dependencies"] == ["sg-1"]
    assert document["gaps"] == [
        {"subgoal": "sg-2", "ideal_agent": "dba", "ideal_agent_desc": "Tunes databases.", "assigned_agent": "coder"}
    ]
    assert "**gap**: ideal would be dba: Tunes databases." in plan_md(plan, "0001-x")
    assert json.loads(agents_json(plan, ReviewDecision.FALLBACK))["gaps"][0]["role"] is None
