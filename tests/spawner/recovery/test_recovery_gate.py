"""Breakers and provider gates: pure rules first, then the file that two runs share."""

import heapq
import itertools
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner.errors import ProviderStateError
from aurora_spawner.rate_limits.gate import PROBE_LIMIT_S, GateState, ProviderGate
from aurora_spawner.rate_limits.gate_store import ProviderStore
from aurora_spawner.recovery.breaker import BreakerState, CircuitBreaker
from aurora_spawner.recovery.policy_parts import BreakerPolicy


def test_failures_within_the_window_open_the_breaker() -> None:
    breaker = CircuitBreaker(agent="a").failed(0.0)
    assert breaker.ask(1.0)[0]
    assert breaker.failed(301.0).state is BreakerState.CLOSED, "the first is too long ago"
    opened = breaker.failed(10.0)
    assert opened.state is BreakerState.OPEN
    assert not opened.ask(129.9)[0]


def test_a_success_forgives() -> None:
    breaker = CircuitBreaker(agent="a").failed(0.0).succeeded().failed(1.0)
    assert breaker.state is BreakerState.CLOSED


def test_after_its_rest_one_trial_decides() -> None:
    opened = CircuitBreaker(agent="a").failed(0.0).failed(1.0)
    allowed, half_open = opened.ask(121.0)
    assert allowed
    assert half_open.state is BreakerState.HALF_OPEN
    assert not half_open.ask(122.0)[0]
    assert half_open.succeeded().clear
    again = half_open.failed(123.0)
    assert again.state is BreakerState.OPEN
    assert not again.ask(242.0)[0]
    assert again.ask(243.0)[0]
    assert half_open.trial_ended().ask(124.0)[0]


def test_velocity_counts_the_failures_a_minute() -> None:
    breaker = CircuitBreaker(agent="a", policy=BreakerPolicy(failure_threshold=50, failure_window=60))
    for at in range(30):
        breaker = breaker.failed(float(at))
    assert breaker.velocity_per_min(30.0) == 30
    assert breaker.velocity_per_min(80.0) == 10


@given(st.lists(st.tuples(st.sampled_from(["fail", "permanent", "succeed", "ask", "neutral"]), st.floats(0, 200))))
def test_a_breaker_survives_being_written_down(story: list[tuple[str, float]]) -> None:
    breaker, now = CircuitBreaker(agent="a"), 0.0
    for what, pause in story:
        now += pause
        if what == "ask":
            allowed, breaker = breaker.ask(now)
            assert allowed == (breaker.state is not BreakerState.OPEN) or breaker.state is BreakerState.HALF_OPEN
        elif what == "succeed":
            breaker = breaker.succeeded()
            assert breaker.clear
        elif what == "neutral":
            breaker = breaker.trial_ended()
        else:
            breaker = breaker.failed(now, permanent=what == "permanent")
            assert what != "permanent" or breaker.state is BreakerState.OPEN
        assert CircuitBreaker.from_dict(breaker.to_dict()) == breaker


GATE = ProviderGate(provider="p")


def limited(gate: ProviderGate, now: float, retry_after_s: float | None = None) -> ProviderGate:
    return gate.limited(now, began=now, retry_after_s=retry_after_s, reason="429", chance=0.0)


def test_a_limit_pauses_as_long_as_the_provider_said() -> None:
    paused = limited(GATE, 100.0, retry_after_s=7.0)
    answer, same = paused.ask(106.9)
    assert (answer.go, answer.wait_until, same) == (False, 107.0, paused)
    answer, probing = paused.ask(107.0)
    assert answer.go
    assert probing.state is GateState.PROBING


def test_without_a_word_a_pause_is_a_third_of_the_wait_so_far() -> None:
    gate, now, pauses = GATE, 0.0, []
    for _ in range(25):
        gate = limited(gate, now)
        pauses.append(gate.until - now)
        now = gate.until
        gate = gate.ask(now)[1]
    assert pauses[:5] == pytest.approx([2, 2, 2, 2, 8 / 3])
    assert pauses[-1] == pytest.approx(300)


