"""A full disk takes no answer away that agents have found: what could not be written is told, and ends nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.soar.killed_questions import ANSWER, QUESTION, orchestrator

from aurora_core import ChunkKind, Memory, Project
from aurora_spawner.errors import JournalError
from aurora_spawner.runs.noted_run import NotedRun

if TYPE_CHECKING:
    from aurora_soar.report.result import SoarEvent

KEEP = NotedRun.keep


def fill(run: NotedRun) -> None:
    """Lets the journal of a question have no further page, as on a full disk, and uses up those that it has."""
    run._store.connection.execute("PRAGMA max_page_count = 1")
    for size in (1_000, 1):
        with suppress(JournalError):
            while True:
                KEEP(run, "fill", {"x": "x" * size})


@pytest.mark.parametrize("at", [1, 4, 7, 9])
def test_a_journal_that_is_full_from_some_write_on_costs_no_answer(
    project: Project, memory: Memory, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    writes: list[str] = []

    def keep(run: NotedRun, topic: str, note: dict[str, Any]) -> None:
        writes.append(topic)
        if len(writes) == at:
            fill(run)
        KEEP(run, topic, note)

    monkeypatch.setattr(NotedRun, "keep", keep)
    result = orchestrator(project, memory).execute(QUESTION)
    assert result.ok
    assert result.answer.startswith(ANSWER["answer"])
    assert result.log_error is not None
    assert result.log_error.startswith("not all of this question is in the journal")
    assert "the disk is full" in result.log_error
    assert len(writes) == at, "after a gap nothing more is kept, for a resume takes what is there in order"


def test_an_end_that_cannot_be_written_costs_no_answer(
    project: Project, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = NotedRun.end

    def full(run: NotedRun, state: Any) -> str | None:
        fill(run)
        return end(run, state)

    monkeypatch.setattr(NotedRun, "end", full)
    result = orchestrator(project, memory).execute(QUESTION)
    assert result.ok
    assert result.log_error is not None
    assert result.log_error.startswith("the end of this question is not in the journal")


def test_a_memory_that_takes_nothing_costs_no_answer(project: Project, memory: Memory) -> None:
    said: list[SoarEvent] = []
    memory._connection.execute("PRAGMA query_only = ON")
    result = orchestrator(project, memory).execute(QUESTION, on_event=said.append)
    assert result.ok
    assert not result.recorded.cached
    (told,) = [event.message for event in said if event.message.startswith("the answer was not recorded: ")]
    assert "memory.db" in told
    assert memory.search(QUESTION, kinds=[ChunkKind.REAS], record=False) == []
