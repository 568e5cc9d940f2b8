"""Past commits point at the files that similar commits changed; without git nothing is missing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from aurora_core import Memory
from aurora_core.git import GitOutput, run_git
from aurora_core.index import commits
from aurora_core.index.bm25 import query_weights
from aurora_core.index.commits import new_history, read_commits
from aurora_core.index.history import neighbours, put_history, read_history
from aurora_core.store.database import connect


def git(root: Path, *arguments: str, at: int = 1_700_000_000) -> None:
    stamp = f"{at} +0000"
    environ = {**os.environ, "GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, "GIT_CONFIG_GLOBAL": os.devnull}
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, env=environ)


def commit(root: Path, message: str, *files: str, at: int = 1_700_000_000) -> None:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text() + "x = 1\n" if path.exists() else f"def {path.stem}():\n    pass\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message, at=at)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    commit(root, "Start", "alpha.py", "beta.py", "gamma.py")
    commit(root, "Make uploads survive a dropped connection\n\nRetry twice.", "beta.py")
    commit(root, "Spell names", "gamma.py")
    return root


def test_a_query_like_an_old_message_finds_what_that_commit_changed(repository: Path) -> None:
    with Memory.open(repository) as memory:
        memory.index()
        assert [hit.file for hit in memory.search_files("a dropped connection breaks uploads")][:1] == ["beta.py"]


def test_a_new_commit_is_noticed_and_a_second_index_reads_nothing(repository: Path) -> None:
    with Memory.open(repository) as memory:
        memory.index()
        commit(repository, "Rotate zeppelins", "alpha.py")
        memory.index()
        assert [hit.file for hit in memory.search_files("zeppelins rotate")][:1] == ["alpha.py"]


def test_lately_changed_files_come_first_among_equals(repository: Path) -> None:
    commit(repository, "One", "one/same.py", at=1_600_000_000)
    commit(repository, "Two", "two/same.py", at=1_700_100_000)
    with Memory.open(repository) as memory:
        memory.index()
        assert [hit.file for hit in memory.search_files("same")][:2] == ["two/same.py", "one/same.py"]


def test_only_a_project_below_the_repository_s_top_is_read(repository: Path) -> None:
    commit(repository, "Add inner", "inner/part.py")
    commits = read_commits(repository / "inner")
    assert [c.files for c in commits if c.files] == [("part.py",)]


def test_odd_names_and_messages_survive(repository: Path) -> None:
    name = "odd näme\nwith newline.py"
    commit(repository, "Odd \x01 message\n\nwith lines", name)
    newest = read_commits(repository)[0]
    assert newest.files == (name,)
    assert newest.message.startswith("Odd")


def test_large_commits_say_nothing_about_their_files(repository: Path) -> None:
    commit(repository, "Reformat zeppelins", *(f"many/m{i}.py" for i in range(13)))
    with Memory.open(repository) as memory:
        memory.index()
        assert memory.search_files("reformat zeppelins") == []


@pytest.mark.parametrize("state", ["no repository", "no commit", "broken"])
def test_without_a_history_the_memory_works(tmp_path: Path, state: str) -> None:
    (tmp_path / "a.py").write_text("def discount():\n    pass\n")
    if state != "no repository":
        git(tmp_path, "init", "-q")
    if state == "broken":
        (tmp_path / ".git" / "HEAD").write_text("garbage\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert memory.search("discount")[0].file == "a.py"
        assert memory.search_files("discount")[0].file == "a.py"


def test_without_git_the_memory_works(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with Memory.open(repository) as memory:
        memory.index()
        assert memory.search("beta")[0].file == "beta.py"


def test_a_shallow_clone_has_the_history_that_it_has(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    with Memory.open(tmp_path / "shallow") as memory:
        memory.index()
        assert memory.search_files("spell names")


def test_a_commit_s_files_are_where_later_renames_have_put_them(repository: Path) -> None:
    (repository / "deep").mkdir()
    git(repository, "mv", "beta.py", "deep/upload.py")
    commit(repository, "Move")
    git(repository, "mv", "deep/upload.py", "final.py")
    commit(repository, "Move again", "alpha.py")
    commit(repository, "Another beta", "beta.py")
    by_title = {each.message.partition("\n")[0]: set(each.files) for each in read_commits(repository)}
    assert by_title["Make uploads survive a dropped connection"] == {"final.py"}
    assert by_title["Start"] == {"alpha.py", "final.py", "gamma.py"}
    assert by_title["Move again"] == {"alpha.py", "final.py"}
    assert by_title["Another beta"] == {"beta.py"}
    with Memory.open(repository) as memory:
        memory.index()
        assert [hit.file for hit in memory.search_files("a dropped connection breaks uploads")][:1] == ["final.py"]


def test_of_two_files_that_change_places_each_path_keeps_its_history(repository: Path) -> None:
    (repository / "alpha.py").write_text("def alpha():\n    return [1, 2, 3, 4, 5]\n" * 9)
    commit(repository, "Fill alpha")
    (repository / "gamma.py").write_text("class Gamma:\n    sail = 'red'\n" * 9)
    commit(repository, "Fill gamma")
    for source, target in (("alpha.py", "t"), ("gamma.py", "alpha.py"), ("t", "gamma.py")):
        git(repository, "mv", source, target)
    commit(repository, "Swap")
    by_title = {each.message: set(each.files) for each in read_commits(repository)}
    assert by_title["Swap"] == {"alpha.py", "gamma.py"}
    assert by_title["Fill alpha"] == {"alpha.py"}
    assert by_title["Fill gamma"] == {"gamma.py"}


def test_of_two_commits_alike_the_newer_says_more(repository: Path) -> None:
    year = 31_557_600
    commit(repository, "Polish the brass bell", "old.py", at=1_700_000_000 - 16 * year)
    commit(repository, "Polish the brass bell", "new.py", at=1_700_000_000)
    with closing(connect(repository / "m.db")) as connection:
        new = new_history(connection, repository)
        assert new is not None
        put_history(connection, new)
        found = neighbours(connection, query_weights("polish the brass bell"), read_history(connection))
    assert found["old.py"] == pytest.approx(found["new.py"] / 4, rel=0.01)


def test_without_the_content_that_renames_are_told_by_the_history_has_the_old_paths(repository: Path) -> None:
    old = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD:beta.py"], check=True, capture_output=True, text=True
    ).stdout.strip()
    git(repository, "mv", "beta.py", "moved.py")
    commit(repository, "Move", "moved.py")
    (repository / ".git" / "objects" / old[:2] / old[2:]).unlink()
    files = {each.message: set(each.files) for each in read_commits(repository)}
    assert files["Make uploads survive a dropped connection\n\nRetry twice."] == {"beta.py"}
    assert files["Move"] == {"beta.py", "moved.py"}


def test_others_can_write_while_git_is_asked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(root: Path, *arguments: str, max_bytes: int = 0) -> GitOutput | None:
        with closing(sqlite3.connect(repository / ".aurora" / "memory.db", timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
        asked.append(arguments[0])
        return run_git(root, *arguments)

    monkeypatch.setattr(commits, "run_git", ask)
    with Memory.open(repository) as memory:
        memory.index()
    assert asked == ["rev-parse", "log"]
