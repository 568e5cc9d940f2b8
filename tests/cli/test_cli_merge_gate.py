"""The merge gate: a protected branch gets no work before a person has agreed, and that is in the journal first."""

from __future__ import annotations

import json
import re
from select import select
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.cli.terminals import Terminal, on_terminal
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.control.approvals import answer_approval, approvals_of, open_approvals
from aurora_spawner.journal.approval_facts import ApprovalAnswered, ApprovalRequested
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_events, load_run
from aurora_spawner.journal.work_facts import DeliveryJudged, RunDelivered
from aurora_spawner.tasks.work import delivery_from_text
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Aur = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., subprocess.Popen[str]]

DENY = "destructive: {git_merge_main: {action: deny}}\n"


@pytest.fixture
def guarded(shed: Shed) -> Shed:
    """A project without policies of its own: the defaults protect its main."""
    (shed.path / ".aurora/policies.yaml").unlink()
    return shed


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def waiting_run(shed: Shed, *names: str) -> str:
    tasks = [writes(name, f"{name}.txt", name) for name in names or ("a",)]
    return shed.run(*tasks, merge=MergeMode.ASK).run_id


def facts_of(shed: Shed, run_id: str) -> list[object]:
    with Journal(shed.journal) as journal:
        assert verify(journal).problem is None
        return [each.fact for each in load_events(journal, run_id)]


def commit_in(shed: Shed, run_id: str, task_id: str) -> None:
    """Adds a commit to the branch of a task that has ended."""
    place = shed.worktree(run_id, task_id)
    (place / "later.txt").write_text("smuggled in\n")
    shed.repository("-C", str(place), "add", "later.txt")
    shed.repository("-C", str(place), "commit", "-qm", "later")


def kinds_of(shed: Shed, run_id: str) -> list[str]:
    """The facts of the gate in the order of the journal."""
    wanted = (DeliveryJudged, ApprovalRequested, ApprovalAnswered, RunDelivered)
    return [type(each).__name__ for each in facts_of(shed, run_id) if isinstance(each, wanted)]


def test_yes_leaves_the_question_to_aur_approve_and_the_next_call_delivers(aur: Aur, guarded: Shed) -> None:
    run_id, before = waiting_run(guarded), guarded.repository("rev-parse", "main")
    first = aur("merge", run_id, "--yes")
    assert first.returncode == ExitCode.NOT_REACHED
    assert guarded.repository("rev-parse", "main") == before
    (asked,) = open_approvals(guarded.journal)
    assert (asked.gate, asked.rule, asked.task_id, asked.limit_s) == ("merge", "git_merge_main", "", None)
    assert f"[git_merge_main], and needs your approval ({asked.approval})" in first.stdout
    assert f"to deliver it: aur approve {asked.approval}, then: aur merge {run_id} --yes\n" in first.stdout
    listed = aur("approvals").stdout
    assert f"{asked.approval}  {run_id}  asked" in listed
    assert f"look  aur diff {run_id}\n" in listed
    again = aur("merge", run_id, "--yes", "--json")
    assert json.loads(again.stdout)["approval"] == asked.approval
    assert len(approvals_of(guarded.journal)) == 1
    answered = aur("approve", asked.approval)
    assert answered.returncode == ExitCode.DONE
    assert f"deliver the work with: aur merge {run_id} --yes" in answered.stderr
    assert guarded.repository("rev-parse", "main") == before  # the answer alone moves nothing
    assert aur("merge", run_id, "--yes").stdout.endswith("main has the work\n")
    assert (guarded.path / "a.txt").exists()
    shown = aur("runs", "show", run_id).stdout
    assert re.search(rf"{asked.approval}  {run_id}  approved by user", shown)
    assert kinds_of(guarded, run_id)[-3:] == ["ApprovalAnswered", "DeliveryJudged", "RunDelivered"]


def test_a_denied_approval_keeps_the_branch_and_a_new_call_asks_anew(aur: Aur, guarded: Shed) -> None:
    run_id = waiting_run(guarded)
    aur("merge", run_id, "--yes")
    (asked,) = open_approvals(guarded.journal)
    assert "deliver" not in aur("deny", asked.approval, "--note", "not on a Friday").stderr
    assert aur("merge", run_id, "--yes").returncode == ExitCode.NOT_REACHED
    (again,) = open_approvals(guarded.journal)
    assert again.approval != asked.approval
    assert not (guarded.path / "a.txt").exists()


