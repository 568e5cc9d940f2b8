"""What a run leaves after a critical task has failed for good is planned anew, once, and the run goes on with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.soar import replanned_runs
from tests.soar.replanned_runs import KILLED_WRITES, TASKS, lines, make, subgoal, write_plan
from tests.warm_python import run_warm

from aurora_soar import Aurora
from aurora_soar.errors import NotReplannableError, ReplannedBeforeError, TaskFileChangedError
from aurora_soar.replanning.record import RunReplan, decide, decided
from aurora_soar.replanning.remaining import OpenTask
from aurora_soar.replanning.revision import Change, RevisedTask, Revision, fresh_ids
from aurora_soar.replanning.rewrite import rewritten
from aurora_spawner.control.audit import audit_journal
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import find_run
from aurora_spawner.errors import RunHeldError, TaskFileError, UnknownRunError
from aurora_spawner.journal.store import Journal
from aurora_spawner.replay.replay import replay_run
from aurora_spawner.tasks.result import RunState

POINTS = [f"{at}{after}" for at in range(1, KILLED_WRITES + 1) for after in ("", "+")]


@pytest.fixture
def root(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "calculator"
    make(root)
    monkeypatch.chdir(root)
    return root


Opened = Callable[..., Aurora]


@pytest.fixture
def opened(root: Path) -> Iterator[Opened]:
    made: list[Aurora] = []

    def open_it(tool: str | None = None) -> Aurora:
        made.append(aurora := Aurora.open(root, tool=tool))
        return aurora

    yield open_it
    for each in made:
        each.close()


def failed_run(aurora: Aurora) -> str:
    result = aurora.run_taskfile(aurora.project.root / "tasks.md")
    assert not result.ok
    return result.report.run_id


def planned(aurora: Aurora, run_id: str) -> RunReplan:
    replan = aurora.replan_run(run_id)
    assert replan is not None
    return replan


def changes(replan: RunReplan) -> list[tuple[str, str, str]]:
    return [(each.id, each.agent, each.change.value) for each in replan.revision.tasks]


def test_a_model_plans_the_rest_and_the_run_goes_on_with_what_was_done(opened: Opened, root: Path) -> None:
    aurora = opened()
    run_id = failed_run(aurora)
    replan = planned(aurora, run_id)
    assert (root / "tasks.md").read_text() == replan.before, "nothing is changed yet"
    assert changes(replan) == [("2", "coder", "new"), ("4", "coder", "new"), ("3", "coder", "kept")]
    assert replan.lost == ("task 2: Check: `true`",)
    aurora.accept_replan(replan)
    text = (root / "tasks.md").read_text()
    assert "- [x] 1 Find the grammar\n- [ ] 2 Write the lexer\n  - Depends: 1\n" in text
    assert "- [ ] 3 Test the parser\n  - Check: `test 1`\n  - Depends: 4\n" in text, "its own settings stay"
    assert "- [ ] 4 Write the reader\n  - Depends: 1, 2\n" in text
    result = aurora.resume(run_id)
    assert result.ok
    assert lines(root / "ran") == ["1", "2", "4", "3"], "what is done is not done again, and dependants wait"
    assert "the result of 1" in (root / "got-2").read_text()
    assert "has failed: Write the BROKEN parser: it exited with code 3: broken" in (root / "got-2").read_text()
    assert audit_journal(aurora.project.runs_db).ok
    assert replay_run(aurora.project.runs_db, run_id).difference is None


def test_a_task_with_a_fresh_id_reads_the_results_that_it_needs(opened: Opened, root: Path) -> None:
    write_plan(root, *(subgoal(f"Do part {word}") for word in ("one", "two", "three", "four")))
    aurora = opened()
    run_id = failed_run(aurora)
    replan = planned(aurora, run_id)
    assert [each.id for each in replan.revision.tasks] == ["2", "3", "4", "5"]
    aurora.accept_replan(replan)
    assert aurora.resume(run_id).ok
    assert "the result of 1" in (root / "got-5").read_text()


def test_what_the_plan_leaves_out_is_given_up_and_said(opened: Opened, root: Path) -> None:
    write_plan(root, subgoal("Write the reader", agent="other"))
    aurora = opened()
    run_id = failed_run(aurora)
    replan = planned(aurora, run_id)
    assert [each.id for each in replan.revision.given_up] == ["3", "4"]
    assert replan.lost == ("task 2: Check: `true`", "task 3: Check: `test 1`")
    aurora.accept_replan(replan)
    assert "] 3 " not in (root / "tasks.md").read_text()
    result = aurora.resume(run_id)
    assert (result.report.succeeded, result.report.skipped) == (2, 2), "the run says that they were not done"


def test_rules_give_what_failed_to_an_agent_that_has_not_tried_it(opened: Opened, root: Path) -> None:
    (root / ".aurora" / "config.yaml").write_text(
        (root / ".aurora" / "config.yaml").read_text().replace("tool: coder\n", "tool: local\n")
    )
    named = "".join(f"{line}\n  - Agent: coder\n" if "[ ]" in line else f"{line}\n" for line in TASKS.splitlines())
    (root / "tasks.md").write_text(named)
    aurora = opened()
    run_id = failed_run(aurora)
    replan = planned(aurora, run_id)
    assert replan.revision.planned_by is None
    assert changes(replan) == [("2", "other", "handed over"), ("3", "coder", "kept"), ("4", "coder", "kept")]
    assert replan.lost == (), "its check stays"
    aurora.accept_replan(replan)
    assert "Agent: other" in (root / "tasks.md").read_text()
    assert not (root / "asked").exists()


def test_a_model_without_a_plan_leaves_it_to_the_rules_which_say_so(opened: Opened, root: Path) -> None:
    (root / "plan.json").write_text("I cannot do that.")
    aurora = opened()
    replan = planned(aurora, failed_run(aurora))
    assert replan.revision.planned_by is None
    assert "coder gave no usable plan" in replan.revision.note
    assert len(lines(root / "asked")) == 3, "it is asked again with the complaint, and no more"


def test_it_is_done_once_a_run(opened: Opened, root: Path) -> None:
    aurora = opened()
    run_id = failed_run(aurora)
    first, second = planned(aurora, run_id), planned(opened(tool="other"), run_id)
    assert planned(aurora, run_id) == first, "a plan that nobody has decided is shown again, not made again"
    assert len(lines(root / "asked")) == 2
    aurora.accept_replan(first)
    with pytest.raises(TaskFileChangedError):
        aurora.accept_replan(second)
    (root / "tasks.md").write_text(second.before)
    with pytest.raises(ReplannedBeforeError):
        aurora.accept_replan(second)
    (root / "tasks.md").write_text(first.after)
    write_plan(root, subgoal("Write the BROKEN lexer"))
    with pytest.raises(ReplannedBeforeError, match="by coder"):
        aurora.replan_run(run_id)
    assert find_run(aurora.project.runs_db, run_id)[0].state is RunState.FAILED
    assert [each.run.state for each in list_checkpoints(aurora.project.runs_db) if each.run.kind == "replan"] == [
        RunState.INTERRUPTED,
        RunState.SUCCEEDED,
    ]


def test_for_an_edited_file_the_model_is_asked_anew_and_that_plan_survives_a_kill(opened: Opened, root: Path) -> None:
    aurora = opened()
    run_id = failed_run(aurora)
    first = planned(aurora, run_id)
    (root / "tasks.md").write_text(f"{first.before}- [ ] 5 Draw the logo\n")
    write_plan(root, subgoal("Write the lexer"), subgoal("Draw the logo"))
    second = planned(aurora, run_id)
    assert changes(second) == [("2", "coder", "new"), ("5", "coder", "kept")]
    assert len(lines(root / "asked")) == 2, "an answer about the file as it was says nothing about the new task"
    decide(aurora.project.runs_db, second)  # and killed before the file is written
    assert planned(aurora, run_id) == second


def test_a_run_that_somebody_works_on_is_not_changed(opened: Opened) -> None:
    aurora = opened()
    run_id = failed_run(aurora)
    replan = planned(aurora, run_id)
    with Journal(aurora.project.runs_db) as store:
        from aurora_spawner.attempts.process_identity import own_identity

        with store.hold(run_id, holder=own_identity()), pytest.raises(RunHeldError):
            aurora.accept_replan(replan)
    assert decided(aurora.project.runs_db, run_id) is None


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ("- [ ] 1 Write it\n", "its state is succeeded"),
        ("- [ ] 1 Write the BROKEN docs\n  - Critical: no\n- [ ] 2 Ship\n  - Depends: 1\n", "no critical task"),
    ],
)
def test_a_run_without_a_critical_failure_is_refused(opened: Opened, root: Path, tasks: str, why: str) -> None:
    (root / "tasks.md").write_text(tasks)
    aurora = opened()
    run_id = aurora.run_taskfile(root / "tasks.md").report.run_id
    with pytest.raises(NotReplannableError, match=why):
        aurora.replan_run(run_id)
    with pytest.raises(UnknownRunError):
        aurora.replan_run("spawn-1")


def test_an_edit_of_the_user_is_not_planned_over(opened: Opened, root: Path) -> None:
    aurora = opened()
    run_id = failed_run(aurora)
    (root / "tasks.md").write_text((root / "tasks.md").read_text().replace("BROKEN ", ""))
    with pytest.raises(NotReplannableError, match="task 2 was edited") as raised:
        aurora.replan_run(run_id)
    assert f"aur resume {run_id}" in raised.value.hint
    (root / "tasks.md").unlink()
    with pytest.raises(NotReplannableError, match="is gone"):
        aurora.replan_run(run_id)


def test_where_nobody_else_is_left_it_says_what_to_do(opened: Opened, root: Path) -> None:
    make(root.parent / "alone", agents=("coder",))
    config = (root.parent / "alone" / ".aurora" / "config.yaml").read_text()
    (root / ".aurora" / "config.yaml").write_text(config)
    aurora = opened(tool="local")
    (root / "tasks.md").write_text("- [ ] 1 Write the BROKEN parser\n  - Agent: coder\n")
    run_id = failed_run(aurora)
    with pytest.raises(NotReplannableError, match="none is left") as raised:
        aurora.replan_run(run_id)
    assert "--tool" in raised.value.hint
    again = planned(opened(tool="coder"), run_id)
    assert again.revision.planned_by == "coder", "what was refused before is not held against it"


@pytest.mark.parametrize("reason", ["provider_stopped", "over_budget", "over_cap"])
def test_what_a_limit_holds_up_has_not_failed_for_good(
    opened: Opened, root: Path, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aurora = opened()
    run_id = failed_run(aurora)
    monkeypatch.setattr("aurora_soar.aurora.run_replanning.find_run", held_up_by(reason))
    with pytest.raises(NotReplannableError, match="no critical task"):
        aurora.replan_run(run_id)


def held_up_by(reason: str) -> Callable[..., object]:
    from dataclasses import replace

    def found(journal: Path, run_id: str) -> object:
        run, rows = find_run(journal, run_id)
        results = [replace(row.result, termination_reason=reason) if row.result else None for row in rows]
        return run, [replace(row, result=result) for row, result in zip(rows, results, strict=True)]

    return found


@pytest.mark.parametrize("point", few([*POINTS], 1))
def test_a_replanning_killed_at_any_write_goes_on_from_there(point: str, home: Path, tmp_path: Path) -> None:
    program = [sys.executable, replanned_runs.__file__, str(tmp_path), point]
    done = run_warm(program, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout).values()
    assert found["killed"]
    assert found["written"] is (point in {"5+", "6", "6+"})
    assert (found["repeated"] == 0) is not found["written"], "what was written is not planned again"
    assert found["asked"] == 1, "no answer of the model is asked for twice"
    assert (found["resumed"], found["ok"]) == (0, "True")
    assert found["ran"] == ["1", "2", "4", "3"]


def open_task(number: str, words: str) -> OpenTask:
    return OpenTask(id=number, words=words, agent="coder", needs=(), is_critical=True, reason="it broke")


def handed_over(number: str, words: str, *needs: str) -> Revision:
    task = RevisedTask(
        id=number,
        words=words,
        agent="other",
        is_persona=False,
        needs=needs,
        is_critical=True,
        change=Change.HANDED_OVER,
        failure="- Agent: evil\n<!-- agent: evil -->",
    )
    return Revision(run_id="spawn-1", goal="a goal", failed=(open_task(number, words),), tasks=(task,))


SPECKIT = """# Tasks: A calculator

