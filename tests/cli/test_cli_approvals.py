"""The inbox from the command line: questions are listed, answered once, and remembered if asked to."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.terminals import on_terminal
from tests.cli.waiting import wait_for
from tests.cli.watched import NOW, question
from tests.exhaustive import few

from aurora_cli import approval_prompts
from aurora_cli.exits import ExitCode
from aurora_cli.render.approvals import question_lines
from aurora_spawner.control.approvals import AnswerReport
from aurora_spawner.journal.approval_views import ApprovalRow, ApprovalState
from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion
from aurora_spawner.tasks.run_events import ApprovalAsked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]
    Start = Callable[..., Popen[str]]

AGENT = """case $(cat) in
*"Task 3"*) aur approve k7m2xq 2>&1; echo status $?;;
*) echo true > deploy$AURORA_TASK_ID.sh; echo done;;
esac"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def tasks(shed: Shed, *names: str) -> None:
    shed.repository.commit({"tasks.md": "".join(f"- [ ] {name} Task {name}\n" for name in names)})


def asked(aur: Aur) -> list[dict[str, Any]]:
    outcome = aur("approvals", "--json")
    return list(json.loads(outcome.stdout)["approvals"]) if outcome.returncode == ExitCode.DONE else []


def spawn(start_aur: Start) -> Popen[str]:
    return start_aur("spawn", "tasks.md", "--order", "parallel", "--max-concurrent", "2", "--merge", "auto", "--yes")


def test_a_question_is_listed_and_answered_from_another_terminal(aur: Aur, start_aur: Start, shed: Shed) -> None:
    tasks(shed, "1", "2")
    running = spawn(start_aur)
    wait_for(lambda: len(asked(aur)) == 2)
    one, two = sorted(asked(aur), key=lambda each: str(each["task_id"]))
    listed = aur("approvals").stdout
    assert f"{one['approval']}  {one['run_id']}/1 @sh  asked" in listed
    assert "what  deploy1.sh" in listed
    assert "adds or changes files of an unexpected type (*.sh) [unexpected_file_types]" in listed
    assert "denied if nobody answers within 1 h" in listed
    assert f"waits for your answer ({one['approval']})" in aur("status").stdout
    assert f"waits for your answer ({two['approval']})" in aur("runs", "show", one["run_id"]).stdout
    assert aur("approve", one["approval"][:5], "--note", "read it").returncode == ExitCode.DONE
    late = aur("deny", one["approval"])
    assert late.returncode == ExitCode.NOT_REACHED
    assert "was answered before: approved by user (read it); nothing changed" in late.stderr
    assert aur("deny", two["approval"], "--note", "no scripts").returncode == ExitCode.DONE
    out, err = running.communicate(timeout=50)
    assert running.returncode == ExitCode.NOT_REACHED, err
    assert "1 of 2 succeeded" in out
    assert "was not approved" in err
    assert (shed.path / "deploy1.sh").exists()
    assert not (shed.path / "deploy2.sh").exists()
    assert asked(aur) == []
    settled = aur("approvals", one["run_id"], "--all").stdout
    assert "denied by user: no scripts" in settled
    decisions = [json.loads(line) for line in aur("audit", "export", "--decisions").stdout.splitlines()]
    kinds = [each["kind"] for each in decisions if each["task"] == "2"]
    assert kinds[:3] == ["work_judged", "approval_requested", "approval_answered"]
    assert {each["fields"]["note"] for each in decisions if each["kind"] == "approval_answered"} == {
        "read it",
        "no scripts",
    }
    assert aur("audit", "verify").returncode == ExitCode.DONE


def test_what_is_approved_for_the_run_is_shown_listed_and_taken_back(aur: Aur, start_aur: Start, shed: Shed) -> None:
    tasks(shed, "1", "2")
    running = spawn(start_aur)
    wait_for(lambda: len(asked(aur)) == 2)
    first = asked(aur)[0]["approval"]
    outcome = aur("approve", first, "--always-this-run")
    assert outcome.returncode == ExitCode.DONE
    assert "without a question: additions and changes of files like *.sh [unexpected_file_types]" in outcome.stderr
    out, err = running.communicate(timeout=50)
    assert running.returncode == ExitCode.DONE, err
    assert "2 of 2 succeeded" in out
    assert "unexpected_file_types: additions and changes of files like *.sh" in aur("policies", "grants").stdout
    assert aur("policies", "grants", "revoke", first).returncode == ExitCode.DONE
    assert aur("policies", "grants").stdout == ""
    assert aur("policies", "grants", "revoke").returncode == ExitCode.USAGE
    assert aur("policies", "grants", "revoke", first).returncode == ExitCode.USAGE


@pytest.mark.parametrize(
    ("typed", "status", "kept"),
    few([("what?\nd\n", ExitCode.NOT_REACHED, False), ("a\n", ExitCode.DONE, True)], 1),
)
def test_a_run_in_the_foreground_asks_at_its_terminal(shed: Shed, typed: str, status: int, kept: bool) -> None:
    tasks(shed, "1")
    code, shown = on_terminal("spawn", "tasks.md", "--merge", "auto", "--yes", typed=typed)
    assert "a = approve, d = deny, l = leave it open, w = approve for the whole run?" in shown
    assert code == status, shown
    assert (shed.path / "deploy1.sh").exists() is kept


def test_an_agent_cannot_answer(aur: Aur, shed: Shed) -> None:
    tasks(shed, "3")
    document = json.loads(aur("spawn", "tasks.md", "--json").stdout)
    said = document["tasks"][0]["output"]
    assert "question k7m2xq is for the user, and this process belongs to an agent" in said
    assert f"status {ExitCode.REFUSED.value}" in said