@pytest.mark.parametrize("limit_s", [7.0, 36.0, 100.0, 600.0])
@pytest.mark.parametrize("said_s", [None, 3.0])
def test_whatever_the_limit_is_it_costs_a_half_more_at_most(limit_s: float, said_s: float | None) -> None:
    gate, now = limited(GATE, 0.0, said_s), 0.0
    while (now := gate.until) < limit_s:
        gate = limited(gate.ask(now)[1], now, said_s)
    assert now <= 1.5 * limit_s


def test_one_probe_at_a_time() -> None:
    probing = limited(GATE, 0.0, 1.0).ask(1.0)[1]
    answer, _ = probing.ask(1.1)
    assert not answer.go
    assert probing.ask(1.0 + PROBE_LIMIT_S)[0].go, "a probe that was lost is given to the next"
    assert probing.unanswered().ask(1.2)[0].go


def test_reports_of_attempts_from_before_a_pause_only_confirm_it() -> None:
    paused = limited(GATE, 10.0, retry_after_s=5.0)
    late = paused.limited(11.0, began=9.0, retry_after_s=None, reason="429", chance=0.0)
    assert late.streak == 1
    assert late.until == 15.0
    longer = paused.limited(11.0, began=9.0, retry_after_s=30.0, reason="429", chance=0.0)
    assert (longer.until, longer.streak, longer.since) == (41.0, 1, 10.0)


def test_an_answered_probe_begins_a_ramp() -> None:
    ramp = limited(GATE, 0.0, 1.0).ask(1.0)[1].succeeded(2.0)
    assert ramp.state is GateState.RAMPING
    now = 2.0
    starts: list[float] = []
    while len(starts) < 200 and str(ramp.state) == "ramping":
        answer, ramp = ramp.ask(now, chance=0.5)
        if answer.go:
            starts.append(now)
            ramp = ramp.succeeded(now + 0.01)
        else:
            assert answer.wait_until is not None
            now = max(now + 0.001, answer.wait_until)
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert gaps[0] > 0.5
    assert gaps[-1] < 0.1
    assert ramp.state is GateState.OPEN


def test_a_refused_key_stops_everybody_until_a_new_run_asks() -> None:
    stopped = GATE.refused(5.0, reason="401: sign in again")
    answer, same = stopped.ask(1e6)
    assert answer.stopped
    assert answer.reason == "401: sign in again"
    assert limited(stopped, 6.0, 1.0) is stopped
    assert same is stopped
    probe = stopped.allow_probe(10.0)
    assert probe.label == "p is asked again after it refused"
    assert probe.ask(10.0)[0].go
    assert not probe.ask(10.0)[1].ask(10.0)[0].go


STORY = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ok", "limit", "refuse", "anew", "lost", "open"]), st.floats(0, 50), st.floats(0, 1)
    )
)


@given(STORY)
def test_every_story_leaves_a_gate_that_can_be_written_and_asked(story: list[tuple[str, float, float]]) -> None:
    gate, now = GATE, 0.0
    for what, pause, chance in story:
        now += pause
        if what == "ask":
            answer, gate = gate.ask(now, chance=chance)
            assert answer.go or answer.stopped or (answer.wait_until is not None and answer.wait_until > now)
        elif what == "ok":
            gate = gate.succeeded(now)
        elif what == "limit":
            wait = pause if chance > 0.5 else None
            gate = gate.limited(now, began=now - pause, retry_after_s=wait, reason="429", chance=chance)
        elif what == "refuse":
            gate = gate.refused(now, reason="401")
        elif what == "anew":
            gate = gate.allow_probe(now)
        elif what == "lost":
            gate = gate.unanswered()
        else:
            gate = gate.opened(now)
        assert ProviderGate.from_dict(gate.to_dict()) == gate


