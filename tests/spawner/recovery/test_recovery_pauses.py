"""Notices of provider pauses: one for each episode, with its end."""

import asyncio
import time
from pathlib import Path

import pytest

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunEvent, RunOptions, SpawnTask
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.journal.store import Journal
from aurora_spawner.rate_limits.gate import ProviderGate, utc_time
from aurora_spawner.rate_limits.gate_store import ProviderStore
from aurora_spawner.rate_limits.pause_notices import PauseNotifier, ProviderTimeline
from aurora_spawner.recovery.report import recovery_report
from aurora_spawner.tasks.run_events import ProviderAnswers, ProviderLeft, ProviderPaused, TaskDeferred, TaskStarted

GATE = ProviderGate(provider="p")


def limited(gate: ProviderGate, now: float, wait_s: float) -> ProviderGate:
    return gate.limited(now, began=now, retry_after_s=wait_s, reason="429 too many", chance=0.0)


def test_an_episode_is_reported_once_with_its_end_and_once_when_it_is_over() -> None:
    notifier, paused = PauseNotifier(), limited(GATE, 1_000.0, 60.0)
    notice = notifier.notice(paused, 1_000.0, 900.0)
    assert notice is not None
    assert isinstance(notice, ProviderPaused)
    assert notice.until == 1_060
    assert notice.message == (
        f"p is rate-limiting: paused until {utc_time(1_060, 1_000)}, giving up at {utc_time(1_900, 1_000)}"
        " (429 too many)"
    )
    probing = paused.ask(1_060.0)[1]
    again = limited(probing, 1_061.0, 60.0)
    assert [notifier.notice(gate, 1_061.0, 900.0) for gate in (probing, again, again)] == [None] * 3
    answered = again.ask(1_121.0)[1].succeeded(1_122.0)
    over = notifier.notice(answered, 1_122.0, 900.0)
    assert over is not None
    assert isinstance(over, ProviderAnswers)
    assert over.message == "p answers again: continuing"
    assert notifier.notice(answered, 1_123.0, 900.0) is None
    assert "p" not in notifier
    assert notifier.notice(limited(answered, 1_200.0, 60.0), 1_200.0, 900.0) is not None, "the next episode"


def test_without_a_limit_no_latest_time_is_promised() -> None:
    notice = PauseNotifier().notice(limited(GATE, 0.0, 60.0), 0.0, None)
    assert notice is not None
    assert "giving up" not in notice.message


def test_an_exceeded_wait_limit_is_reported_once() -> None:
    notifier, gate = PauseNotifier(), limited(GATE, 0.0, 1_000.0)
    notice = notifier.notice(gate, 1.0, 900.0)
    assert notice is not None
    assert isinstance(notice, ProviderLeft)
    assert notice.message == gate.wait_limit_message(900.0)
    assert notifier.notice(gate, 2.0, 900.0) is None


def test_a_stop_ends_the_episode_without_a_notice() -> None:
    notifier, gate = PauseNotifier(), limited(GATE, 0.0, 10.0)
    assert notifier.notice(gate, 0.0, None) is not None
    assert notifier.notice(gate.refused(1.0, reason="401"), 1.0, None) is None
    assert "p" not in notifier


def test_a_probe_of_another_run_is_reported_as_one() -> None:
    notice = PauseNotifier().notice(limited(GATE, 0.0, 1.0).ask(1.0)[1], 1.0, 900.0)
    assert notice is not None
    assert "probing with one attempt" in notice.message


def test_a_report_has_one_line_for_each_episode() -> None:
    one = limited(GATE, 0.0, 10.0)
    two = limited(one.ask(10.0)[1], 11.0, 20.0)
    ramp = two.ask(31.0)[1].succeeded(32.0)
    slower = limited(ramp, 33.0, 1.0)
    later = limited(slower, 100.0, 60.0)
    stopped = later.refused(101.0, reason="p refuses: 401")
    timeline = ProviderTimeline()
    moves = (one, two, ramp, slower, later, stopped, stopped.refused(102.0, reason="p refuses: 401"), GATE)
    for place, gate in enumerate(moves):
        timeline.add(place, gate)
    began, answered, again = (utc_time(at, 0.0) for at in (0.0, 32.0, 100.0))
    assert timeline.lines == {
        0: f"provider p paused 2 times from {began} until it answered at {answered}: 429 too many",
        4: f"provider p paused from {again} until {utc_time(160.0, 0.0)}: 429 too many",
        5: "p refuses: 401",
        7: "provider p answers again",
    }


def test_times_of_another_day_have_their_date() -> None:
    assert utc_time(1_000.0, 2_000.0) == "00:16:40 UTC"
    assert utc_time(1_000_000.0, 2_000.0) == "1970-01-12 13:46:40 UTC"


LIMITED = """
n=$(cat limited.n 2>/dev/null || echo 0); echo $((n + 1)) > limited.n
if [ $n -lt 4 ]; then echo 'HTTP 429 Too Many Requests' >&2; echo 'retry-after: 0.2' >&2; exit 1; fi
echo fine
"""


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_run_reports_its_pauses_once(tmp_path: Path, at_once: int) -> None:
    events: list[RunEvent] = []
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask(LIMITED) for _ in range(3)],
        {"sh": CommandBackend("sh", ("sh",), provider="somebody")},
        RunOptions(
            default_agent="sh",
            max_concurrent=at_once,
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(policy=RecoveryPolicy(), state_dir=tmp_path / "state"),
        ),
    )
    assert run.execute_sync(events.append).ok
    told = [type(event) for event in events if isinstance(event, (ProviderPaused, ProviderLeft, ProviderAnswers))]
    assert told == [ProviderPaused, ProviderAnswers]
    assert not any(event.message for event in events if isinstance(event, TaskDeferred)), (
        "that is its provider's notice"
    )
    with Journal(tmp_path / "runs.db") as journal:
        notices = recovery_report(journal, run.run_id).notices
    assert len(notices) == 1
    assert "until it answered at" in notices[0]


async def test_a_wait_without_waiting_tasks_is_not_polled(tmp_path: Path) -> None:
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return time.time()

    with ProviderStore(tmp_path / "state") as store:
        store.limited("somebody", began=time.time(), retry_after_s=2.0, reason="429")
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("echo never", "held", id="held"), SpawnTask("sleep 3.5; echo x", "free", id="free")],
        {"held": CommandBackend("held", ("sh",), provider="somebody"), "free": CommandBackend("free", ("sh",))},
        RunOptions(
            default_agent="free",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(policy=RecoveryPolicy(), state_dir=tmp_path / "state", clock=clock),
        ),
    )
    started = asyncio.Event()
    running = asyncio.create_task(
        run.execute(lambda event: started.set() if isinstance(event, TaskStarted) else None)
    )
    await started.wait()
    await asyncio.to_thread(cancel_run, tmp_path / "runs.db", run.run_id, task_id="held")
    report = await running
    assert (report.succeeded, report.cancelled) == (1, 1)
    assert asked < 200, "no timer rings again and again"
