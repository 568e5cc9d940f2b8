"""What ties a file to others: what it uses, what uses it, and what changes with it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from aurora_core import Memory, Tie
from aurora_core.index.graph import IMPORT_WEIGHT, read_graph
from aurora_core.store.database import connect

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "shop/till.py": "import shop.prices\n\ndef till():\n    shop.prices.cost_of(1)\n    shop.prices.taxed(1)\n",
    "shop/prices.py": "def cost_of(item):\n    return item\n\n\ndef taxed(price):\n    return price\n",
    "shop/report.py": "def report():\n    till()\n",
    "notes.md": "# Prices\n\nThey are rounded.\n",
    "alone.py": "def nobody_calls_this():\n    return 1\n",
}


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "Begin")
    for number in range(2):
        for name in ("shop/prices.py", "notes.md"):
            with (tmp_path / name).open("a") as file:
                file.write(f"# {number}\n")
        git("commit", "-qam", "Go on")
    memory = Memory.open(tmp_path)
    memory.index()
    return memory


def test_each_tie_says_what_it_is_and_how_strong(memory: Memory) -> None:
    with memory:
        assert memory.ties("shop/prices.py") == [
            Tie(file="notes.md", imports=False, imported_by=False, calls=0, called_by=0, together=3, strength=1.0),
            Tie(
                file="shop/till.py",
                imports=False,
                imported_by=True,
                calls=0,
                called_by=2,
                together=0,
                strength=IMPORT_WEIGHT,
            ),
        ]
        assert [(tie.file, tie.imports, tie.calls, tie.called_by) for tie in memory.ties("shop/till.py")] == [
            ("shop/prices.py", True, 2, 0),
            ("shop/report.py", False, 0, 1),
        ]
        assert memory.ties("alone.py") == memory.ties("nosuch.py") == []


def test_ties_are_the_edges_along_which_activation_spreads(memory: Memory) -> None:
    with memory:
        told = {(file, tie.file, round(tie.strength, 4)) for file in FILES for tie in memory.ties(file)}
        connection = connect(memory.root / ".aurora" / "memory.db")
        paths = dict(connection.execute("SELECT id, path FROM files"))
        graph = read_graph(connection)
        connection.close()
    best: dict[frozenset[str], float] = {}
    for source, target, weight in zip(graph.sources.tolist(), graph.targets.tolist(), graph.weights, strict=True):
        pair = frozenset({paths[source], paths[target]})
        best[pair] = max(best.get(pair, 0.0), float(weight))
    assert {(frozenset({a, b}), strength) for a, b, strength in told} == {
        (pair, round(weight, 4)) for pair, weight in best.items()
    }