class Provider:
    """Refuses everything for `closed_s`, then answers `rate` a second with a small burst."""

    def __init__(self, closed_s: float, rate: float) -> None:
        self.closed_s, self.rate, self.tokens, self.at = closed_s, rate, 1.0, closed_s

    def answer(self, now: float) -> float | None:
        """The wait that it asks for, None when it answers."""
        if now < self.closed_s:
            return 1.0
        self.tokens = min(2.0, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return None
        return 0.5


@pytest.mark.parametrize("seed", few(range(5), 1))
@pytest.mark.parametrize("at_once", [4, 50])
def test_a_fleet_finds_the_rate_of_its_provider(seed: int, at_once: int) -> None:
    """50 calls against a provider closed for 5 s that then answers 2 a second: within 1.3 of its own limit."""
    chance, provider, gate = random.Random(seed), Provider(5.0, 2.0), GATE
    now, waiting, done, refused = 0.0, 50, 0, 0
    ends: list[tuple[float, float]] = []
    while done < 50:
        while ends and ends[0][0] <= now:
            end, began = heapq.heappop(ends)
            wait = provider.answer(end)
            if wait is None:
                done, gate = done + 1, gate.succeeded(now)
            else:
                refused, waiting = refused + 1, waiting + 1
                gate = gate.limited(now, began=began, retry_after_s=wait, reason="429", chance=chance.random())
        again = now + 1.0
        while waiting and len(ends) < at_once:
            answer, gate = gate.ask(now, chance=chance.random())
            if not answer.go:
                again = answer.wait_until or again
                break
            waiting -= 1
            heapq.heappush(ends, (now + 0.1 + 0.1 * chance.random(), now))
        now = max(now + 1e-6, min([again, *(end for end, _ in ends[:1])]))
        assert now < 100
    assert now <= 1.3 * (5 + 50 / 2)
    assert refused <= at_once + 40


def test_an_open_gate_is_asked_without_writing(tmp_path: Path) -> None:
    with ProviderStore(tmp_path) as store:
        for _ in range(3):
            assert store.ask("p").go
            store.succeeded("p")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_wait_together(tmp_path: Path) -> None:
    now = [1000.0]
    with ProviderStore(tmp_path, clock=lambda: now[0]) as one, ProviderStore(tmp_path, clock=lambda: now[0]) as two:
        assert two.ask("p").go
        one.limited("p", began=1000.0, retry_after_s=10.0, reason="429 of run one")
        answer = two.ask("p")
        assert not answer.go
        assert answer.reason == "429 of run one"
        assert two.ask("q").go
        now[0] = 1012.0
        assert [one.ask("p").go, two.ask("p").go] == [True, False], "one probe for both"
        one.succeeded("p")
        assert two.gate("p").state is GateState.RAMPING
        assert [gate.provider for gate in two.gates()] == ["p"]
        two.open("p")
        assert one.gates() == []


def test_what_a_killed_run_knew_is_there_for_the_next(tmp_path: Path) -> None:
    with ProviderStore(tmp_path) as store:
        store.refused("p", reason="401")
        before = store.gate("p")
    with ProviderStore(tmp_path) as again:
        assert again.gate("p") == before
        assert again.ask("p").stopped
        again.allow_probe("p")
        assert again.ask("p").go


ASKS = """
import sys
from pathlib import Path
from aurora_spawner.rate_limits.gate_store import ProviderStore
with ProviderStore(Path(sys.argv[1])) as store:
    print(sum(store.ask("p").go for _ in range(50)))
"""


def test_of_many_processes_one_probes(tmp_path: Path) -> None:
    with ProviderStore(tmp_path) as store:
        store.limited("p", began=time.time(), retry_after_s=0.0, reason="429")
    processes = [
        WarmPopen([sys.executable, "-c", ASKS, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert sum(int(process.communicate(timeout=50)[0]) for process in processes) == 1


def test_a_gate_of_another_version_is_forgotten(tmp_path: Path) -> None:
    with ProviderStore(tmp_path) as store:
        store.refused("p", reason="401")
    with sqlite3.connect(tmp_path / "providers.db") as connection:
        connection.execute("""UPDATE gates SET gate = '{"state": "open", "new": 1}'""")
    connection.close()
    with ProviderStore(tmp_path) as store:
        assert store.ask("p").go


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "providers.db").write_text("certainly not a database" * 100)
    with ProviderStore(tmp_path) as store, pytest.raises(ProviderStateError) as caught:
        store.ask("p")
    assert caught.value.path == tmp_path / "providers.db"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with ProviderStore(tmp_path / "file" / "state") as store, pytest.raises(ProviderStateError, match="file"):
        store.refused("p", reason="401")


def test_without_a_folder_the_gates_are_the_runs_own() -> None:
    with ProviderStore(None) as store:
        store.refused("p", reason="401")
        assert store.ask("p").stopped


def test_a_tolerant_store_goes_on_in_memory_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "providers.db").write_text("certainly not a database" * 100)
    with ProviderStore(tmp_path, tolerant=True) as store:
        assert store.ask("p").go
        assert "providers.db" in str(store.trouble)
        store.refused("p", reason="401")
        assert store.ask("p").stopped
        assert [gate.provider for gate in store.gates()] == ["p"]


def test_a_store_that_cannot_be_written_any_more_goes_on_in_memory(tmp_path: Path) -> None:
    with ProviderStore(tmp_path, tolerant=True) as store:
        store.limited("p", began=0.0, retry_after_s=100.0, reason="429")
        assert store.trouble is None
        assert store._connection is not None
        store._connection.execute("DROP TABLE gates")
        store.refused("q", reason="401")
        assert store.ask("q").stopped
        assert store.trouble is not None


def waited_for(answers: "itertools.chain[float | None]", limit_s: float | None) -> tuple[float, int]:
    """How long a provider is waited for that asks for those pauses, and with how many probes."""
    gate, now, probes = limited(GATE, 0.0, next(answers)), 0.0, 0
    while not gate.exceeds_max_wait(now, limit_s) and probes < 200:
        now = gate.until
        gate, probes = limited(gate.ask(now)[1], now, next(answers)), probes + 1
    return now, probes


@pytest.mark.parametrize("pause", [None, 0.0, 1.0, 60.0, 299.0])
def test_a_provider_that_never_answers_is_not_waited_for_longer_than_allowed(pause: float | None) -> None:
    waited, probes = waited_for(itertools.chain(itertools.repeat(pause)), 900.0)
    assert 900.0 - 300.0 <= waited <= 900.0
    assert probes <= (60 if pause is not None and pause < 60 else 21)
    assert waited_for(itertools.chain(itertools.repeat(pause)), None)[1] == 200, "without a limit it goes on"


def test_a_pause_that_is_longer_than_allowed_is_not_waited_for_at_all() -> None:
    assert waited_for(itertools.chain([7200.0]), 900.0) == (0.0, 0)
    assert waited_for(itertools.chain([1.0]), 0.0) == (0.0, 0)


def test_an_answer_ends_the_count_and_so_does_a_long_silence() -> None:
    gate = limited(GATE, 0.0, 600.0).ask(600.0)[1]
    assert gate.waited_s == 600.0
    again = limited(gate, 601.0, 600.0)
    assert again.exceeds_max_wait(602.0, 900.0)
    assert not again.exceeds_max_wait(1300.0, 900.0), "its end may be tried"
    assert not limited(gate.succeeded(601.0), 602.0, 600.0).exceeds_max_wait(603.0, 900.0)
    assert again.succeeded(700.0).waited_s == 0.0, "an attempt from before the pause was answered"
    later = again.ask(again.until + 901.0)[1]
    assert (later.waited_s, later.streak) == (0.0, 0)


def test_a_ramp_on_which_nothing_is_answered_becomes_a_pause() -> None:
    gate, now = limited(GATE, 0.0, 1.0).ask(1.0)[1].succeeded(2.0), 2.0
    for _ in range(300):
        answer, gate = gate.ask(now)
        if answer.go:
            gate = limited(gate, now)
        elif gate.exceeds_max_wait(now, 900.0):
            break
        now = answer.wait_until or now
    assert gate.state is GateState.PAUSED
    assert 600.0 < now <= 1000.0


def failures_until_open(policy: BreakerPolicy, *, adhoc: bool = False, permanent: bool = False) -> int:
    breaker, count = CircuitBreaker(agent="a", policy=policy, adhoc=adhoc), 0
    while breaker.state is not BreakerState.OPEN:
        breaker, count = breaker.failed(float(count), permanent=permanent), count + 1
    return count


@pytest.mark.parametrize("wanted", [1, 3, 6])
def test_every_threshold_of_a_breaker_is_kept(wanted: int) -> None:
    assert failures_until_open(BreakerPolicy(failure_threshold=wanted)) == wanted
    assert failures_until_open(BreakerPolicy(adhoc_failure_threshold=wanted), adhoc=True) == wanted
    patient = BreakerPolicy(failure_threshold=9, fast_fail_threshold=wanted)
    assert failures_until_open(patient, permanent=True) == wanted
