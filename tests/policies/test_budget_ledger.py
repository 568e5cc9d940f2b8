"""The ledger: nothing is spent that was not reserved, whoever asks, whenever it is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora_policies import BudgetStoreError, HardLimitAction
from aurora_policies.budget import EntryState, Grant, Ledger, Limits, OwnLimits
from aurora_policies.budget.admission import micros, percentile_90, usd

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def ledger(folder: Path, monthly: float = 1.0, **more: object) -> Ledger:
    limits = replace(Limits(monthly_usd=monthly), **more)  # type: ignore[arg-type]
    return Ledger(path=folder / "home" / "budget.db", limits=limits, clock=lambda: NOON)


def reserve(of: Ledger, token: str, *, agent: str = "claude", model: str | None = None, run: str = "r") -> Grant:
    return of.reserve(token=token, run_id=run, task_id="1", agent=agent, model=model)


def test_reservations_fill_the_budget_and_the_next_is_refused(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert reserve(money, "a").granted
    assert reserve(money, "b").granted
    refused = reserve(money, "c")
    assert not refused.granted
    assert refused.reason == (
        "the monthly budget of 1.00 USD has 0.00 USD left, and an attempt is taken to cost 0.50 USD"
    )
    assert (money.status().reserved_usd, money.status().remaining_usd) == (1.0, 0.0)


def test_what_an_attempt_may_come_to_is_what_others_leave(tmp_path: Path) -> None:
    money = ledger(tmp_path, 2.0, per_run_usd=1.2)
    assert reserve(money, "a", run="one").room_usd == pytest.approx(1.2)
    assert reserve(money, "b", run="one").room_usd == pytest.approx(0.7)
    assert reserve(money, "c", run="two").room_usd == pytest.approx(1.0)
    assert (
        reserve(replace(money, limits=Limits(monthly_usd=1.0, hard_action=HardLimitAction.WARN)), "d").room_usd
        is None
    )


def test_settlement_makes_room_for_what_was_not_spent(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    reserve(money, "b")
    money.settle("a", 0.1)
    assert not reserve(money, "c").granted
    money.settle("b", 0.2)
    assert reserve(money, "c").granted
    status = money.status()
    assert status.consumed_usd == pytest.approx(0.3)
    assert (status.estimated_usd, status.total_entries) == (0.0, 3)


def test_what_nobody_tells_is_settled_at_the_reservation_and_marked(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    money.settle("a", None)
    (entry,) = money.history(limit=9)
    assert (entry.state, entry.cost_usd, entry.estimated) == (EntryState.SETTLED, 0.5, True)
    assert money.status().estimated_usd == 0.5


def test_settling_twice_or_releasing_afterwards_changes_nothing(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    money.settle("a", 0.2)
    money.settle("a", 0.9)
    money.release("a")
    money.settle("unknown", 3.0)
    assert money.status().consumed_usd == pytest.approx(0.2)


def test_what_never_began_is_released(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    money.release("a")
    assert (money.status().reserved_usd, money.status().total_entries) == (0.0, 0)


def test_the_same_attempt_is_reserved_for_once(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert reserve(money, "a").granted
    assert reserve(money, "a").granted
    assert money.status().reserved_usd == 0.5


def test_a_run_has_a_limit_of_its_own(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=0.6)
    assert reserve(money, "a", run="one").granted
    assert "the budget of this run of 0.60 USD" in reserve(money, "b", run="one").reason
    assert reserve(money, "c", run="two").granted


def test_from_the_warning_on_is_warned_and_what_is_beyond_may_be_allowed(tmp_path: Path) -> None:
    money = ledger(tmp_path, hard_action=HardLimitAction.WARN)
    assert reserve(money, "a").notices == ()
    assert reserve(money, "b").notices == ("the monthly budget of 1.00 USD is used to 100 %, reservations included",)
    third = reserve(money, "c")
    assert third.granted
    assert "has 0.00 USD left" in third.notices[0]


def test_a_budget_of_nothing_lets_nothing_begin(tmp_path: Path) -> None:
    assert not reserve(ledger(tmp_path, 0.0), "a").granted
    assert not reserve(ledger(tmp_path, 0.0, reservation_usd=0.0), "b").granted


def test_after_some_attempts_the_next_is_guessed_from_them(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0)
    for number in range(10):
        reserve(money, f"{number}", model="m")
        money.settle(f"{number}", (number + 1) / 100)
    assert reserve(money, "known", model="m").reserved_usd == 0.09
    assert reserve(money, "other model", model="n").reserved_usd == 0.5
    assert reserve(money, "other agent", agent="codex", model="m").reserved_usd == 0.5


def test_estimates_are_not_guessed_from(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0)
    for number in range(9):
        reserve(money, f"{number}")
        money.settle(f"{number}", 0.01 if number < 4 else None)
    assert reserve(money, "next").reserved_usd == 0.5


@pytest.mark.parametrize(("attempts", "guessed"), [(5, 0.5), (19, 0.5), (20, 0.0)])
def test_an_agent_is_free_only_after_it_has_told_so_many_times(tmp_path: Path, attempts: int, guessed: float) -> None:
    money = ledger(tmp_path, 100.0)
    for number in range(attempts):
        reserve(money, f"{number}")
        money.settle(f"{number}", 0.0)
    assert reserve(money, "next").reserved_usd == guessed


def test_costs_below_nothing_are_not_known_and_teach_nothing(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0)
    for number in range(30):
        reserve(money, f"{number}")
        money.settle(f"{number}", -50.0)
    status = money.status()
    assert (status.consumed_usd, status.estimated_usd) == (15.0, 15.0)
    assert reserve(money, "next").reserved_usd == 0.5


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.floats(), st.floats() | st.none()), min_size=1, max_size=6),
    st.floats(min_value=0, allow_infinity=False, allow_nan=False),
    st.floats(min_value=0, allow_infinity=False, allow_nan=False),
)
def test_no_amount_that_is_told_or_configured_breaks_the_ledger(
    told: list[tuple[float, float | None]], limit: float, reservation: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        money = ledger(Path(folder), limit, reservation_usd=reservation, hard_action=HardLimitAction.WARN)
        for number, (seen, cost) in enumerate(told):
            reserve(money, f"{number}")
            money.observe(f"{number}", seen)
            money.settle(f"{number}", cost)
        entries = money.history(limit=100)
        assert all((each.cost_usd or 0.0) >= 0 for each in entries)
        for each in entries:
            cost = told[int(each.token)][1]
            assert each.estimated is (cost is None or not 0 <= cost <= 1_000_000)
        assert money.status().consumed_usd == pytest.approx(sum(each.cost_usd or 0.0 for each in entries))


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_nine_of_ten_costs_do_not_exceed_the_percentile(costs: list[int]) -> None:
    found = percentile_90(costs)
    assert found in costs
    assert sum(cost <= found for cost in costs) >= 0.9 * len(costs)
    assert sum(cost < found for cost in costs) < 0.9 * len(costs)


@given(st.integers(0, 10**12))
def test_money_survives_its_way_through_dollars(amount: int) -> None:
    assert micros(usd(amount)) == amount


def test_months_begin_in_utc(tmp_path: Path) -> None:
    end = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp()
    old = replace(ledger(tmp_path), clock=lambda: end)
    reserve(old, "a")
    reserve(old, "b")
    assert not reserve(old, "c").granted
    new = replace(old, clock=lambda: end + 1)
    assert (old.status().period, new.status().period) == ("2026-11", "2026-12")
    assert new.status().total_entries == 0
    assert reserve(new, "c").granted
    new.settle("a", 0.4)
    assert old.status().consumed_usd == pytest.approx(0.4)
    assert new.status().consumed_usd == 0.0


def test_a_running_attempt_may_go_on_until_the_budget_is_passed(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    for spent in (0.3, 0.6, 0.9, 1.0):
        assert money.observe("a", spent).granted
    refused = money.observe("a", 1.01)
    assert not refused.granted
    assert "is spent: 1.01 USD by this attempt" in refused.reason
    assert money.observe("unknown", 99.0).granted


@pytest.mark.parametrize(("seen", "cost"), [(0.2, 0.5), (0.7, 0.7)])
def test_what_was_last_seen_of_an_attempt_is_the_least_that_it_is_taken_to_cost(
    tmp_path: Path, seen: float, cost: float
) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    money.observe("a", seen)
    assert money.status().reserved_usd == pytest.approx(seen + 0.5)
    money.settle("a", None)
    assert money.status().consumed_usd == cost


def test_what_others_may_still_spend_is_left_to_them(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    reserve(money, "b")
    assert money.observe("a", 0.5).granted
    assert not money.observe("a", 0.51).granted


def test_a_reset_forgets_the_month_and_says_how_much(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    reserve(money, "a")
    money.settle("a", 0.3)
    reserve(money, "b")
    assert money.reset() == pytest.approx(0.8)
    assert money.status().total_entries == 0
    assert reserve(money, "c").granted
    assert len(money.history(limit=9)) == 3


def test_own_limits_are_kept_until_they_are_taken_away(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert money.own_limits() == OwnLimits()
    own = OwnLimits(monthly_usd=12.5, hard_action=HardLimitAction.WARN)
    money.set_own_limits(own)
    assert money.own_limits() == own
    money.set_own_limits(OwnLimits())
    assert money.own_limits() == OwnLimits()


def test_a_file_that_is_no_ledger_stops_everything(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    money.path.parent.mkdir()
    money.path.write_bytes(b"this is no database, but long enough to be looked at" * 50)
    with pytest.raises(BudgetStoreError, match="cannot be trusted"):
        reserve(money, "a")


def test_one_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    money.status()
    with sqlite3.connect(money.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BudgetStoreError, match="newer Aurora"):
        money.status()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(BudgetStoreError, match=r"home/budget\.db"):
        ledger(tmp_path).status()


@st.composite
def spending(draw: st.DrawFn) -> tuple[int, list[tuple[int, float, bool]]]:
    """A limit in reservations, and steps: which agent, how much of a reservation it spends, whether it then ends."""
    agents = draw(st.integers(1, 12))
    steps = st.tuples(st.integers(0, agents - 1), st.floats(0.0, 1.0), st.booleans())
    return draw(st.integers(1, 6)), draw(st.lists(steps, max_size=60))


@settings(max_examples=60, deadline=None)
@given(spending(), st.sampled_from([0.05, 0.5]))
def test_agents_that_spend_at_random_pass_the_budget_by_one_reservation_at_most(
    plan: tuple[int, list[tuple[int, float, bool]]], size: float
) -> None:
    """Each step costs up to a reservation, and is told only afterwards; ends are told or not."""
    many, steps = plan
    with tempfile.TemporaryDirectory() as folder:
        money = ledger(Path(folder), many * size, reservation_usd=size)
        running: dict[int, tuple[str, float, float]] = {}
        spent = largest = 0.0
        for number, (agent, share, ends) in enumerate(steps):
            if agent not in running:
                grant = reserve(money, f"t{number}")
                if grant.granted:
                    running[agent] = (f"t{number}", 0.0, grant.reserved_usd)
                    largest = max(largest, grant.reserved_usd)
                continue
            token, so_far, reserved = running[agent]
            so_far += share * reserved
            spent += share * reserved
            stopped = not money.observe(token, so_far).granted
            running[agent] = (token, so_far, reserved)
            if stopped or ends:
                money.settle(token, so_far)
                del running[agent]
            assert spent <= many * size + largest + 1e-4
        for token, so_far, _ in running.values():
            money.settle(token, so_far)
        assert money.status().consumed_usd == pytest.approx(spent, abs=1e-3)
        assert money.status().reserved_usd == 0.0


def _spend(path: Path, limits: Limits, name: str, granted: multiprocessing.Queue[int]) -> None:
    money = Ledger(path=path, limits=limits, clock=lambda: NOON)
    count = sum(
        money.reserve(token=f"{name}-{number}", run_id=name, task_id="1", agent="a", model=None).granted
        for number in range(40)
    )
    granted.put(count)


def test_processes_that_ask_at_once_never_share_the_same_money(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    granted: multiprocessing.Queue[int] = context.Queue()
    money = ledger(tmp_path, 15.0)
    processes = [
        context.Process(target=_spend, args=(money.path, money.limits, f"p{number}", granted)) for number in range(4)
    ]
    for process in processes:
        process.start()
    counts = [granted.get(timeout=50) for _ in processes]
    for process in processes:
        process.join(timeout=50)
        assert process.exitcode == 0
    assert sum(counts) == 30
    assert money.status().reserved_usd == 15.0


KILLED = """
import sys
from pathlib import Path
from aurora_policies.budget import Ledger, Limits
money = Ledger(path=Path(sys.argv[1]), limits=Limits(monthly_usd=1e6))
for number in range(10**6):
    money.reserve(token=str(number), run_id="r", task_id="1", agent="a", model=None)
    print(number, flush=True)
"""


@pytest.mark.slow
def test_whatever_was_answered_before_a_kill_is_still_reserved(tmp_path: Path) -> None:
    path = tmp_path / "budget.db"
    for last in (1, 7, 23):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        answered = {process.stdout.readline().strip() for _ in range(last)}
        os.kill(process.pid, signal.SIGKILL)
        with process:
            answered |= set(process.stdout.read().split())
        money = Ledger(path=path, limits=Limits(monthly_usd=1e6))
        left = money.open_reservations("r")
        assert answered - {""} <= left.keys()
        for token in left:
            money.release(token)
        assert money.status().reserved_usd == 0.0
        path.unlink()
