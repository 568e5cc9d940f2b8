"""A run as an OpenTelemetry trace: well formed, the same when it is sent again, and received by a real collector."""

from __future__ import annotations

import gzip
import socket
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.spawner.workspaces.repository import ALONE, make_repository

from aurora_spawner import CommandBackend, RecoveryPolicy, Run, RunOptions, SpawnTask
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.timeline import timeline_of
from aurora_spawner.errors import TelemetryError
from aurora_spawner.journal.approval_facts import ApprovalAnswered, ApprovalRequested, ToolCallJudged
from aurora_spawner.journal.facts import ProviderMoved
from aurora_spawner.journal.views import load_events, load_run, load_tasks
from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.runs.noted_run import create_noted_run
from aurora_spawner.telemetry import otlp
from aurora_spawner.telemetry.measures import measures_of
from aurora_spawner.telemetry.otlp import Sent, is_configured, run_telemetry, send
from aurora_spawner.telemetry.phases import TracedPhase
from aurora_spawner.telemetry.spans import trace_of
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND_TIME = "[ $AURORA_ATTEMPT_NUMBER = 2 ] && echo work > done.txt && echo done"
SENDERS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


class Collector(BaseHTTPRequestHandler):
    """Keeps what it is sent, by signal; `status` is its answer."""

    received: ClassVar[dict[str, list[Any]]] = defaultdict(list)
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
        signal = self.path.rpartition("/")[2]
        if self.status == 200:
            self.received[signal].append(SENDERS[signal].FromString(body))
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def collector(status: int = 200) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    found: dict[str, list[Any]] = defaultdict(list)
    handler = type("Here", (Collector,), {"received": found, "status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", found
        server.shutdown()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run with a retry, a failure, a dependant that is skipped, and a merge; no test changes it."""
    place = tmp_path_factory.mktemp("telemetry")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ALONE, "HOME": str(place)}.items():
            patch.setenv(name, value)
        return run_some_tasks(place)


def run_some_tasks(tmp_path: Path) -> tuple[Path, str]:
    repository = make_repository(tmp_path / "shed", {"app.py": "1\n"})
    recovery = RecoverySettings(policy=RecoveryPolicy(max_retries=1, base_delay=0.01, jitter=False))
    options = RunOptions(
        cwd=repository.path,
        default_agent="sh",
        spool=tmp_path / "spool",
        isolation=isolation_of(repository.path, home=tmp_path / "trees", merge=MergeMode.AUTO)[0],
        recovery=recovery,
        state_dir=tmp_path / "state",
    )
    tasks = [
        SpawnTask(SECOND_TIME, id="1"),
        SpawnTask("exit 1", id="2"),
        SpawnTask("true", id="3", depends_on=("2",)),
    ]
    run = Run.create(tmp_path / "runs.db", tasks, {"sh": CommandBackend("sh", ("sh",))}, options)
    run.execute_sync()
    return tmp_path / "runs.db", run.run_id


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def test_a_collector_receives_one_well_formed_trace(
    journal: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run_id = journal
    with collector() as (address, found):
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        assert is_configured(environ)
        telemetry = run_telemetry(path, run_id, environ)
        sent = send(telemetry, environ)
        send(run_telemetry(path, run_id, environ), environ)
    first, second = found["traces"]
    spans = [span for each in first.resource_spans for scope in each.scope_spans for span in scope.spans]
    assert len(spans) == sent.spans
    assert {span.trace_id for span in spans} == {telemetry.trace_id.to_bytes(16, "big")}
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    (root,) = [span for span in spans if not span.parent_span_id]
    assert root.name == "invoke_workflow spawn"
    for span in spans:
        assert span is root or span.parent_span_id in by_id
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    names = [span.name for span in spans]
    assert names.count("invoke_agent sh") == 4  # two attempts at each of the first two tasks
    assert {"task 1", "task 2", "task 3", "prepare worktree", "wait for a retry"} <= set(names)
    task = next(span for span in spans if span.name == "task 1")
    assert attributes(task)["aurora.task.state"] == "succeeded"
    assert task.status.code == 0
    failed = next(span for span in spans if span.name == "task 2")
    assert (failed.status.code, attributes(failed)["error.type"]) == (2, "failed")
    again = [span for each in second.resource_spans for scope in each.scope_spans for span in scope.spans]
    assert {span.span_id for span in again} == set(by_id)
    metrics = {
        metric.name
        for each in found["metrics"][0].resource_metrics
        for scope in each.scope_metrics
        for metric in scope.metrics
    }
    assert {"gen_ai.client.operation.duration", "aurora.task.duration", "aurora.task.wait"} <= metrics
    records = [
        record for each in found["logs"][0].resource_logs for scope in each.scope_logs for record in scope.log_records
    ]
    assert len(records) == sent.events
    assert {"aurora.run_created", "aurora.task_settled", "aurora.work_merged"} <= {
        each.event_name for each in records
    }
    assert {each.trace_id for each in records} == {root.trace_id}


def test_content_is_sent_only_if_asked_for(journal: tuple[Path, str]) -> None:
    path, run_id = journal
    plain = repr(run_telemetry(path, run_id, {}).spans)
    assert "exit 1" not in plain
    asked = repr(run_telemetry(path, run_id, {otlp.CONTENT: "true"}).spans)
    assert "exit 1" in asked


def test_words_of_a_provider_are_content(journal: tuple[Path, str]) -> None:
    """An error message of a provider may quote a key, a prompt or an account."""
    path, run_id = journal
    gate = ProviderGate(provider="anthropic", state=GateState.PAUSED, reason="key sk-secret was refused")
    fact = ProviderMoved(provider="anthropic", gate=gate.to_dict())
    with open_journal(path, run_id) as store:
        run, tasks, events = load_run(store, run_id), load_tasks(store, run_id), load_events(store, run_id)
    moved = [*events, replace(events[-1], fact=fact, at=events[-1].at + 1)]
    timeline = timeline_of(run, tasks, moved, now=0)
    plain = trace_of(run, timeline, tasks, moved)
    (pause,) = [span for span in plain if span.name == "wait for the provider"]
    assert pause.attributes == {"aurora.wait.reason": "provider anthropic is paused"}
    (measure,) = [each for each in measures_of(timeline, tasks) if each.name == "aurora.provider.pause"]
    assert measure.attributes == pause.attributes
    assert "sk-secret" in repr(trace_of(run, timeline, tasks, moved, content=True))


def test_tool_calls_and_waits_for_answers_are_spans_of_their_task(journal: tuple[Path, str]) -> None:
    path, run_id = journal
    judged = [
        ToolCallJudged(
            agent="sh",
            tool=tool,
            subject=f"{tool} secret.txt",
            action="allow",
            allowed=allowed,
            rule="files",
            reason="",
            answered_by="",
        )
        for tool, allowed in (("Read", True), ("Bash", False))
    ]
    asked = ApprovalRequested(
        approval="a",
        number=1,
        agent="sh",
        gate="live",
        subject="rm secret.txt",
        rule="r",
        reason="why",
        shape="",
        limit_s=None,
    )
    answered = ApprovalAnswered(approval="a", approved=True, by="terminal", note="")
    with open_journal(path, run_id) as store:
        run, tasks, events = load_run(store, run_id), load_tasks(store, run_id), load_events(store, run_id)
    start = next(at for at, each in enumerate(events) if each.kind == "attempt_started")
    more = [
        replace(events[start], seq=9_000 + at, kind=fact.kind, fact=fact, at=events[start].at + at / 1e3)
        for at, fact in enumerate([*judged, asked, answered], 1)
    ]
    happened = [*events[: start + 1], *more, *events[start + 1 :]]
    timeline = timeline_of(run, tasks, happened, now=0)
    spans = trace_of(run, timeline, tasks, happened)
    task_span = next(span for span in spans if span.name == f"task {events[start].task_id}")
    calls = [span for span in spans if span.name.startswith("execute_tool")]
    assert [(span.name, span.parent, span.error) for span in calls] == [
        ("execute_tool Read", task_span.id, None),
        ("execute_tool Bash", task_span.id, "denied"),
    ]
    (wait,) = [span for span in spans if span.name == "wait for an answer"]
    assert (wait.parent, round((wait.end - wait.start) * 1e3)) == (task_span.id, 1)
    assert "secret.txt" not in repr(spans)
    assert repr(trace_of(run, timeline, tasks, happened, content=True)).count("secret.txt") >= 3


def test_a_run_that_did_a_part_of_another_is_in_its_trace(journal: tuple[Path, str]) -> None:
    path, part = journal
    with open_journal(path, part) as store:
        created = load_run(store, part).created_at
    options = RunOptions(cwd=path.parent, default_agent="sh", spool=path.parent / "spool")
    whole = create_noted_run(path, options, topic="asked", note={})
    phases = [
        TracedPhase(name="decompose", start=created - 2, end=created - 1),
        TracedPhase(name="collect", start=created - 1, end=created + 60, error="ValueError"),
    ]
    found = run_telemetry(path, whole, {}, phases=phases, parts=[part, "spawn-1"])
    names = {span.name: span for span in found.spans}
    root, of_part = [span for span in found.spans if span.name.startswith("invoke_workflow")]
    assert (names["phase decompose"].parent, names["phase decompose"].error) == (root.id, None)
    assert names["phase decompose"].attributes["gen_ai.operation.name"] == "plan"
    assert (names["phase collect"].error, of_part.parent) == ("ValueError", names["phase collect"].id)
    assert names["task 1"].parent == of_part.id
    alone = [span for span in found.spans if span.parent is None]
    assert alone == [root]
    assert {run_id for run_id, _ in found.events} == {whole, part}
    durations = [each.attributes for each in found.measures if each.name == "aurora.phase.duration"]
    assert durations == [{"aurora.phase": "decompose"}, {"aurora.phase": "collect"}]


def test_only_what_is_configured_is_sent(journal: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, run_id = journal
    assert not is_configured({})
    assert not is_configured({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"})
    with collector() as (address, found):
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        sent = send(run_telemetry(path, run_id, environ), environ)
        assert sent == Sent(spans=sent.spans)
        assert set(found) == {"traces"}


def test_a_receiver_that_refuses_is_named_and_the_run_is_as_it_was(
    journal: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run_id = journal
    before = path.read_bytes()
    with collector(status=400) as (address, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
        with pytest.raises(TelemetryError, match="traces: their receiver did not take them"):
            send(run_telemetry(path, run_id, environ), environ)
    assert path.read_bytes() == before


def test_without_the_extra_the_error_names_it(journal: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, run_id = journal
    for name in [each for each in sys.modules if each.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # as Python notes what it has not found
    with pytest.raises(TelemetryError, match=r"pip install 'aurora-spawner\[otel\]'"):
        send(run_telemetry(path, run_id, {}), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"])
def test_a_time_limit_of_the_users_counts(
    journal: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9", variable: "0.1"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert otlp._timeout(environ, "TRACES") == 0.1
    assert otlp._timeout({variable: "5s"}, "TRACES") == otlp._timeout({variable: "inf"}, "TRACES") == otlp.LIMIT_S
    with pytest.raises(TelemetryError):
        send(run_telemetry(*journal, environ), environ)


@pytest.mark.parametrize(
    ("opted", "name"), [("", "gen_ai.system"), ("http, gen_ai_latest_experimental", "gen_ai.provider.name")]
)
def test_the_newest_names_are_used_if_the_user_opts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opted: str, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    options = RunOptions(cwd=tmp_path, default_agent="claude", spool=tmp_path / "spool", state_dir=tmp_path / "state")
    backend = {"claude": CommandBackend("claude", ("cat",))}
    run = Run.create(tmp_path / "runs.db", [SpawnTask("hello", id="1")], backend, options)
    run.execute_sync()
    spans = run_telemetry(tmp_path / "runs.db", run.run_id, {"OTEL_SEMCONV_STABILITY_OPT_IN": opted}).spans
    (attempt,) = [span for span in spans if span.name == "invoke_agent claude"]
    assert attempt.attributes[name] == "anthropic"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_a_receiver_that_hangs_is_left_in_time(
    journal: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """It takes the connection and says nothing, or drips an answer without an end."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(answer)
            while not over.wait(0.05):
                connection.sendall(answer[:1])

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}"}
        monkeypatch.setenv(*next(iter(environ.items())))
        monkeypatch.setattr(otlp, "LIMIT_S", 0.2)
        monkeypatch.setattr(otlp, "MARGIN_S", 0.2)
        with pytest.raises(TelemetryError, match=r"traces: their receiver did not take them.*; metrics: .*; logs: "):
            send(run_telemetry(*journal, environ), environ)
        over.set()
