"""Many projects from one place: each with its own journal, none held up by another, each steered in its own."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.cli.sites import served
from tests.cli.terminals import on_terminal
from tests.cli.waiting import wait_for

from aurora_cli.dashboard.places import AllWorkspaces
from aurora_cli.exits import ExitCode
from aurora_cli.run_names import named, parted
from aurora_cli.watch import workspaces_reader
from aurora_cli.watch.facts import Wanted
from aurora_cli.watch.workspaces_reader import WorkspacesReader
from aurora_cli.watch.workspaces_steering import WorkspacesSteering
from aurora_cli.workspaces import readings
from aurora_cli.workspaces.readings import all_workspaces
from aurora_core import Project
from aurora_core.workspaces import Workspace, WorkspaceFolder, look_at
from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.control.log_tail import LogTail
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_run, load_tasks
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


def project(root: Path, *, config: str = "") -> Project:
    root.mkdir(parents=True)
    made = Project.init(root)
    if config:
        made.config_file.write_text(config, encoding="utf-8")
    return made


def run_of(made: Project, text: str = "echo done") -> Run:
    options = RunOptions(
        default_agent="sh",
        cwd=made.root,
        spool=made.aurora_dir / "runs",
        executor=LocalExecutor(grace_s=0.3),
        state_dir=default_state_dir(),
    )
    return Run.create(made.runs_db, [SpawnTask(text, id="1", title="say it")], {"sh": SH}, options)


SH = CommandBackend("sh", ("sh",))


@pytest.fixture
def two(aur: Aur, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, Project]:
    """Two workspaces, and a current folder that is no project."""
    shop, farm = project(tmp_path / "shop"), project(tmp_path / "farm")
    for each in (shop, farm):
        assert aur("workspace", "add", str(each.root)).returncode == ExitCode.DONE
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    return shop, farm


def document(outcome: CompletedProcess[str]) -> dict[str, list[dict[str, object]]]:
    found = json.loads(outcome.stdout)
    assert isinstance(found, dict)
    return found


def states(aur: Aur) -> dict[str, str]:
    found = document(aur("workspace", "list", "--json"))["workspaces"]
    return {str(each["name"]): str(each["state"]) for each in found}


def test_a_name_is_parted_as_it_was_written() -> None:
    for workspace, name in (("shop", "spawn-1"), ("shop", "spawn-1/a:b"), ("", "spawn-1"), ("", "spawn-1/a:b")):
        assert parted(named(workspace, name)) == (workspace, name)
    assert parted(":spawn-1") == ("", ":spawn-1")


def test_runs_of_all_are_listed_with_their_workspace_and_steered_in_their_own_journal(
    aur: Aur, two: tuple[Project, Project]
) -> None:
    shop, farm = two
    finished: RunReport = run_of(shop).execute_sync()
    waiting = run_of(farm)
    listed = aur("runs", "list", "--all").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [f"farm:{waiting.run_id}", f"shop:{finished.run_id}"]
    assert document(aur("runs", "list", "--all", "--json"))["workspaces"][0]["name"] == "farm"
    assert aur("status", "--all").stdout.startswith(f"farm:{waiting.run_id}  created  1 pending")
    of_each = document(aur("status", "--all", "--json"))["workspaces"]
    assert [len(each["runs"]) for each in of_each] == [1, 0]  # type: ignore[arg-type]
    assert "1 to resume" in aur("workspace", "status").stdout

    assert aur("logs", f"shop:{finished.run_id}/1").stdout == "done\n"
    assert aur("cancel", waiting.run_id).returncode != ExitCode.DONE, "not in the current folder's journal"
    cancelled = aur("cancel", f"farm:{waiting.run_id}")
    assert f"in workspace farm ({farm.root}); its runs are named farm:RUN here" in cancelled.stderr
    assert f"cancelling farm:{waiting.run_id}\n" in cancelled.stderr
    assert document(aur("status", "--all", "--json"))["workspaces"][0]["runs"] == []
    with Journal(farm.runs_db, make=False) as store:
        assert load_run(store, waiting.run_id).state == "cancelled"
    misnamed = aur("workspace", "add", str(shop.root), "--name", "a:b")
    assert (misnamed.returncode, "workspaces.json" in misnamed.stderr) == (ExitCode.USAGE, False)
    missing = aur("pause", f"sho:{finished.run_id}")
    assert (missing.returncode, "did you mean 'shop'" in missing.stderr) == (ExitCode.USAGE, True)
    wrong = aur("status", f"farm:{finished.run_id}")
    assert wrong.returncode == ExitCode.USAGE, "the run of another workspace"
    assert aur("status", "--all", "spawn-1").returncode == ExitCode.USAGE


def test_a_gone_replaced_or_damaged_workspace_is_told_and_the_others_are_shown(
    aur: Aur, two: tuple[Project, Project], tmp_path: Path
) -> None:
    shop, farm = two
    run_id = run_of(farm).run_id
    shop.runs_db.write_bytes(b"no database" * 1000)
    outcome = aur("status", "--all")
    assert outcome.stdout.startswith(f"farm:{run_id}")
    assert f"workspace shop: {shop.runs_db}" in outcome.stderr
    assert states(aur) == {"farm": "there", "shop": "there"}, "its folder is"
    assert aur("workspace", "status").returncode == ExitCode.NOT_REACHED
    shop.root.rename(tmp_path / "away")
    assert states(aur)["shop"] == "gone"
    impostor = project(shop.root)
    run_of(impostor)
    outcome = aur("status", "--all")
    assert "another folder than the one that was added" in outcome.stderr
    assert "shop:" not in outcome.stdout, "nothing in it is read"
    refused = aur("pause", "shop:spawn-1")
    assert (refused.returncode, "another folder" in refused.stderr) == (ExitCode.ENVIRONMENT, True)
    assert json.loads(aur("workspace", "remove", "shop", "--json").stdout)["name"] == "shop"
    assert impostor.runs_db.exists()


def test_one_that_does_not_answer_is_told_and_holds_up_no_other(
    aur: Aur, two: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, farm = two
    for each in two:
        run_of(each)
    monkeypatch.setattr(readings, "LIMIT_S", 1.0)
    with closing(sqlite3.connect(shop.runs_db, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        outcome = aur("status", "--all")
        took_s = time.monotonic() - began
    assert outcome.stdout.startswith("farm:spawn-")
    assert f"workspace shop: {shop.root} did not answer within 1 s" in outcome.stderr
    assert took_s < 4
    assert farm.runs_db.exists()


def test_a_page_about_all_takes_the_first_that_answers(
    two: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, opened = threading.Event(), readings.open_workspace

    def slowly(workspace: Workspace) -> readings.Opened:
        if workspace.name == "farm":
            hangs.wait(30)
        return opened(workspace)

    monkeypatch.setattr(readings, "LIMIT_S", 1.0)
    monkeypatch.setattr(readings, "open_workspace", slowly)
    try:
        found = AllWorkspaces(all_workspaces).project("")
    finally:
        hangs.set()
    assert found is not None
    assert found.project.root == two[0].root


def test_what_is_not_trusted_is_told_and_has_no_effect(
    aur: Aur, two: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, _ = two
    owned = shop.root / "owned"
    hostile = (
        f"backends:\n  evil: {{kind: command, command: [touch, {owned}]}}\nnotify:\n  - command: [touch, {owned}]\n"
    )
    shop.config_file.write_text(hostile, encoding="utf-8")
    run_id = run_of(shop).run_id
    monkeypatch.delenv("AURORA_TRUST")
    assert states(aur)["shop"] == "untrusted"
    outcome = aur("status", "--all")
    assert outcome.stdout.startswith(f"shop:{run_id}")
    assert f"ignored until you trust it: backends.evil, notify; run `aur trust {shop.root}`" in outcome.stderr
    assert aur("cancel", f"shop:{run_id}").returncode == ExitCode.DONE
    assert not owned.exists()


def test_a_damaged_list_is_an_error_with_its_file(aur: Aur, two: tuple[Project, Project]) -> None:
    path = Path.home() / ".aurora" / "workspaces.json"
    path.write_text("{", encoding="utf-8")
    for words in (("workspace", "list"), ("status", "--all"), ("runs", "list", "--all"), ("pause", "shop:spawn-1")):
        outcome = aur(*words)
        assert (outcome.returncode, str(path) in outcome.stderr) == (ExitCode.ENVIRONMENT, True), words
    assert path.read_text(encoding="utf-8") == "{"
    assert two[0].root.is_dir()


def test_an_agent_cannot_change_the_list(
    aur: Aur, two: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token")
    for words in (("workspace", "add", str(two[0].root), "--name", "x"), ("workspace", "remove", "shop")):
        assert aur(*words).returncode == ExitCode.REFUSED
    assert set(states(aur)) == {"farm", "shop"}


def test_the_live_view_reads_all_beside_each_other(two: tuple[Project, Project], tmp_path: Path) -> None:
    shop, farm = two
    finished, waiting = run_of(shop).execute_sync(), run_of(farm)
    reader = WorkspacesReader(all_workspaces, limit_s=20)
    try:
        facts = reader.look(Wanted())
        assert [each.run.run_id for each in facts.runs] == [f"farm:{waiting.run_id}", f"shop:{finished.run_id}"]
        assert facts.selected is not None
        assert facts.selected.run.run_id == f"farm:{waiting.run_id}"
        facts = reader.look(Wanted(run_id=f"shop:{finished.run_id}"))
        assert facts.detail is not None
        assert [each.task_id for each in facts.detail.tasks] == ["1"]
        piece = reader.tail(f"shop:{finished.run_id}", "1", LogTail(stream="stdout"))
        assert piece is not None
        assert piece.content == b"done\n"
        newest = run_of(farm).run_id
        wait_for(reader.has_changed)
        assert reader.look(Wanted()).runs[0].run.run_id == f"farm:{newest}"
        shop.root.rename(tmp_path / "away")
        facts = reader.look(Wanted(run_id=f"shop:{finished.run_id}"))
        assert [each.run.run_id for each in facts.runs] == [f"farm:{newest}", f"farm:{waiting.run_id}"]
        assert any(problem.startswith("workspace shop: ") for problem in facts.problems)
    finally:
        reader.close()


def test_a_view_shows_what_it_has_of_a_workspace_that_hangs(
    two: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, farm = two
    held, other = run_of(shop).run_id, run_of(farm).run_id
    reader, release = WorkspacesReader(all_workspaces, limit_s=20), threading.Event()
    assert {each.run.run_id for each in reader.look(Wanted()).runs} == {f"shop:{held}", f"farm:{other}"}
    reader._limit_s = 0.3

    def hanging(workspace: Workspace) -> WorkspaceFolder:
        if workspace.name == "shop":
            release.wait(20)
        return look_at(workspace)

    monkeypatch.setattr(workspaces_reader, "look_at", hanging)
    began = time.monotonic()
    for _ in range(5):
        facts = reader.look(Wanted())
    assert time.monotonic() - began < 5, "it is waited for once"
    assert {each.run.run_id for each in facts.runs} == {f"shop:{held}", f"farm:{other}"}
    assert any("workspace shop does not answer; what is shown" in each for each in facts.problems)
    release.set()
    reader.close()


def test_keys_of_the_live_view_steer_the_right_journal(two: tuple[Project, Project], tmp_path: Path) -> None:
    shop, farm = two
    run_id = run_of(farm).run_id
    steering = WorkspacesSteering()
    assert steering.pause(f"shop:{run_id}").startswith("not done:")
    assert steering.pause(f"farm:{run_id}").startswith(f"not done: workspace farm: run {run_id} is not running")
    assert steering.cancel(f"farm:{run_id}", "1") == f"cancelling farm:{run_id}/1"
    with Journal(farm.runs_db, make=False) as store:
        assert load_tasks(store, run_id)[0].cancel_asked
    reader = WorkspacesReader(all_workspaces, limit_s=20)
    live = reader.look(Wanted()).runs[0]
    reader.close()
    assert f"aur resume farm:{run_id}" in steering.resume(live)
    assert steering.answer("farm:zzz", approved=True).startswith("not done:")
    farm.root.rename(tmp_path / "away")
    assert "cannot be reached" in steering.cancel(f"farm:{run_id}", None)
    assert "no workspace is named 'gone'" in steering.cancel("gone:spawn-1", None)
    assert shop.root.is_dir()


def test_the_live_view_of_all_starts_at_a_terminal(two: tuple[Project, Project]) -> None:
    run_id = run_of(two[0]).run_id
    status, screen = on_terminal("status", "--all", "--watch", typed="q")
    assert status == ExitCode.DONE
    assert f"shop:{run_id}" in screen


def test_the_page_of_all_workspaces_shows_and_steers_each(two: tuple[Project, Project], shed: Shed, aur: Aur) -> None:
    shop, farm = two
    finished, waiting = run_of(shop).execute_sync(), run_of(farm)
    with served(shed, AllWorkspaces(all_workspaces)) as site, site.client() as client:
        page = client.get("/").text
        assert f"farm:{waiting.run_id}" in page
        assert f"shop:{finished.run_id}" in page
        place = f"/runs/shop:{finished.run_id}"
        assert "say it" in client.get(place).text
        assert "done" in client.get(f"{place}/tasks/1").text
        assert "<svg" in client.get(f"{place}/picture.svg").text
        assert "no worktrees" in client.get(f"{place}/work").text
        for wrong in (f"/runs/farm:{finished.run_id}", f"/runs/gone:{finished.run_id}/work", "/runs/x/picture.svg"):
            assert client.get(wrong).status_code == 404, wrong
        assert client.get("/budget").status_code == 200
        assert "<option>farm</option><option selected>shop</option>" in client.get("/search?q=x&workspace=shop").text
        key = re.search(r'name="key" value="(\w+)"', client.get(f"/runs/farm:{waiting.run_id}").text)
        assert key
        form = {"key": key[1], "do": "cancel", "run": f"farm:{waiting.run_id}"}
        said = client.post("/act", data=form, headers={"accept": "application/json"}).json()["said"]
        assert said == f"cancelling farm:{waiting.run_id}"
    with Journal(farm.runs_db, make=False) as store:
        assert load_run(store, waiting.run_id).state == "cancelled"


def test_work_is_shown_and_merged_from_anywhere(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = shed.run(writes("1", "new.txt", "hello"), merge=MergeMode.NEVER)
    assert aur("workspace", "add", "--name", "shed").returncode == ExitCode.DONE
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    assert "+hello" in aur("diff", f"shed:{report.run_id}").stdout
    assert f"shed:{report.run_id}" in aur("runs", "list", "--all").stdout
    merged = aur("merge", f"shed:{report.run_id}", "--yes")
    assert merged.returncode == ExitCode.DONE, merged.stderr
    assert (shed.path / "new.txt").read_text(encoding="utf-8") == "hello\n"
    assert list((tmp_path / "nowhere").iterdir()) == []