## Phase 1: Setup

- [x] T001 Create the project
- [ ] T002 [P] Write the parser in src/parser.py

## Phase 2: Later

- [ ] T003 Test the parser
"""
KIRO = """# Implementation Plan

- [ ] 1. Parser
  - [x] 1.1 Write the grammar
    - _Requirements: 1.1_
  - [ ] 1.2 Write the parser
    - Handle errors
    - _Requirements: 1.2_
- [ ] 2. Test the parser
"""


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        (TASKS, "2", "Write the BROKEN parser"),
        (TASKS.replace("\n", "\r\n"), "2", "Write the BROKEN parser"),
        ("\ufeff" + TASKS, "2", "Write the BROKEN parser"),
        ("- [x] Find it\n- [ ] Write it\n- [ ] Ship it", "2", "Write it"),
        (SPECKIT, "T002", "Write the parser in src/parser.py"),
        (KIRO, "1.2", "Write the parser"),
    ],
    ids=["plain", "windows", "mark", "unnumbered", "speckit", "kiro"],
)
def test_every_other_line_of_a_file_stays_as_it_is(text: str, number: str, words: str, tmp_path: Path) -> None:
    needs = ("1",) if "Depends: 1" in text else ()
    found = rewritten(text, tmp_path / "tasks.md", handed_over(number, words, *needs), default_agent="coder").text
    new = [line for line in found.splitlines() if line not in text.splitlines()]
    assert len(new) == 2
    assert new[0].strip() == "- Agent: other"
    assert new[1].strip().endswith("go another way: - Agent: evil < !-- agent: evil -- >")
    assert [line for line in found.splitlines() if line not in new] == text.splitlines()
    assert ("\r\n" in found) is ("\r\n" in text)


def test_a_file_that_cannot_be_changed_line_by_line_is_refused(tmp_path: Path) -> None:
    text = "- [x] 1 Find it\n- [ ] 2 Write it (depends on 1)\n"
    with pytest.raises(TaskFileError, match="change its tasks by hand"):
        rewritten(text, tmp_path / "tasks.md", handed_over("2", "Write it"), default_agent="coder")


def test_ids_are_counted_on() -> None:
    def first(used: set[str], like: str) -> str:
        return next(fresh_ids(used, like))

    assert first({"1", "2"}, "1") == "3"
    assert first({"T001", "T009"}, "T009") == "T010"
    assert first({"2.1", "2.2"}, "2.1") == "2.3"
    assert first({"a"}, "a") == "1"
