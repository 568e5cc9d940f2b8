"""Whatever happens to memory.db, it is named, and `rebuild` makes it again with what could be read."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_core import Memory, Reasoning, StoreCorruptError, StoreError

QUESTION = "How is the discount computed?"
ANSWER = Reasoning(query=QUESTION, answer="By years.", score=0.9, sources=("a.py:1",), run_id="r")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for number in range(40):
        body = f"    '''Compute discount number {number}.'''\n    return price * {number}\n"
        (tmp_path / f"m{number}.py").write_text(f"def discount_{number}(price):\n{body}")
    with Memory.open(tmp_path) as memory:
        memory.index()
        memory.remember(ANSWER)
        memory.record_access([memory.search("discount_7")[0].chunk_id])
    return tmp_path


def found(project: Path, query: str) -> list[tuple[str, str]]:
    with Memory.open(project) as memory:
        return [(hit.file, hit.name) for hit in memory.search(query)]


def test_a_sound_memory_is_the_same_after_it_was_rebuilt(project: Path) -> None:
    before = found(project, "discount number 7")
    assert Memory.rebuild(project).files_indexed == 40
    assert found(project, "discount number 7") == before
    with Memory.open(project) as memory:
        assert memory.search("discount_7")[0].activation_score > 0
        (answer,) = memory.search("discount computed", kinds=["reas"])
        assert answer.content == "How is the discount computed?\n\nBy years."
    assert not list((project / ".aurora").glob("memory.db.new*"))


def test_a_memory_that_cannot_be_opened_is_rebuilt(project: Path) -> None:
    before = found(project, "discount number 7")
    database = project / ".aurora" / "memory.db"
    database.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreCorruptError, match="aur mem rebuild"):
        Memory.open(project)
    Memory.rebuild(project)
    assert found(project, "discount number 7") == before


def test_a_missing_memory_is_made(project: Path) -> None:
    for path in (project / ".aurora").glob("memory.db*"):
        path.unlink()
    assert Memory.rebuild(project).files_indexed == 40


@pytest.mark.parametrize("seed", few(range(60), 6))
def test_random_damage_is_harmless_or_named_and_always_mended(project: Path, seed: int) -> None:
    before = found(project, "discount number 7")
    database = project / ".aurora" / "memory.db"
    content = bytearray(database.read_bytes())
    chance = random.Random(seed)
    at = chance.randrange(len(content) - 64)
    content[at : at + 64] = chance.randbytes(64)
    database.write_bytes(content)
    # Nothing but a StoreError may come out of it.
    with suppress(StoreError), Memory.open(project) as memory:
        memory.search("discount number 7")
        memory.search_files("discount number 7")
        memory.search("discount computed", kinds=["reas"])
        memory.definitions("discount_7")
        memory.callers("discount_7")
        memory.stats()
        memory.index()
    Memory.rebuild(project)
    assert found(project, "discount number 7") == before


def test_an_answer_can_be_forgotten_and_code_cannot(project: Path) -> None:
    with Memory.open(project) as memory:
        (answer,) = memory.search("discount computed", kinds=["reas"])
        code = memory.search("discount_7")[0]
        assert memory.forget(answer.chunk_id)
        assert not memory.forget(answer.chunk_id)
        assert not memory.forget(code.chunk_id)
        assert not memory.forget("not a number")
        assert not memory.forget("9" * 20)
        assert memory.search("discount computed", kinds=["reas"]) == []
        assert memory.search("discount_7")[0].chunk_id == code.chunk_id
