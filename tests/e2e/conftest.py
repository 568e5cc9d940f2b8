"""One namespace for all tests with real agents, and the table of what they did."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.e2e.cut_off import Cell, open_cell
from tests.e2e.stage import Stage
from tests.e2e.table import AGENTS, TALKS, Table
from tests.e2e.wirings import IN_CI, INSTALLED, search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOW = "python tools/install_agents.py"


@pytest.fixture(scope="session")
def tmp_path_factory(factory_on_disk: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """On disk, because a sandbox has a /dev of its own, and agents bring theirs."""
    return factory_on_disk


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """Filled by the tests; written into the docs where that is asked for."""
    yield from _table(Table(AGENTS))


@pytest.fixture(scope="session")
def talks() -> Iterator[Table]:
    """The same for conversations."""
    yield from _table(Table(TALKS))


def _table(table: Table) -> Iterator[Table]:
    yield table
    if os.environ.get("UPDATE_AGENT_TABLE"):
        table.write()


@pytest.fixture(scope="session")
def opened_cell() -> Iterator[Cell]:
    """The namespace; where the machine can have none, every test says so."""
    found = open_cell()
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    found.close()


@pytest.fixture
def cell(opened_cell: Cell) -> Cell:
    """The namespace, in which every play begins anew: another test may have used the same key."""
    opened_cell.forget()
    return opened_cell


@pytest.fixture
def stage(cell: Cell, tmp_path: Path) -> Stage:
    """A project for one run."""
    return Stage(cell=cell, folder=tmp_path)


@pytest.fixture(scope="session")
def need() -> Callable[[str], None]:
    """Skip a test whose agent is not installed, and say why; those that CI has must be there."""

    def check(kind: str) -> None:
        if shutil.which(kind, path=search_path()):
            return
        note = INSTALLED / "missing"
        if note.exists():
            pytest.skip(note.read_text(encoding="utf-8").strip())
        if os.environ.get("CI") == "true" and kind in IN_CI:
            pytest.fail(f"{kind} is not installed; `{HOW}` does that")
        pytest.skip(f"{kind} is not installed; `{HOW} --all` does that")

    return check
