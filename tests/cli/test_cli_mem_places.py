"""`aur` answers what is on the disk, and works in the checkout that it is called in."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a repository with one commit."""
    root = tmp_path / "p"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("def wombat():\n    return 1\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "1")
    monkeypatch.chdir(root)
    return root


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def hits(aur: Aur, *words: str) -> list[tuple[str, int, int]]:
    document = json.loads(aur("mem", "search", *words, "--json").stdout)
    return [(hit["file"], hit["line_start"], hit["line_end"]) for hit in document["hits"]]


def test_renames_edits_and_deletions_are_answered_as_they_are(aur: Aur, repository: Path) -> None:
    aur("mem", "index")
    (repository / "src").rename(repository / "lib")
    assert hits(aur, "wombat") == [("lib/a.py", 1, 2)]
    (repository / "lib").rename(repository / "src")
    aur("mem", "index")
    (repository / "src" / "a.py").write_text("# one\n# two\n\n\ndef wombat():\n    return 2\n")
    assert hits(aur, "wombat") == [("src/a.py", 5, 6)]
    assert aur("mem", "show", "wombat").returncode == ExitCode.DONE
    (repository / "src" / "a.py").unlink()
    assert aur("mem", "show", "wombat").returncode == ExitCode.NOT_REACHED
    assert hits(aur, "wombat") == []


def test_linked_worktrees_are_found_once(aur: Aur, repository: Path) -> None:
    for place in ("worktrees/one", ".worktrees/two", ".claude/worktrees/three"):
        git(repository, "worktree", "add", "-q", place)
    aur("mem", "index")
    assert hits(aur, "wombat") == [("src/a.py", 1, 2)]
    told = json.loads(aur("mem", "stats", "--json").stdout)["left_out"]
    assert [group["count"] for group in told if "another checkout" in group["reason"]] == [3]


def test_a_command_in_a_worktree_works_there(aur: Aur, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aur("init", "--no-index")
    worktree = repository / ".claude" / "worktrees" / "three"
    git(repository, "worktree", "add", "-q", str(worktree))
    (worktree / "only.py").write_text("def quagga():\n    return 1\n")
    monkeypatch.chdir(worktree / "src")
    refused = aur("mem", "search", "wombat")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert f"git worktree {worktree}" in refused.stderr
    aur("mem", "index")
    assert (worktree / ".aurora" / "memory.db").exists()
    assert hits(aur, "quagga") == [("only.py", 1, 2)]


def test_a_notebook_and_a_wide_file_are_found_on_their_rows(aur: Aur, repository: Path) -> None:
    cells = [
        {"cell_type": "code", "source": ["def quagga_nb(x):\n", "    return x\n"], "outputs": [{"data": "iVBORw0"}]},
        {"cell_type": "markdown", "source": ["# Numbat counts"]},
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)
    (repository / "n.ipynb").write_text(notebook)
    (repository / "wide.py").write_bytes("\ufeffdef thylacine():\n    return 1\n".encode("utf-16-le"))
    aur("mem", "index")
    ((file, start, end),) = hits(aur, "quagga_nb")
    assert file == "n.ipynb"
    assert "quagga_nb" in notebook.split("\n")[start - 1]
    assert end == start + 1
    assert [file for file, *_ in hits(aur, "numbat", "counts")] == ["n.ipynb"]
    assert [file for file, *_ in hits(aur, "thylacine")] == ["wide.py"]
    assert hits(aur, "iVBORw0") == []


def test_a_damaged_memory_is_named_and_a_rebuild_offered(aur: Aur, repository: Path) -> None:
    import sqlite3
    from contextlib import closing

    aur("mem", "index")
    with closing(sqlite3.connect(repository / ".aurora" / "memory.db")) as connection:
        connection.execute("UPDATE segments SET ids = x'01'")
        connection.commit()
    outcome = aur("mem", "search", "wombat")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "memory.db" in outcome.stderr
    assert "aur mem rebuild" in outcome.stderr
    assert aur("mem", "rebuild").returncode == ExitCode.DONE
    assert hits(aur, "wombat") == [("src/a.py", 1, 2)]