def test_nobody_is_asked_about_what_an_uncommitted_change_keeps_from_the_branch(aur: Aur, guarded: Shed) -> None:
    run_id = waiting_run(guarded)
    before = (guarded.path / "app.py").read_text()
    (guarded.path / "app.py").write_text("mine\n")
    outcome = aur("merge", run_id, "--yes")
    assert "not on main: it is checked out, with uncommitted changes (app.py); commit or stash" in outcome.stdout
    assert approvals_of(guarded.journal) == []
    (guarded.path / "app.py").write_text(before)
    aur("merge", run_id, "--yes")
    assert len(approvals_of(guarded.journal)) == 1


@pytest.mark.parametrize("protected", [True, False])
def test_at_a_terminal_nobody_is_asked_about_what_an_uncommitted_change_refuses(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch, *, protected: bool
) -> None:
    if protected:
        (shed.path / ".aurora/policies.yaml").unlink()
    monkeypatch.setattr("aurora_cli.user_prompts.is_interactive", lambda: True)
    monkeypatch.setattr(
        "aurora_cli.delivery_prompts.confirm_unless", lambda question, _answered: pytest.fail(question)
    )
    run_id = waiting_run(shed)
    (shed.path / "app.py").write_text("mine\n")
    outcome = aur("merge", run_id)
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "nobody is asked: the branch is checked out with uncommitted changes (app.py)" in outcome.stderr
    assert f"not on main: deliver it with: aur merge {run_id}" in outcome.stdout
    assert approvals_of(shed.journal) == []


def test_what_the_policies_deny_is_not_asked_about(aur: Aur, guarded: Shed) -> None:
    (guarded.path / ".aurora/policies.yaml").write_text(DENY)
    run_id = waiting_run(guarded)
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    for said in ("brings work to main, a protected branch", "[git_merge_main]", "open a pull request"):
        assert said in outcome.stdout
    assert approvals_of(guarded.journal) == []
    assert "open a pull request" in aur("runs", "show", run_id).stdout
    decisions = [json.loads(line) for line in aur("audit", "export", run_id, "--decisions").stdout.splitlines()]
    judged = [each["fields"] for each in decisions if each["kind"] == "delivery_judged"]
    assert [(each["action"], each["target"], each["rule"]) for each in judged] == [("deny", "main", "git_merge_main")]
    assert not (guarded.path / "a.txt").exists()


