"""A run remembers the file that its tasks came from, whatever the file is called, and goes on without it."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_cli import journal, wiring
from aurora_cli.errors import NotResumableError
from aurora_cli.resuming import find_taskfile, remember_taskfile
from aurora_core import Project
from aurora_spawner import CommandBackend, Run, SpawnTask, TaskFileError, UnknownRunError, read_taskfile

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(name=NAMES.filter(lambda name: name not in (".", "..") and len(os.fsencode(name)) < 200))
def test_a_file_of_any_name_is_found_again(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "files" / name
        path.parent.mkdir()
        path.write_text("- [ ] 1 Say it\n", encoding="utf-8")
        remember_taskfile(Path(folder) / "spool", read_taskfile(path))
        found = find_taskfile(Path(folder) / "spool")
        assert found is not None
        assert found.path == path


def test_a_run_from_no_file_has_none(tmp_path: Path) -> None:
    assert find_taskfile(tmp_path) is None


def test_a_file_that_is_gone_is_none(tmp_path: Path) -> None:
    path = tmp_path / "tasks.md"
    path.write_text("- [ ] 1 Say it\n", encoding="utf-8")
    remember_taskfile(tmp_path / "spool", read_taskfile(path))
    path.unlink()
    assert find_taskfile(tmp_path / "spool") is None


def test_a_file_that_makes_no_sense_any_more_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "tasks.md"
    path.write_text("- [ ] 1 Say it\n", encoding="utf-8")
    remember_taskfile(tmp_path / "spool", read_taskfile(path))
    path.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(TaskFileError):
        find_taskfile(tmp_path / "spool")


def new_run(project: Project, kind: str, *tasks: SpawnTask) -> Run:
    return Run.create(
        project.runs_db,
        tasks,
        {"cat": CommandBackend(name="cat", command=("cat",)), "wc": CommandBackend(name="wc", command=("wc",))},
        default_agent="cat",
        kind=kind,
        cwd=project.root,
        spool=project.aurora_dir / "runs",
    )


@pytest.fixture
def project(shop: Path) -> Project:
    return Project.init(shop)


def test_agents_and_titles_come_from_the_journal_where_there_is_no_file(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"), SpawnTask("Count it", "wc", id="2", title="Count"))
    found = wiring.resumption(project, run.run_id)
    assert found.file is None
    assert found.agents == {"cat", "wc"}
    assert found.titles == {"1": "Say it", "2": "Count"}


def test_the_file_as_it_is_now_comes_first(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"))
    path = project.root / "tasks.md"
    path.write_text("- [ ] 1 Sing it\n  - Agent: wc\n", encoding="utf-8")
    remember_taskfile(project.aurora_dir / "runs" / run.run_id, read_taskfile(path))
    found = wiring.resumption(project, run.run_id)
    assert found.agents == {"wc"}
    assert found.titles == {"1": "Sing it"}


def test_a_file_may_be_named_instead(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"))
    other = project.root / "other.md"
    other.write_text("- [ ] 1 Shout it\n", encoding="utf-8")
    assert wiring.resumption(project, run.run_id, other).titles == {"1": "Shout it"}


def test_runs_of_answers_cannot_go_on_by_themselves(project: Project) -> None:
    run = new_run(project, "soar", SpawnTask("Say it", id="1"))
    assert journal.list_resumable(project) == []
    with pytest.raises(NotResumableError) as raised:
        wiring.resumption(project, run.run_id)
    assert raised.value.run_id == run.run_id


def test_a_run_that_nobody_works_on_is_not_held(project: Project) -> None:
    run = new_run(project, "spawn", SpawnTask("Say it", id="1"))
    assert not journal.is_held(project, run.run_id)
    assert [status.run_id for status in journal.run_statuses(project, None)] == [run.run_id]
    assert [summary.run.run_id for summary in journal.list_resumable(project)] == [run.run_id]


def test_a_project_without_a_journal_has_no_run_and_gets_no_journal(project: Project) -> None:
    assert journal.list_runs(project) == []
    assert journal.run_statuses(project, None) == []
    assert journal.audit(project).ok
    with pytest.raises(UnknownRunError):
        journal.find_run(project, "spawn-1")
    assert not project.runs_db.exists()
