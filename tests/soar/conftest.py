"""A small project of real files, and an environment without the tester's own settings, agents and home."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.soar.killed_questions import SOURCE
from tests.warm_python import fork_own_agents

from aurora_core import Memory, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

TILL = '''\
"""The till: adds prices up and takes money."""


class Till:
    """Adds up what a customer buys."""

    def __init__(self) -> None:
        self.total_cents = 0

    def scan(self, price_cents: int) -> int:
        """Add one article's price to the total and return the total in cents."""
        self.total_cents += price_cents
        return self.total_cents
'''


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home; no setting of the tester's own, no agent CLI on PATH, and every project trusted."""
    for name in [name for name in os.environ if name.startswith("AURORA_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AURORA_TRUST", "1")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]))
    return folder


@pytest.fixture(autouse=True)
def _forked_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_own_agents(monkeypatch)


@pytest.fixture
def shop(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a small project that was never set up."""
    root = tmp_path / "shop"
    (root / "src").mkdir(parents=True)
    (root / "src" / "till.py").write_text(TILL, encoding="utf-8")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Set up a project with one file, in which retries are, and a home without limits of providers."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "retry.py").write_text(SOURCE)
    return Project.init(tmp_path)


@pytest.fixture
def memory(project: Project) -> Iterator[Memory]:
    """Open the memory of the test's project, indexed."""
    with Memory.open(project.root) as opened:
        opened.index()
        yield opened
