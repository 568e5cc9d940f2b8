"""A run remembers the file that its tasks came from, whatever the file is called, and goes on without it."""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.warm_python import run_warm

import aurora_soar
from aurora_core import Project
from aurora_soar import Aurora, NotResumableError, StoredLimitError
from aurora_soar.taskruns.resume import find_taskfile, list_resumable, stored_limit, taskfile_of
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.control.audit import audit_journal
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import find_run, is_held
from aurora_spawner.errors import TaskFileError, UnknownRunError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import RunRow, load_run
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.runs.run_options import TaskSource

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


def made_from(folder: Path, path: Path | None) -> Run:
    return Run.create(
        folder / "runs.db",
        [SpawnTask("Say it", id="1")],
        {"cat": CommandBackend(name="cat", command=("cat",))},
        RunOptions(
            default_agent="cat",
            cwd=folder,
            spool=folder / "runs",
            source=TaskSource(taskfile=path) if path else None,
            limit_usd=2.5 if path else None,
        ),
    )


def row_of(run: Run) -> RunRow:
    with Journal(run.journal) as store:
        return load_run(store, run.run_id)


@given(name=NAMES.filter(lambda name: name not in (".", "..") and len(os.fsencode(name)) < 200))
def test_a_file_of_any_name_is_found_again(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "files" / name
        path.parent.mkdir()
        path.write_text("- [ ] 1 Say it\n", encoding="utf-8")
        found = find_taskfile(row_of(made_from(Path(folder), path)))
        assert found is not None
        assert found.path == path


def test_a_name_that_is_no_text_is_found_again(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md"))
    assert taskfile_of(row_of(made_from(tmp_path, path))) == path


def test_a_run_from_no_file_has_none(tmp_path: Path) -> None:
    row = row_of(made_from(tmp_path, None))
    assert (find_taskfile(row), stored_limit(row)) == (None, None)


def test_a_file_that_is_gone_is_none(tmp_path: Path) -> None:
    assert find_taskfile(row_of(made_from(tmp_path, tmp_path / "tasks.md"))) is None


def test_a_file_that_makes_no_sense_any_more_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "tasks.md"
    path.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(TaskFileError):
        find_taskfile(row_of(made_from(tmp_path, path)))


def test_what_an_earlier_version_noted_beside_a_run_is_still_read(tmp_path: Path) -> None:
    run = made_from(tmp_path, None)
    spool = tmp_path / "runs" / run.run_id
    spool.mkdir(parents=True)
    (spool / "taskfile").write_bytes(os.fsencode(tmp_path / "tasks.md"))
    (spool / "limit_usd").write_text("1.25", encoding="ascii")
    row = row_of(run)
    assert (taskfile_of(row), stored_limit(row)) == (tmp_path / "tasks.md", 1.25)
    (spool / "limit_usd").write_text("a lot", encoding="ascii")
    with pytest.raises(StoredLimitError):
        stored_limit(row)


KILLED = """
import os, signal, sys
from aurora_soar import Aurora
calls, at = 0, int(sys.argv[1])
def trace(frame, event, arg):
    global calls
    if event == "call" and frame.f_code.co_filename.startswith(sys.argv[2]):
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
    return None
import aurora_soar.taskruns.execute, aurora_soar.taskruns.start, aurora_spawner.runs.run
def create(*given, real=aurora_spawner.runs.run.Run.create, **more):
    made = real(*given, **more)
    sys.setprofile(trace)  # every call of ours from the durable creation on is a place to be killed at
    return made
aurora_spawner.runs.run.Run.create = create
Aurora.open(tool="cat").run_taskfile("tasks.md", budget_usd=3)
"""


@pytest.mark.parametrize("at", few([1, 2, 4, 8, 16, 32, 64, 128], 3))
def test_a_kill_between_creation_and_first_start_forgets_nothing(shop: Path, at: int) -> None:
    project = Project.init(shop)
    (shop / ".aurora/config.yaml").write_text("backends:\n  cat: {kind: command, command: [cat]}\n")
    (shop / "tasks.md").write_text("- [ ] 1 Say it\n", encoding="utf-8")
    sources = str(Path(aurora_soar.__file__).parents[4])
    command = [sys.executable, "-c", KILLED, str(at), sources]
    done = run_warm(command, cwd=shop, capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    (summary,) = list_checkpoints(project.runs_db)
    assert taskfile_of(summary.run) == shop / "tasks.md"
    assert stored_limit(summary.run) == 3.0


def new_run(project: Project, kind: str, *tasks: SpawnTask) -> Run:
    return Run.create(
        project.runs_db,
        tasks,
        {"cat": CommandBackend(name="cat", command=("cat",)), "wc": CommandBackend(name="wc", command=("wc",))},
        RunOptions(
            default_agent="cat",
            kind=kind,
            cwd=project.root,
            spool=project.aurora_dir / "runs",
            state_dir=default_state_dir(),
        ),
    )


@pytest.fixture
def project(shop: Path) -> Project:
    return Project.init(shop)


def test_agents_and_titles_come_from_the_journal_where_there_is_no_file(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"), SpawnTask("Count it", "wc", id="2", title="Count"))
    found = Aurora(project).plan_resume(run.run_id)
    assert found.file is None
    assert found.agents == {"cat", "wc"}
    assert found.titles == {"1": "Say it", "2": "Count"}


def test_the_file_as_it_is_now_comes_first(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"))
    path = project.root / "tasks.md"
    path.write_text("- [ ] 1 Sing it\n  - Agent: wc\n", encoding="utf-8")
    spool = project.aurora_dir / "runs" / run.run_id
    spool.mkdir(parents=True)
    (spool / "taskfile").write_bytes(os.fsencode(path))
    found = Aurora(project).plan_resume(run.run_id)
    assert found.agents == {"wc"}
    assert found.titles == {"1": "Sing it"}


def test_a_file_may_be_named_instead(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"))
    other = project.root / "other.md"
    other.write_text("- [ ] 1 Shout it\n", encoding="utf-8")
    assert Aurora(project).plan_resume(run.run_id, other).titles == {"1": "Shout it"}


def test_runs_of_answers_cannot_go_on_by_themselves(project: Project) -> None:
    run = new_run(project, "soar", SpawnTask("Say it", id="1"))
    assert list_resumable(project.runs_db) == []
    with pytest.raises(NotResumableError) as raised:
        Aurora(project).plan_resume(run.run_id)
    assert raised.value.run_id == run.run_id


def test_a_run_that_nobody_works_on_is_not_held(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"))
    assert not is_held(project.runs_db, run.run_id)
    assert [status.run_id for status in Aurora(project).status()] == [run.run_id]
    assert [summary.run.run_id for summary in list_resumable(project.runs_db)] == [run.run_id]


def test_a_project_without_a_journal_has_no_run_and_gets_no_journal(project: Project) -> None:
    assert list_checkpoints(project.runs_db) == []
    assert Aurora(project).status() == []
    assert audit_journal(project.runs_db).ok
    with pytest.raises(UnknownRunError):
        find_run(project.runs_db, "spawn-1")
    assert not project.runs_db.exists()
