"""Providers that refuse and are asked anew, and providers that close for hours: real runs, real files."""

import json
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_spawner import (
    CommandBackend,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunOptions,
    RunReport,
    SpawnTask,
    TaskState,
)
from aurora_spawner.errors import ProviderStateError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.rate_limits.gate_store import FILE_NAME, ProviderStore
from aurora_spawner.runs.resume_state import Revision, find_resume_state
from aurora_spawner.tasks.run_events import ProviderLeft
from aurora_spawner.tasks.usage_windows import UsageWindow

SIGNED_IN = """
n=$(cat asked.n 2>/dev/null || echo 0); echo $((n + 1)) > asked.n
if [ ! -e key ]; then echo 'Error: 401 Unauthorized' >&2; exit 1; fi
echo fine; exit 0
"""
TASKS = [
    SpawnTask(SIGNED_IN, id="first"),
    SpawnTask(SIGNED_IN, id="second", depends_on=("first",)),
    SpawnTask("exit 3", "other", id="broken"),
    *(SpawnTask(SIGNED_IN, id=f"more-{number}") for number in range(3)),
]


def settings_in(folder: Path) -> RecoverySettings:
    policy = RecoveryPolicy(max_retries=0, base_delay=0.0, fallback_to_llm=False)
    return RecoverySettings(policy=policy, state_dir=folder / "state")


def backends() -> dict[str, CommandBackend]:
    return {
        "sh": CommandBackend("sh", ("sh",), provider="somebody"),
        "other": CommandBackend("other", ("sh",), provider="else"),
    }


def begin(folder: Path) -> RunReport:
    run = Run.create(
        folder / "runs.db",
        TASKS,
        backends(),
        RunOptions(
            default_agent="sh",
            max_concurrent=1,
            cwd=folder,
            spool=folder / "runs",
            recovery=settings_in(folder),
        ),
    )
    return run.execute_sync()


def go_on(folder: Path, run_id: str) -> RunReport:
    return Run.resume(folder / "runs.db", run_id, backends(), recovery=settings_in(folder)).execute_sync()


def asked(folder: Path) -> int:
    return int((folder / "asked.n").read_text())


def test_after_signing_in_a_resume_runs_what_failed_of_its_provider_alone(tmp_path: Path) -> None:
    first = begin(tmp_path)
    assert (first.failed, first.skipped, asked(tmp_path)) == (5, 1, 1)
    assert first.results["more-1"].termination_reason == "provider_stopped"
    assert first.results["broken"].termination_reason is None
    (tmp_path / "key").touch()
    report = go_on(tmp_path, first.run_id)
    assert report.succeeded == 5, {name: result.error for name, result in report.results.items()}
    assert report.results["broken"].state is TaskState.FAILED, "that is for --retry-failed"
    assert asked(tmp_path) == 6
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).ok


def test_a_resume_after_an_edit_alone_forgives_no_agent(tmp_path: Path) -> None:
    """Only a provider that is probed again closes the circuits of its agents, and a resume without it leaves them."""
    first = begin(tmp_path)
    tasks = [SpawnTask("echo edited; exit 0", "other", id=each.id) if each.id == "broken" else each for each in TASKS]
    with Journal(tmp_path / "runs.db") as journal:
        rows = load_tasks(journal, first.run_id)
    unasked = [replace(row, result=None) for row in rows]
    assert not find_resume_state(unasked, (), Revision(tasks=tuple(tasks))).asks_providers_anew
    assert find_resume_state(rows, (), Revision(tasks=tuple(tasks))).asks_providers_anew


def test_without_signing_in_a_resume_tries_once(tmp_path: Path) -> None:
    first = begin(tmp_path)
    again = go_on(tmp_path, first.run_id)
    assert (again.failed, again.skipped, asked(tmp_path)) == (5, 1, 2)
    assert "sign in or set its key" in str(again.results["more-2"].error)


def test_a_task_that_its_fallback_failed_too_stays_failed(tmp_path: Path) -> None:
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("if [ $0 = sh ]; then echo '401 Unauthorized' >&2; fi; exit 3", id="one")],
        {"sh": CommandBackend("sh", ("sh",)), "bash": CommandBackend("bash", ("bash",))},
        RunOptions(
            default_agent="sh",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(
                policy=RecoveryPolicy(max_retries=0), fallbacks={"sh": ("bash",)}, state_dir=tmp_path / "state"
            ),
        ),
    )
    assert run.execute_sync().results["one"].termination_reason is None


OVERLOADED = "if [ $0 = sh ]; then echo '503 Service Unavailable' >&2; exit 1; fi; echo done by $0"


