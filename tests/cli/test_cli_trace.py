"""`aur runs trace`, and the trace that is sent at the end of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.spawner.test_telemetry import collector

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    import pytest

    Aur = Callable[..., CompletedProcess[str]]


def test_a_run_is_sent_at_its_end_and_again_if_asked(aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Where is a price found?\n  - Agent: local\n")
    with collector() as (address, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        ended = aur("spawn", "tasks.md", "--json")
        run_id = json.loads(ended.stdout)["run_id"]
        assert [len(found[signal]) for signal in ("traces", "metrics", "logs")] == [1, 1, 1]
        again = aur("runs", "trace", run_id)
        assert again.returncode == ExitCode.DONE
        assert again.stderr.startswith("sent: ")
        assert len(found["traces"]) == 2
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert aur("runs", "trace", run_id).returncode == ExitCode.USAGE
    shown = json.loads(aur("runs", "trace", run_id, "--json").stdout)
    assert shown["spans"][0]["name"] == "invoke_workflow spawn"
    assert shown["spans"][1]["parent"] == shown["spans"][0]["id"]


def test_a_receiver_that_refuses_changes_nothing_of_the_run(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "tasks.md").write_text("- [ ] 1 Where is a price found?\n  - Agent: local\n")
    with collector(status=403) as (address, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        ended = aur("spawn", "tasks.md")
    assert ended.returncode == ExitCode.DONE
    assert "OpenTelemetry: traces: their receiver did not take them" in ended.stderr
    assert "; send it again: aur runs trace " in ended.stderr
