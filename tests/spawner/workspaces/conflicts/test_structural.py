"""The structural merge driver: used where it is installed, told of, and never in the user's configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.spawner.workspaces.repository import Repository, make_repository

from aurora_spawner.tasks.resolved import Resolver
from aurora_spawner.workspaces.conflicts.merger import ConflictMerger
from aurora_spawner.workspaces.conflicts.structural import installed_driver
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work

MERGIRAF = """#!{python}
import sys
arguments = sys.argv[1:]
assert arguments[:2] == ["merge", "--git"], arguments
base, ours, theirs = arguments[2:5]
options = dict(zip(arguments[5::2], arguments[6::2]))
assert set(options) == {{"-p", "-l"}} and options["-l"] == "7", arguments
open({log!r}, "a").write(options["-p"] + "\\n")
if not options["-p"].endswith(".py"):
    sys.exit(int({status!r}))
lines = [open(each).read().splitlines() for each in (base, ours, theirs)]
merged = [each for each in lines[1]] + [each for each in lines[2] if each not in lines[1]]
open(ours, "w").write("\\n".join(sorted(merged)) + "\\n")
"""
"""Stands in for mergiraf: merges Python files as sets of lines, and refuses others, as for a language it lacks."""


@pytest.fixture
def imports(tmp_path: Path) -> Repository:
    """Two branches that add an import at the same place."""
    made = make_repository(tmp_path / "imports", {"app.py": "import b\nimport x\n", "notes.txt": "one\n"})
    for name, line in (("left", "import c"), ("right", "import d")):
        made("checkout", "--quiet", "-b", name, "main")
        made.commit({"app.py": f"import b\n{line}\nimport x\n"})
    made("checkout", "--quiet", "main")
    return made


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, *, status: str = "1") -> Path:
    """Puts a program `mergiraf` on PATH; returns its log."""
    folder.mkdir(parents=True, exist_ok=True)
    log, program = folder / "log", folder / "mergiraf"
    log.touch()
    program.write_text(MERGIRAF.format(python=sys.executable, log=str(log), status=status))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


def merger(repository: Repository) -> ConflictMerger:
    return ConflictMerger(git=repository.git, driver=installed_driver(repository.path))


def test_what_git_cannot_merge_the_driver_does_and_it_is_told(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = install(monkeypatch, tmp_path / "the programs")
    before = (imports.path / ".git" / "config").read_text()
    queue = MergeQueue(git=imports.git, run_id="run-1", target="main", base="main", merger=merger(imports))
    works = [Work(task_id=name, commit=imports("rev-parse", name), branch=name) for name in ("left", "right")]
    batch = queue.merge(works)
    assert batch.is_complete
    assert imports.shown(queue.branch, "app.py") == "import b\nimport c\nimport d\nimport x"
    assert [(each.path, each.kind, each.by) for each in batch.merged[1].resolved] == [
        ("app.py", Resolver.DRIVER, "mergiraf")
    ]
    assert log.read_text() == "app.py\n"
    assert (imports.path / ".git" / "config").read_text() == before


def test_it_is_not_asked_where_git_can_merge(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = install(monkeypatch, tmp_path / "programs")
    imports("checkout", "--quiet", "-b", "other", "main")
    imports.commit({"notes.txt": "two\n"})
    merge = merger(imports).merge("left", "other")
    assert merge.is_clean
    assert merge.resolved == ()
    assert log.read_text() == ""


@pytest.mark.parametrize("status", ["1", "130", "255"])
def test_what_it_cannot_merge_stays_a_conflict_with_the_markers_of_git(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """Also where it crashes: git itself would give up the whole merge."""
    install(monkeypatch, tmp_path / "programs", status=status)
    for name in ("left", "right"):
        imports("checkout", "--quiet", name)
        imports.commit({"notes.txt": f"{name}\n"})
    merge = merger(imports).merge("left", "right")
    assert not merge.is_clean
    assert set(merge.conflicts) == {"app.py", "notes.txt"}
    assert "<<<<<<<" in imports.shown(merge.tree, "notes.txt")


def test_without_the_program_nothing_is_different(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert installed_driver(imports.path) is None
    merge = merger(imports).merge("left", "right")
    assert merge.conflicts == ("app.py",)
    assert merge.problem == ""


def test_a_program_of_the_repository_itself_is_not_run(imports: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What agents write there would run without a question."""
    log = install(monkeypatch, imports.path / "node_modules" / ".bin")
    assert installed_driver(imports.path) is None
    assert not merger(imports).merge("left", "right").is_clean
    assert log.read_text() == ""


def test_a_driver_of_the_repository_goes_before(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.gitattributes` names a driver for these files that the user has configured; mergiraf is for the others."""
    log = install(monkeypatch, tmp_path / "programs")
    imports("config", "merge.own.driver", "cat %B > %A")
    imports.commit({".gitattributes": "app.py merge=own\n"}, "attributes")
    merge = merger(imports).merge("left", "right")
    assert merge.is_clean
    assert merge.resolved == ()
    assert imports.shown(merge.tree, "app.py") == "import b\nimport d\nimport x"
    assert log.read_text() == ""


def test_a_file_that_attributes_keep_from_merging_is_not_merged(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = install(monkeypatch, tmp_path / "programs")
    imports.commit({".gitattributes": "app.py -merge\n"}, "attributes")
    assert merger(imports).merge("left", "right").conflicts == ("app.py",)
    assert log.read_text() == ""


def test_a_driver_that_the_user_has_configured_for_all_repositories_is_used(
    imports: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another structural driver, as its own documentation installs it."""
    attributes, configuration = tmp_path / "attributes", tmp_path / "gitconfig"
    attributes.write_text("*.py merge=weaver\n")
    configuration.write_text(f'[core]\nattributesFile = {attributes}\n[merge "weaver"]\ndriver = cat %B >> %A\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    merge = merger(imports).merge("left", "right")
    assert merge.is_clean
    assert imports.shown(merge.tree, "app.py").splitlines()[-1] == "import x"