def test_an_overloaded_provider_gives_way_to_a_fallback(tmp_path: Path) -> None:
    """As long as the policy says, which is a minute if it says nothing; without a fallback it is waited for."""
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask(OVERLOADED, id="one"), SpawnTask(OVERLOADED, id="two")],
        {"sh": CommandBackend("sh", ("sh",)), "bash": CommandBackend("bash", ("bash",))},
        RunOptions(
            default_agent="sh",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(
                policy=RecoveryPolicy(fallback_after=2.5), fallbacks={"sh": ("bash",)}, state_dir=tmp_path / "state"
            ),
        ),
    )
    left: list[str] = []
    report = run.execute_sync(lambda event: left.append(event.message) if isinstance(event, ProviderLeft) else None)
    assert [result.output.strip() for result in report.results.values()] == ["done by bash"] * 2
    assert len(left) == 1
    assert "bash takes its tasks" in left[0]


# The file of the gates.


@pytest.mark.parametrize(("name", "mode"), [(".aurora", 0o700), ("state", 0o755)])
def test_the_file_is_for_its_owner_alone_and_so_is_a_folder_of_ours(tmp_path: Path, name: str, mode: int) -> None:
    folder = tmp_path / name
    folder.mkdir(mode=0o755)
    with ProviderStore(folder) as store:
        store.refused("p", reason="401: sign in")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == mode


SOUND = ProviderGate(provider="p", state=GateState.PAUSED, since=1.0, until=2.0).to_dict()
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
ROWS = VALUES | st.dictionaries(
    st.sampled_from(sorted(SOUND)), VALUES.filter(lambda value: not isinstance(value, bytes))
).map(lambda changed: json.dumps({**SOUND, **changed}))


@given(
    st.sampled_from(["p", "q"]) | VALUES.filter(lambda value: value is not None),
    ROWS.filter(lambda row: row is not None),
)
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wrong_values_give_typed_errors_or_a_reported_fresh_start(
    tmp_path: Path, provider: object, row: object
) -> None:
    with ProviderStore(tmp_path) as store:
        store.open("p")
        store.limited("p", began=0.0, retry_after_s=1.0, reason="429")
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("DELETE FROM gates")
        try:
            connection.execute("INSERT INTO gates VALUES (?, ?)", (provider, row))
        except (OverflowError, UnicodeEncodeError, sqlite3.IntegrityError):  # no such value can be written
            return
    connection.close()
    with ProviderStore(tmp_path) as store:
        try:
            gates = store.gates()
            gate = store.gate("p")
            assert store.ask("p") is not None
        except ProviderStateError:
            return
        known = {each.provider for each in gates} | {gate.provider}
        assert all(isinstance(name, str) for name in known)
        if provider == "p" and gate.state is GateState.OPEN and not _reads_as_open(row):
            assert "cannot be read" in str(store.trouble)


def _reads_as_open(row: object) -> bool:
    try:
        return bool(json.loads(row).get("state") == "open")  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):
        return False


# Clocks.


def at(store_clock: list[float]) -> ProviderStore:
    return ProviderStore(None, clock=lambda: store_clock[0], chance=lambda: 0.0)


def test_a_clock_that_was_ahead_extends_no_pause() -> None:
    now = [100_000.0]
    with at(now) as store:
        store.limited("p", began=now[0], retry_after_s=30.0, reason="429")
        now[0] = 50_000.0
        assert store.gate("p").until == pytest.approx(50_030.0)
        now[0] = 50_020.0
        assert not store.ask("p").go
        now[0] = 50_030.0
        assert store.ask("p").go, "the wait did not begin anew with each look"


def test_a_reset_is_a_time_of_day_whatever_the_clock_did() -> None:
    now = [100_000.0]
    with at(now) as store:
        window = UsageWindow(name="5-hour", exhausted=True, resets_at=110_000.0)
        store.limited("p", began=now[0], retry_after_s=None, reason="429", window=window)
        now[0] = 98_000.0
        assert store.gate("p").until == 110_000.0
        now[0] = 109_999.0
        assert not store.ask("p").go
        now[0] = 110_000.0
        assert [store.ask("p").go, store.ask("p").go] == [True, False], "one probe"
        now[0] = 10.0
        assert store.gate("p").until <= 10.0 + 9 * 86_400


def test_the_longest_of_several_windows_counts_and_a_shorter_limit_opens_nothing() -> None:
    now = [1_000.0]
    with at(now) as store:
        five = UsageWindow(name="5-hour", used_percent=97.0, resets_at=5_000.0)
        week = UsageWindow(name="weekly", used_percent=96.0, resets_at=400_000.0)
        store.report_windows("p", [five], threshold=95.0)
        assert store.gate("p").until == 5_000.0
        store.report_windows("p", [five, week], threshold=95.0)
        assert (store.gate("p").until, store.gate("p").window) == (400_000.0, "weekly usage limit")
        store.limited("p", began=0.0, retry_after_s=3.0, reason="429")
        store.succeeded("p")
        store.unanswered("p")
        assert store.gate("p").until == 400_000.0
        store.report_windows("q", [five, week], threshold=98.0)
        assert store.ask("q").go
        assert not store.gate("p").exceeds_max_wait(now[0], None)
