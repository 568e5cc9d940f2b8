"""The work on one file ends at its limits: processor time of its thread, and growth of the process."""

from __future__ import annotations

import time

import pytest

from aurora_core.chunking import limits
from aurora_core.chunking.limits import TooComplexError, WorkLimit


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_limit_that_is_not_reached_is_never_passed() -> None:
    limit = WorkLimit(seconds=60.0)
    assert not any(limit.passed() for _ in range(5000))
    limit.check()


def test_processor_time_passes_the_limit() -> None:
    limit = WorkLimit(seconds=0.02)
    limit.check()
    burn(0.03)
    assert limit.passed()
    with pytest.raises(TooComplexError):
        limit.check()


def test_waiting_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = WorkLimit(seconds=0.5)
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock + 1e6)
    monkeypatch.setattr(time, "monotonic", lambda: clock + 1e6)
    assert not limit.passed()


def test_growth_of_the_process_passes_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([1_000, 1_500, 2_001])
    monkeypatch.setattr(limits, "_resident", lambda: next(sizes))
    limit = WorkLimit(seconds=60.0, growth_bytes=1_000)
    steps = 1
    while not limit.passed():
        steps += 1
    assert steps == 2 * limits._STEPS_A_LOOK, "the second look at the memory finds too much"


def test_a_system_that_does_not_report_memory_limits_time_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for content in (None, b"", b"only-one-field", b"1 nonsense"):
        status = tmp_path_factory.mktemp("proc") / "statm"
        if content is not None:
            status.write_bytes(content)
        monkeypatch.setattr(limits, "_STATUS", str(status))
        assert limits._resident() == 0
        limit = WorkLimit(seconds=60.0, growth_bytes=0)
        assert not any(limit.passed() for _ in range(600))
