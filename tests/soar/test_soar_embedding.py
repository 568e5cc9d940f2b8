"""Embedding: the example of the docs runs as it stands, and a memory that can only be searched is enough."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.warm_python import run_warm

import aurora_soar
from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import AgentRegistry, SOAROrchestrator, make_hit
from aurora_soar.adapted_memory import AdaptedMemory, as_soar_memory
from aurora_soar.local_agent.lookup import answer_directly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_core import Hit, Reference

PAGE = Path(aurora_soar.__file__).parents[4] / "docs" / "embedding.md"
SCRIPT = "class Till:\n    def handle(self, prices, refunds):\n        return sum(prices)\n"


class Notes:
    """A memory that holds one function, stores answers, and remembers what it was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.remembered: list[Any] = []
        self.used: list[str] = []

    def search(self, query: str, limit: int = 10, *, kinds: object = None, record: bool = True) -> list[Hit]:
        return [make_hit("till.py", 1, "Till.refund", (self.root / "till.py").read_text())]

    def remember(self, reasoning: object) -> str:
        self.remembered.append(reasoning)
        return "1"

    def record_access(self, chunk_ids: Iterable[str]) -> None:
        self.used.extend(chunk_ids)


def test_the_example_of_the_docs_is_short_and_runs_as_it_stands(home: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    (tmp_path / "till.py").write_text(SCRIPT)
    run = run_warm([sys.executable, "-c", example], cwd=tmp_path, capture_output=True)
    assert run.returncode == 0, run.stderr
    assert "The till takes no refunds" in run.stdout
    assert "(Agent: code-reviewer)" in run.stdout
    assert "till.py:3" in run.stdout


@pytest.fixture
def notes(home: Path, tmp_path: Path) -> Notes:
    (tmp_path / "till.py").write_text('def refund(price):\n    """Give a price back."""\n    return -price\n')
    return Notes(tmp_path)


def test_a_memory_that_can_be_searched_is_enough_sync_and_async(notes: Notes) -> None:
    project = Project.init(notes.root)
    soar = SOAROrchestrator(
        project=project,
        memory=notes,
        policies=PoliciesEngine.load(None),
        registry=AgentRegistry.local(project.root),
    )
    first = soar.execute("What does refund do?")
    second = asyncio.run(soar.aexecute("What does refund do?"))
    for result in (first, second):
        assert ("till.py", 1) in [(source.file, source.line) for source in result.sources]
        assert result.ok
    assert [each.query for each in notes.remembered] == ["What does refund do?"] * 2
    assert notes.used


def test_an_adapted_memory_says_only_what_its_hits_show(notes: Notes) -> None:
    memory = AdaptedMemory(notes)
    assert [hit.name for hit in memory.definitions("refund")] == ["Till.refund"]
    assert memory.definitions("scan") == []
    assert memory.files() == ["till.py"]
    assert memory.names() == ["refund"]
    assert memory.files_with("give price") == ["till.py"]
    assert memory.files_with("discount") == []
    assert [(each.line, each.certain) for each in memory.mentions("price")] == [(1, False), (2, False), (3, False)]
    assert memory.search("refund", kinds=("reas",)) == []
    assert memory.text("../secret") is None
    assert memory.rarity(["price", "discount"]).unknown("discount")
    assert memory.state() != memory.state(), "nobody knows if it has changed"


def test_a_memory_of_an_earlier_protocol_is_one_that_can_be_searched(tmp_path: Path) -> None:
    class Earlier(Memory):
        def callers(  # type: ignore[override]
            self, name: str, limit: int = 10, *, tests: bool | None = None
        ) -> list[Reference]:
            return super().callers(name, limit, tests=tests)

    (tmp_path / "till.py").write_text(
        "def pay(price):\n    return store(price)\n\n\ndef store(price):\n    return price\n"
    )
    with Memory.open(tmp_path) as whole, Earlier.open(tmp_path) as earlier:
        whole.index()
        assert as_soar_memory(whole) is whole
        answer = answer_directly(as_soar_memory(earlier), tmp_path, "How does pay reach store?").answer
    assert "`till.py:2`" in answer