def test_the_users_own_policies_hold_where_the_projects_are_looser(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    (config / "aurora").mkdir()
    (config / "aurora/policies.yaml").write_text(DENY)
    assert "the policies deny it" in aur("merge", waiting_run(shed), "--yes").stdout
    assert not (shed.path / "a.txt").exists()


def test_the_section_of_the_agent_that_did_the_work_holds(aur: Aur, shed: Shed) -> None:
    rules = "destructive: {git_merge_main: {action: allow}}\n"
    section = "agents: {sh: {destructive: {git_merge_main: {action: deny}}}}\n"
    (shed.path / ".aurora/policies.yaml").write_text(rules + section)
    assert "the policies deny it" in aur("merge", waiting_run(shed), "--yes").stdout


def test_a_branch_that_is_not_protected_is_delivered_to_at_once(aur: Aur, guarded: Shed) -> None:
    guarded.repository("checkout", "-qb", "mainly")
    run_id = waiting_run(guarded)
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    assert approvals_of(guarded.journal) == []
    assert [each.action for each in facts_of(guarded, run_id) if isinstance(each, DeliveryJudged)] == ["allow"]


def test_a_branch_that_the_file_names_is_protected(aur: Aur, guarded: Shed) -> None:
    (guarded.path / ".aurora/policies.yaml").write_text("safety: {protected_branches: ['main', 'release/*']}\n")
    guarded.repository("checkout", "-qb", "release/1.2")
    assert "brings work to release/1.2, a protected branch" in aur("merge", waiting_run(guarded), "--yes").stdout


def test_an_approval_covers_the_commits_that_it_was_given_for_and_no_others(aur: Aur, guarded: Shed) -> None:
    run_id = waiting_run(guarded)
    aur("merge", run_id, "--yes")
    (asked,) = open_approvals(guarded.journal)
    commit_in(guarded, run_id, "a")
    answer_approval(guarded.journal, asked.approval, approved=True)
    assert aur("merge", run_id, "--yes").returncode == ExitCode.NOT_REACHED
    (again,) = open_approvals(guarded.journal)
    assert (again.approval != asked.approval, again.subject != asked.subject) == (True, True)
    assert not (guarded.path / "later.txt").exists()
    assert not (guarded.path / "a.txt").exists()
    answer_approval(guarded.journal, again.approval, approved=True)
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    assert (guarded.path / "later.txt").exists()


def test_an_open_question_of_other_work_is_withdrawn(aur: Aur, guarded: Shed) -> None:
    run_id = waiting_run(guarded, "a", "b")
    aur("merge", run_id, "--yes")
    (first,) = open_approvals(guarded.journal)
    commit_in(guarded, run_id, "b")
    aur("merge", run_id, "--yes")
    states = {each.approval: str(each.state) for each in approvals_of(guarded.journal)}
    assert sorted(states.values()) == ["open", "withdrawn"]
    assert states[first.approval] == "withdrawn"
    assert aur("approve", first.approval).returncode != ExitCode.DONE


@pytest.mark.parametrize("answer", few(["y", "n"], 1))
def test_at_a_terminal_there_is_one_question_and_its_answer_is_in_the_journal(
    aur: Aur, guarded: Shed, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    asked: list[tuple[str, int]] = []

    def confirm(question: str, _answered: object) -> bool:
        asked.append((question, len(open_approvals(guarded.journal))))
        return answer == "y"

    monkeypatch.setattr("aurora_cli.user_prompts.is_interactive", lambda: True)
    monkeypatch.setattr("aurora_cli.delivery_prompts.confirm_unless", confirm)
    run_id = waiting_run(guarded)
    outcome = aur("merge", run_id)
    assert asked == [("Deliver the merged work to main, a protected branch?", 1)]
    (row,) = approvals_of(guarded.journal)
    assert (row.answered_by, str(row.state)) == ("user", "approved" if answer == "y" else "denied")
    assert outcome.returncode == (ExitCode.DONE if answer == "y" else ExitCode.NOT_REACHED)
    assert (guarded.path / "a.txt").exists() is (answer == "y")


@pytest.mark.parametrize("approved", few([True, False], 1))
def test_a_question_at_a_terminal_that_another_process_answers_is_over(
    guarded: Shed, terminal: Terminal, approved: bool
) -> None:
    run_id = waiting_run(guarded)
    terminal.start("merge", run_id)
    wait_for(lambda: bool(open_approvals(guarded.journal)))
    (asked,) = open_approvals(guarded.journal)
    answer_approval(guarded.journal, asked.approval, approved=approved, note="I have looked")
    code, shown = terminal.end()
    assert "a protected branch? [y/N]" in shown
    state = "approved" if approved else "denied"
    assert f"{asked.approval} was {state} elsewhere: I have looked" in shown
    assert code == (ExitCode.DONE if approved else ExitCode.NOT_REACHED)
    assert (guarded.path / "a.txt").exists() is approved


def test_a_question_at_a_terminal_about_work_that_another_process_delivers_is_over(
    aur: Aur, shed: Shed, terminal: Terminal
) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    terminal.start("merge", run_id)
    terminal.wait_for("Deliver the merged work to main? [y/N]")
    assert aur("merge", run_id, "--yes").returncode == ExitCode.DONE
    code, shown = terminal.end()
    assert "another process has delivered work of the run meanwhile" in shown
    assert code == ExitCode.DONE, shown


@pytest.mark.parametrize(("typed", "code"), few([("what?\nyes\n", ExitCode.DONE), ("\x04", ExitCode.INTERRUPTED)], 1))
def test_a_question_at_a_terminal_takes_a_word_or_the_end_of_the_input(
    guarded: Shed, typed: str, code: ExitCode
) -> None:
    status, shown = on_terminal("merge", waiting_run(guarded), typed=typed)
    assert status == code, shown
    assert shown.count("[y/N]") == (2 if "?" in typed else 1)


def test_an_agent_cannot_answer_at_a_terminal_of_its_own(
    aur: Aur, guarded: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora_cli.user_prompts.is_interactive", lambda: True)
    monkeypatch.setattr("aurora_cli.delivery_prompts.confirm_unless", lambda *_words: True)
    monkeypatch.setattr("aurora_cli.delivery_prompts.own_attempt", lambda: "token")
    assert aur("merge", waiting_run(guarded)).returncode == ExitCode.NOT_REACHED
    assert len(open_approvals(guarded.journal)) == 1
    assert not (guarded.path / "a.txt").exists()


def test_policies_that_are_broken_stop_the_merge(aur: Aur, guarded: Shed) -> None:
    run_id = waiting_run(guarded)
    (guarded.path / ".aurora/policies.yaml").write_text("destructive:\n  git_merge_man: {action: allow}\n")
    outcome = aur("merge", run_id, "--yes")
    assert outcome.returncode not in (ExitCode.DONE, ExitCode.NOT_REACHED)
    assert "did you mean git_merge_main?" in outcome.stderr
    assert not (guarded.path / "a.txt").exists()


@pytest.fixture
def project(guarded: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    """A project with a task file, and an agent of the user's for it."""
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    agent = {"kind": "command", "command": ["sh", "-c", "echo work > one.txt; echo done"]}
    (folder / "config.yaml").write_text(f"tool: sh\nbackends: {json.dumps({'sh': agent})}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    guarded.repository.commit({"tasks.md": "- [ ] 1 Write it\n"})
    return guarded


@pytest.mark.parametrize(("typed", "arrives"), few([("d\n", False), ("a\n", True)], 1))
def test_a_run_that_delivers_by_itself_asks_at_its_terminal(project: Shed, typed: str, arrives: bool) -> None:
    code, shown = on_terminal("spawn", "tasks.md", "--merge", "auto", "--yes", typed=typed)
    assert "then merged into main, a protected branch, after your approval" in shown
    assert "a = approve, d = deny, l = leave it open?" in shown
    assert code == (ExitCode.DONE if arrives else ExitCode.NOT_REACHED), shown
    assert (project.path / "one.txt").exists() is arrives


@pytest.mark.parametrize(("typed", "arrives"), few([("y\ny\n", True), ("y\nn\n", False)], 1))
def test_the_question_at_the_end_of_a_run_is_the_approval(project: Shed, typed: str, arrives: bool) -> None:
    _code, shown = on_terminal("spawn", "tasks.md", typed=typed)
    assert shown.count("Merge it into main") == 1
    assert "Merge it into main, a protected branch? [y/N]" in shown
    assert (project.path / "one.txt").exists() is arrives
    (row,) = approvals_of(project.journal)
    assert str(row.state) == ("approved" if arrives else "denied")


def test_the_answer_comes_before_the_wait_for_an_approval(aur: Aur, start_aur: Start, project: Shed) -> None:
    assert "merged into main, a protected branch, when you agree" in aur("exec", "Write it", "--dry-run").stdout
    running = start_aur("exec", "Write it", "--merge", "auto", "--yes")
    wait_for(lambda: bool(open_approvals(project.journal)))
    assert running.poll() is None
    assert running.stdout
    assert select([running.stdout], [], [], 0)[0], "the answer is held back"
    assert running.stdout.readline() == "done\n"
    answer_approval(project.journal, open_approvals(project.journal)[0].approval, approved=True)
    out, err = running.communicate(timeout=50)
    assert (running.returncode, out) == (ExitCode.DONE, ""), err
    assert (project.path / "one.txt").exists()


def test_no_time_for_an_answer_is_a_no_that_says_so(aur: Aur, project: Shed) -> None:
    (project.path / ".aurora/policies.yaml").write_text("approvals: {limit_seconds: 0}\n")
    outcome = aur("spawn", "tasks.md", "--merge", "auto", "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "the time limit for an answer is 0, so nobody was asked" in outcome.stderr
    assert not (project.path / "one.txt").exists()


def test_a_run_says_before_it_starts_what_the_policies_deny(aur: Aur, project: Shed) -> None:
    (project.path / ".aurora/policies.yaml").write_text(DENY)
    dry = aur("spawn", "tasks.md", "--merge", "auto", "--dry-run")
    assert "not merged into main, because the policies deny it" in dry.stdout
    outcome = aur("spawn", "tasks.md", "--merge", "auto", "--yes")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert (
        "the policies deny it: it brings work to main, a protected branch [git_merge_main]; instead:"
        in outcome.stderr
    )
    assert approvals_of(project.journal) == []
    assert not (project.path / "one.txt").exists()


def test_a_delivery_of_an_earlier_version_has_no_refusal(guarded: Shed) -> None:
    run_id = waiting_run(guarded)
    with Journal(guarded.journal) as journal:
        delivery = load_run(journal, run_id).delivery
    assert delivery is not None
    stored = {name: value for name, value in delivery.to_json().items() if name != "refusal"}
    assert delivery_from_text(json.dumps(stored)) == delivery