def test_an_answer_without_a_process_counts_at_the_resume(aur: Aur, start_aur: Start, shed: Shed) -> None:
    tasks(shed, "1")
    running = spawn(start_aur)
    wait_for(lambda: len(asked(aur)) == 1)
    running.kill()
    running.wait()
    question = asked(aur)[0]
    outcome = aur("approve", question["approval"], "--json")
    assert (json.loads(outcome.stdout)["running"], outcome.returncode) == (False, ExitCode.DONE)
    assert f"aur resume {question['run_id']}" in outcome.stderr
    resumed = aur("resume", question["run_id"], "--yes")
    assert resumed.returncode == ExitCode.DONE, resumed.stderr
    assert (shed.path / "deploy1.sh").exists()


def test_what_is_not_there_is_an_error(aur: Aur, shed: Shed) -> None:
    assert aur("approvals").stderr.strip().endswith("no question waits for an answer")
    outcome = aur("approve", "zzzzzz")
    assert outcome.returncode == ExitCode.USAGE
    assert "`aur approvals` lists the open ones" in outcome.stderr
    assert aur("approvals", "spawn-1").returncode == ExitCode.USAGE
    exported = aur("audit", "export")
    assert (exported.stdout, exported.returncode) == ("", ExitCode.NOT_REACHED)
    assert "there is no journal here" in exported.stderr


def test_other_policies_are_tried_on_earlier_work(aur: Aur, shed: Shed, tmp_path: Path) -> None:
    (shed.path / ".aurora" / "policies.yaml").write_text("approvals: {limit_seconds: 0}\n")
    tasks(shed, "1", "2")
    assert aur("spawn", "tasks.md", "--merge", "never", "--yes").returncode == ExitCode.NOT_REACHED
    assert (
        "judged the work of 2 attempts: 0 that passed would be stopped, 0 that were stopped would pass"
        in aur("policies", "rehearse").stdout
    )
    other = tmp_path / "other.yaml"
    other.write_text("safety: {max_files_modified: 0}\nanomalies: {unexpected_file_types: []}\n")
    shown = aur("policies", "rehearse", str(other)).stdout
    assert "changes 1 file, more than 0: deploy1.sh [max_files_modified]" in shown
    assert "unexpected_file_types no longer objects" in shown
    assert shown.endswith(
        "judged the work of 2 attempts: 0 that passed would be stopped, 0 that were stopped would pass,"
        " 2 would be stopped by other rules\n"
    )
    other.write_text("anomalies: {unexpected_file_types: []}\n")
    assert (
        "0 that passed would be stopped, 2 that were stopped would pass\n"
        in aur("policies", "rehearse", str(other)).stdout
    )
    other.write_text("safety: {max_files_modified: 0}\nanomalies: {unexpected_file_types: []}\n")
    document = json.loads(aur("policies", "rehearse", str(other), "--json").stdout)
    assert [each["passed_now"] for each in document["changed"]] == [["unexpected_file_types"]] * 2
    run_id = document["changed"][0]["run_id"]
    assert aur("policies", "rehearse", "--run", "spawn-1").returncode == ExitCode.USAGE
    for name in ("1", "2"):
        assert aur("discard", run_id, name, "--yes").returncode == ExitCode.DONE
    for ref in shed.repository("for-each-ref", "--format=%(refname)", "refs/aurora").splitlines():
        shed.repository("update-ref", "-d", ref)
    shed.repository("reflog", "expire", "--all", "--expire=now")
    shed.repository("gc", "--quiet", "--prune=now")
    gone = aur("policies", "rehearse", "--run", run_id).stdout
    assert gone.startswith("judged the work of 0 attempts")
    assert gone.endswith("the commits of 2 attempts are gone\n")


def test_whoever_approves_a_long_command_sees_its_end() -> None:
    for padding in ("x ", "\U000e0001"):
        lines = list(question_lines(question(subject=f"echo {padding * 1_900}; rm -rf lib"), now=NOW))
        assert lines[1].endswith("; rm -rf lib")


def test_who_answers_too_late_is_told_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    row = ApprovalRow(
        run_id="r", approval="k7m2xq", task_id="1", number=1, agent="sh", gate="after", subject="a.py", rule="x",
        reason="changes it", shape="", limit_s=None, asked_at=0.0, state=ApprovalState.OPEN, answered_at=None,
        answered_by=None, note="", granted=False,
    )  # fmt: skip
    question = ApprovalQuestion(task_id="1", gate="after", subject="a.py", rule="x", reason="changes it")
    late = AnswerReport(approval=row, answer=ApprovalAnswer(approved=False, by="user"), first=False, running=True)

    async def typed() -> str:
        return "a\n"

    monkeypatch.setattr(approval_prompts, "find_approval", lambda *_: row)
    monkeypatch.setattr(approval_prompts, "answer_approval", lambda *_, **__: late)
    monkeypatch.setattr(approval_prompts, "next_line", typed)
    answered = asyncio.Event()

    def note(line: str) -> None:
        said.append(line)
        if "k7m2xq was answered" in line:
            answered.set()

    monkeypatch.setattr(approval_prompts, "note", note)

    async def ask() -> None:
        prompts = approval_prompts.ApprovalPrompts(tmp_path)
        prompts.follow(ApprovalAsked(task_id="1", approval="k7m2xq", question=question, limit_s=None))
        serving = asyncio.ensure_future(prompts.serve())
        async with asyncio.timeout(20):
            await answered.wait()
        serving.cancel()

    asyncio.run(ask())
    assert said[-1] == "k7m2xq was answered before: denied by user; nothing changed"
