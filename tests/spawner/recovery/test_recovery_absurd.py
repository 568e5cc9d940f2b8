"""Whatever a provider asks for, and whatever stands in the file of the gates: nothing crashes, no wait is endless."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_spawner.backends.failures import failure_in
from aurora_spawner.classification.classifier import ErrorClassifier, FailureEvidence
from aurora_spawner.classification.error_patterns import requested_wait_s
from aurora_spawner.rate_limits.gate import PAUSE_JITTER, GateState, ProviderGate, utc_time
from aurora_spawner.rate_limits.gate_store import FILE_NAME, ProviderStore
from aurora_spawner.rate_limits.pause_notices import PauseNotifier, ProviderTimeline
from aurora_spawner.tasks.failure import LONGEST_WAIT_S, ReportedFailure, believed_wait_s

NOW = 1_760_000_000.0
LONGEST_PAUSE_S = LONGEST_WAIT_S * (1 + PAUSE_JITTER)
NUMBERS = st.floats() | st.integers() | st.sampled_from([10**400, -(10**400), 1e18, 999999999999, 0, -0.0])
SAID = NUMBERS | st.text() | NUMBERS.map(str) | st.none() | st.booleans() | st.lists(st.integers(), max_size=2)


def met(retry_after_s: Any, gate: ProviderGate | None = None) -> ProviderGate:
    return (gate or ProviderGate(provider="p")).limited(
        NOW, began=NOW, retry_after_s=retry_after_s, reason="429", chance=1.0
    )


@pytest.mark.parametrize(
    "digits", ["999999999999", "99999999999999999999", "1" + "0" * 18, "9" * 5_000, "9" * 12 + "h"]
)
def test_an_absurd_wait_is_capped_at_a_day(digits: str) -> None:
    assert requested_wait_s(f"429 Too Many Requests, retry-after: {digits}") == LONGEST_WAIT_S


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        (7, 7.0),
        ("7.5", 7.5),
        (0, 0.0),
        (-1, None),
        (float("nan"), None),
        (float("inf"), LONGEST_WAIT_S),
        (float("-inf"), None),
        (10**400, LONGEST_WAIT_S),
        (-(10**400), None),
        ("soon", None),
        (True, None),
        ({}, None),
    ],
)
def test_invalid_waits_are_ignored_and_long_ones_capped(said: object, believed: float | None) -> None:
    assert believed_wait_s(said) == believed


def test_a_wait_in_milliseconds_is_bounded_in_seconds() -> None:
    headers = {"data": {"message": "429", "responseHeaders": {"Retry-After-Ms": 172_800_000}}}
    assert failure_in(headers).retry_after_s == LONGEST_WAIT_S
    headers["data"]["responseHeaders"] = {"retry-after-ms": 10**400}
    assert failure_in(headers).retry_after_s == LONGEST_WAIT_S


@given(SAID)
def test_every_report_gives_a_bounded_pause_with_a_message(said: Any) -> None:
    reported = ReportedFailure(code="rate_limit", message="429", retry_after_s=said)
    found = ErrorClassifier().classify(FailureEvidence(reported=reported))
    assert found.retry_after_s is None or 0 <= found.retry_after_s <= LONGEST_WAIT_S
    for gate in (met(found.retry_after_s), met(said)):
        assert NOW <= gate.until <= NOW + LONGEST_PAUSE_S
        notice = PauseNotifier().notice(gate, NOW, 900.0)
        assert notice is not None
        assert "UTC" in notice.message


@given(st.text() | NUMBERS.map(lambda number: f"429 Too Many Requests, retry-after: {number}"))
def test_any_line_of_stderr_gives_a_bounded_wait(stderr: str) -> None:
    wait_s = requested_wait_s(stderr)
    assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S


@given(NUMBERS, NUMBERS)
def test_every_time_can_be_formatted(at: float, now: float) -> None:
    assert utc_time(at, now)


def test_a_time_of_today_is_formatted_without_its_date() -> None:
    assert utc_time(NOW, NOW) == "08:53:20 UTC"
    assert utc_time(NOW, NOW + 86_400) == "2025-10-09 08:53:20 UTC"
    assert utc_time(1e12, NOW) == "a time outside the calendar"


JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SOUND = ProviderGate(provider="p").to_dict()
GATES = st.builds(
    lambda state, changed: {**SOUND, "state": state, **changed},
    st.sampled_from([str(state) for state in GateState]),
    st.fixed_dictionaries({}, optional=dict.fromkeys((*(set(SOUND) - {"state"}), "new"), NUMBERS | JSON))
    | st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("since", "until", "waited_s", "rate_per_s", "ceiling_per_s", "next_start"), NUMBERS),
    ),
)


def keep(folder: Path, stored: str) -> None:
    with ProviderStore(folder) as store:
        store.refused("p", reason="401")
    connection = sqlite3.connect(folder / FILE_NAME)
    with connection:
        connection.execute("UPDATE gates SET gate = ?", (stored,))
    connection.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(150))
@given(GATES | JSON)
def test_whatever_is_stored_every_question_is_answered(tmp_path: Path, stored: Any) -> None:
    keep(tmp_path, json.dumps(stored))
    now = NOW
    with ProviderStore(tmp_path, clock=lambda: now, chance=lambda: 1.0) as store:
        for gate in store.gates():
            assert gate.provider == "p"
            PauseNotifier().notice(gate, now, 900.0)
            gate.wait_limit_message(900.0)
        for _ in range(500):  # beside a probe it is asked again every half second
            answer = store.ask("p")
            if answer.stopped:
                return
            if answer.go:
                break
            assert answer.wait_until is not None
            assert now < answer.wait_until <= NOW + LONGEST_PAUSE_S + 600
            now = answer.wait_until
        else:
            raise AssertionError("nobody may ever start")
        store.succeeded("p")
        store.limited("p", began=now, retry_after_s=1.0, reason="429")
        assert store.gate("p").until <= now + LONGEST_PAUSE_S


def test_a_pause_without_end_that_an_older_version_kept_ends(tmp_path: Path) -> None:
    keep(tmp_path, json.dumps({**SOUND, "state": "paused", "since": NOW, "until": 1e12, "reason": "429"}))
    with ProviderStore(tmp_path, clock=lambda: NOW + LONGEST_PAUSE_S - 1) as store:
        assert not store.ask("p").go
    with ProviderStore(tmp_path, clock=lambda: NOW + LONGEST_PAUSE_S + 1) as store:
        assert store.ask("p").go


def test_a_journal_of_an_older_version_can_be_reported() -> None:
    gate = ProviderGate.from_dict({**SOUND, "state": "paused", "since": NOW, "until": 1e18, "reason": "429"})
    timeline = ProviderTimeline()
    timeline.add(0, gate)
    assert "a time outside the calendar" in timeline.lines[0]


def test_a_gate_nested_without_end_is_forgotten(tmp_path: Path) -> None:
    keep(tmp_path, "[" * 200_000)
    with ProviderStore(tmp_path) as store:
        assert store.ask("p").go
