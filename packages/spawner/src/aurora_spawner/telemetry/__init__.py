"""Telemetry: a run as an OpenTelemetry trace with metrics and logs, made from the journal and sent over OTLP.

`spans` makes the trace, `measures` the metrics, `conventions` has the names of the GenAI conventions, and `otlp`
sends all of it where the standard OTEL_ variables say. Without these variables nothing is imported or sent.
"""
