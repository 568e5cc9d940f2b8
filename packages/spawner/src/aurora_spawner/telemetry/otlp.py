"""Sends a run over OTLP/HTTP: its trace, metrics and events, to where the standard OTEL_ variables say."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.lookup import find_run, open_journal
from aurora_spawner.control.timeline import run_timeline
from aurora_spawner.errors import TelemetryError, UnknownRunError
from aurora_spawner.journal.views import load_events, load_run, load_tasks
from aurora_spawner.telemetry.conventions import SCHEMA_URL, takes_latest
from aurora_spawner.telemetry.measures import INSTRUMENTS, measures_of, measures_of_phases
from aurora_spawner.telemetry.phases import phase_at
from aurora_spawner.telemetry.spans import phase_spans, trace_id_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AnyValue

    from aurora_spawner.journal.views import EventRow, RunRow
    from aurora_spawner.telemetry.measures import Measure
    from aurora_spawner.telemetry.phases import TracedPhase
    from aurora_spawner.telemetry.spans import TraceSpan

__all__ = ["RunTelemetry", "Sent", "is_configured", "run_telemetry", "send"]

SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_{}ENDPOINT"
TIMEOUT: Final = "OTEL_EXPORTER_OTLP_{}TIMEOUT"
CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
LIMIT_S: Final = 2.0
"""Time for each of the three, which are sent at once, unless the user's variables say otherwise."""
MARGIN_S: Final = 1.0
"""So much later an exporter is left to itself: one waits forever for an answer that comes byte by byte."""
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTelemetry:
    """A run as its trace, metrics and events.

    Attributes:
        trace_id: 128 bits.
    """

    run: RunRow
    trace_id: int
    spans: Sequence[TraceSpan]
    measures: Sequence[Measure]
    events: Sequence[tuple[str, EventRow]]
    """Each with the id of its run, which may have done a part of this one."""
    content: bool

    def to_dict(self) -> dict[str, Any]:
        """Returns the trace and the metrics as JSON values, ids in hexadecimal."""
        spans = [
            asdict(span) | {"id": f"{span.id:016x}", "parent": None if span.parent is None else f"{span.parent:016x}"}
            for span in self.spans
        ]
        return {
            "run_id": self.run.run_id,
            "trace_id": f"{self.trace_id:032x}",
            "spans": spans,
            "metrics": [asdict(each) for each in self.measures],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The numbers of spans, measures and events that were sent; 0 where no endpoint is configured."""

    spans: int = 0
    measures: int = 0
    events: int = 0


def is_configured(environ: Mapping[str, str]) -> bool:
    """Returns True if the OTEL_ variables name an endpoint and do not turn the export off."""
    return bool(_signals(environ))


def run_telemetry(
    journal: Path,
    run_id: str,
    environ: Mapping[str, str],
    *,
    phases: Sequence[TracedPhase] = (),
    parts: Sequence[str] = (),
) -> RunTelemetry:
    """Makes the telemetry of a run from the journal; nothing is sent.

    Args:
        environ: says whether prompts are included, and which names of the GenAI conventions are used.
        phases: of the run.
        parts: runs that did a part of this one, which become part of its trace; those that are gone are left out.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalCorruptError: An event of it is malformed.
    """
    content, latest = environ.get(CONTENT, "").strip().lower() == "true", takes_latest(environ)
    run, spans, measures, events = _of_run(journal, run_id, content=content, latest=latest)
    of_phases = phase_spans(run, phases)
    spans += of_phases.values()
    measures += measures_of_phases(phases)
    for part in parts:
        with suppress(UnknownRunError):
            began = find_run(journal, part)[0].created_at
            around = phase_at(phases, began)
            parent = of_phases[around.name] if around is not None else spans[0]
            _, own, of_tasks, happened = _of_run(journal, part, parent=parent.id, content=content, latest=latest)
            spans, measures, events = spans + own, measures + of_tasks, events + happened
    return RunTelemetry(
        run=run, trace_id=trace_id_of(run), spans=spans, measures=measures, events=events, content=content
    )


def _of_run(
    journal: Path, run_id: str, *, content: bool, latest: bool, parent: int | None = None
) -> tuple[RunRow, list[TraceSpan], list[Measure], list[tuple[str, EventRow]]]:
    timeline = run_timeline(journal, run_id)
    with open_journal(journal, run_id) as store:
        run, tasks, events = load_run(store, run_id), load_tasks(store, run_id), load_events(store, run_id)
    spans = trace_of(run, timeline, tasks, events, parent=parent, content=content, latest=latest)
    return run, spans, measures_of(timeline, tasks, latest=latest), [(run_id, each) for each in events]


def send(telemetry: RunTelemetry, environ: Mapping[str, str]) -> Sent:
    """Sends a run; sent twice, its trace is the same trace.

    Raises:
        TelemetryError: The extra `otel` is not installed, or a receiver did not take it in time.
    """
    try:
        from opentelemetry.exporter.otlp.proto import http as _  # noqa: F401 -- the extra is installed
        from opentelemetry.sdk.resources import Resource
    except ImportError as error:
        raise TelemetryError("the packages are not installed: pip install 'aurora-spawner[otel]'") from error
    signals = _signals(environ)
    resource = Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME") or "aurora"}, schema_url=SCHEMA_URL)
    sendings = {
        signal: _Sending(partial(send_it, telemetry, resource, _timeout(environ, signal)), _timeout(environ, signal))
        for signal, send_it in (("TRACES", _send_spans), ("METRICS", _send_measures), ("LOGS", _send_events))
        if signal in signals
    }
    wrong = {signal.lower(): each.error() for signal, each in sendings.items()}
    if any(wrong.values()):
        raise TelemetryError("; ".join(f"{signal}: {said}" for signal, said in wrong.items() if said))
    return Sent(
        spans=len(telemetry.spans) if "TRACES" in signals else 0,
        measures=len(telemetry.measures) if "METRICS" in signals else 0,
        events=len(telemetry.events) if "LOGS" in signals else 0,
    )


def _signals(environ: Mapping[str, str]) -> frozenset[str]:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    named = {
        signal for signal in SIGNALS if environ.get(ENDPOINT.format("")) or environ.get(ENDPOINT.format(f"{signal}_"))
    }
    return frozenset(signal for signal in named if environ.get(f"OTEL_{signal}_EXPORTER", "otlp") != "none")


class _Sending:
    """Sends one of the three in a thread of its own, which neither the run nor the end of the process waits for."""

    def __init__(self, send_it: Callable[[], bool], limit_s: float) -> None:
        self._send_it = send_it
        self._until = time.monotonic() + limit_s + MARGIN_S
        self._taken = False
        self._error: Exception | None = None
        self._thread = Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        try:
            self._taken = self._send_it()
        except Exception as error:  # noqa: BLE001 -- whatever an exporter raises costs no run its result
            self._error = error

    def error(self) -> str:
        """Returns what went wrong, "" if nothing did; waits until the time is over."""
        self._thread.join(max(0.0, self._until - time.monotonic()))
        if self._thread.is_alive():
            return "their receiver did not take them in time"
        if self._error is not None:
            return str(self._error) or type(self._error).__name__
        return "" if self._taken else "their receiver did not take them"


def _timeout(environ: Mapping[str, str], signal: str) -> float:
    """Returns the seconds for a signal: the user's own for it, or for all, if that is a number of seconds."""
    for name in (f"{signal}_", ""):
        with suppress(ValueError):
            given = float(environ.get(TIMEOUT.format(name)) or "nan")
            if 0 < given < float("inf"):
                return given
    return LIMIT_S


def _send_spans(telemetry: RunTelemetry, resource: Resource, timeout: float) -> bool:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind, Status, StatusCode

    scope = InstrumentationScope("aurora_spawner", version("aurora-spawner"), SCHEMA_URL)

    def made(span: TraceSpan) -> ReadableSpan:
        failed = {"error.type": span.error} if span.error else {}
        return ReadableSpan(
            name=span.name,
            context=_context(telemetry.trace_id, span.id),
            parent=None if span.parent is None else _context(telemetry.trace_id, span.parent),
            resource=resource,
            attributes={**span.attributes, **failed},
            kind=SpanKind.CLIENT if span.calls_model else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=round(span.start * _NANO),
            end_time=round(span.end * _NANO),
            instrumentation_scope=scope,
        )

    exporter = OTLPSpanExporter(timeout=timeout)
    result = exporter.export([made(span) for span in telemetry.spans])
    exporter.shutdown()  # type: ignore[no-untyped-call, unused-ignore]
    return result is SpanExportResult.SUCCESS


def _context(trace_id: int, span_id: int) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _send_measures(telemetry: RunTelemetry, resource: Resource, timeout: float) -> bool:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("aurora_spawner", version("aurora-spawner"), SCHEMA_URL)
    histograms = {
        name: meter.create_histogram(name, unit=each.unit, description=each.description)
        for name, each in INSTRUMENTS.items()
    }
    for measure in telemetry.measures:
        histograms[measure.name].record(measure.value, measure.attributes)
    found = reader.get_metrics_data()
    provider.shutdown()
    if found is None:
        return True
    exporter = OTLPMetricExporter(timeout=timeout)
    result = exporter.export(found)
    exporter.shutdown()  # type: ignore[no-untyped-call, unused-ignore]
    return result is MetricExportResult.SUCCESS


def _send_events(telemetry: RunTelemetry, resource: Resource, timeout: float) -> bool:
    from opentelemetry._logs import LogRecord
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExportResult
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    scope = InstrumentationScope("aurora_spawner", version("aurora-spawner"), SCHEMA_URL)
    root = set_span_in_context(NonRecordingSpan(_context(telemetry.trace_id, telemetry.spans[0].id)))

    def made(run_id: str, event: EventRow) -> ReadableLogRecord:
        at = round(event.at * _NANO)
        attributes: dict[str, AnyValue] = {"aurora.run.id": run_id, "aurora.event.number": event.seq}
        if event.task_id is not None:
            attributes["aurora.task.id"] = event.task_id
        body = json.dumps(asdict(event.fact), default=str) if telemetry.content and event.fact is not None else None
        record = LogRecord(
            timestamp=at,
            observed_timestamp=at,
            context=root,
            event_name=f"aurora.{event.kind}",
            attributes=attributes,
            body=body,
        )
        return ReadableLogRecord(log_record=record, resource=resource, instrumentation_scope=scope)

    exporter = OTLPLogExporter(timeout=timeout)
    result = exporter.export([made(*each) for each in telemetry.events])
    exporter.shutdown()  # type: ignore[no-untyped-call, unused-ignore]
    return result is LogRecordExportResult.SUCCESS
