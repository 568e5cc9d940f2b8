"""A question as an OpenTelemetry trace: its phases, and in them the runs of its agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.soar.test_soar_orchestrator import QUESTION, project, soar
from tests.spawner.test_telemetry import attributes, collector

from aurora_soar import Phase
from aurora_soar.telemetry import telemetry_of

if TYPE_CHECKING:
    from aurora_core import Memory, Project

__all__ = ["project"]


def test_a_collector_receives_a_question_with_its_phases_and_agents_as_one_trace(
    project: Project, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (address, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        result = soar(project, memory).execute(QUESTION)
    assert result.ok
    assert result.log_error is None
    (sent,) = found["traces"]
    spans = [span for each in sent.resource_spans for scope in each.scope_spans for span in scope.spans]
    by_id = {span.span_id: span for span in spans}
    assert len({span.trace_id for span in spans}) == 1
    (root,) = [span for span in spans if not span.parent_span_id]
    assert (root.name, attributes(root)["aurora.run.id"]) == ("invoke_workflow soar", result.query_id)
    phases = {span.name: span for span in spans if span.name.startswith("phase ")}
    assert list(phases) == [f"phase {phase.value.partition('_')[2]}" for phase in Phase]
    assert {span.parent_span_id for span in phases.values()} == {root.span_id}
    assert attributes(phases["phase decompose"])["gen_ai.operation.name"] == "plan"
    (part,) = [span for span in spans if span.name == "invoke_workflow subgoals"]
    assert part.parent_span_id == phases["phase collect"].span_id
    agents = [span for span in spans if span.name == "invoke_agent local"]
    assert len(agents) == 4
    for span in agents:
        task = by_id[span.parent_span_id]
        assert task.name.startswith("task ")
        assert task.parent_span_id == part.span_id
    for span in spans:
        around = by_id.get(span.parent_span_id, root)
        assert around.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    records = [
        each
        for logs in found["logs"]
        for of in logs.resource_logs
        for scope in of.scope_logs
        for each in scope.log_records
    ]
    assert {attributes(each)["aurora.run.id"] for each in records} == {
        result.query_id,
        attributes(part)["aurora.run.id"],
    }
    again = telemetry_of(project.runs_db, result.query_id, {})
    assert {span.id.to_bytes(8, "big") for span in again.spans} == set(by_id)
    assert QUESTION not in repr(again.spans)


def test_a_receiver_that_is_down_costs_no_answer(
    project: Project, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    result = soar(project, memory).execute("Where is the class Scheduler?")
    assert result.ok
    assert f"send it again: aur runs trace {result.query_id}" in str(result.log_error)
