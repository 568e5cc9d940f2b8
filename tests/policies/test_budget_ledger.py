"""The ledger: nothing is spent that was not reserved, whoever asks, whenever it is killed."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few
from tests.warm_python import WarmPopen

from aurora_policies import BudgetStoreError, HardLimitAction
from aurora_policies.budget import EntryState, Grant, Ledger, Limits, OwnLimits
from aurora_policies.budget.admission import micros, percentile_90, usd
from aurora_policies.budget.tables import transaction

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def ledger(folder: Path, monthly: float = 1.0, **more: object) -> Ledger:
    limits = replace(Limits(monthly_usd=monthly), **more)  # type: ignore[arg-type]
    return Ledger(path=folder / "home" / "budget.db", limits=limits, clock=lambda: NOON)


def reserve(
    of: Ledger,
    token: str,
    *,
    agent: str = "claude",
    model: str | None = None,
    run: str = "r",
    sharers: int = 0,
    continues_session: bool = False,
) -> Grant:
    return of.reserve(
        token=token,
        run_id=run,
        task_id="1",
        agent=agent,
        model=model,
        sharers=sharers,
        continues_session=continues_session,
    )


def test_reservations_fill_the_budget_and_the_next_is_refused(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert reserve(money, "a").granted
    assert reserve(money, "b").granted
    refused = reserve(money, "c")
    assert not refused.granted
    assert refused.reason == ("the monthly budget of $1.00 has $0.00 left, and an attempt is estimated at $0.50")
    assert (money.status().reserved_usd, money.status().remaining_usd) == (1.0, 0.0)


def test_an_agent_that_can_be_told_is_dealt_its_share_of_what_is_left(tmp_path: Path) -> None:
    """It is told less than its share, for it ends after the call that passes what it was told."""
    money = ledger(tmp_path, 100.0, per_run_usd=4.0)
    shares = [reserve(money, f"{n}", run="one", sharers=8 - n) for n in range(8)]
    assert [(each.reserved_usd, each.allowance_usd) for each in shares] == [(0.5, 0.25)] * 8
    assert not reserve(money, "9", run="one", sharers=1).granted
    money.settle("0", 0.1)
    assert not reserve(money, "10", run="one", sharers=1).granted
    money.settle("1", 0.1)
    assert reserve(money, "11", run="one", sharers=1).reserved_usd == pytest.approx(0.8)


def test_few_agents_have_large_shares_and_a_month_is_dealt_in_tenths(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=12.0)
    assert reserve(money, "a", run="one", sharers=2).reserved_usd == 6.0
    assert reserve(money, "b", run="one", sharers=1).reserved_usd == 6.0
    monthly = replace(money, limits=Limits(monthly_usd=100.0))
    assert reserve(monthly, "c", run="two", sharers=1).reserved_usd == pytest.approx(8.8)
    assert reserve(monthly, "d", run="two", sharers=88).reserved_usd == pytest.approx(7.92)


def test_who_cannot_be_told_or_is_only_warned_has_no_allowance(tmp_path: Path) -> None:
    money = ledger(tmp_path, 4.0)
    assert reserve(money, "a").allowance_usd is None
    warned = replace(money, limits=Limits(monthly_usd=4.0, hard_action=HardLimitAction.WARN))
    grant = reserve(warned, "b", sharers=1)
    assert (grant.allowance_usd, grant.reserved_usd) == (None, 0.5)


def test_a_share_is_kept_with_its_allowance(tmp_path: Path) -> None:
    money = ledger(tmp_path, 40.0)
    first = reserve(money, "a", sharers=1)
    assert (first.reserved_usd, first.allowance_usd) == (4.0, 3.5)
    assert reserve(money, "a", sharers=1) == replace(first, notices=())


def test_within_its_share_an_agent_goes_on_whatever_others_have_spent(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=1.0)
    reserve(money, "a", sharers=2)
    reserve(money, "b", sharers=1)
    assert money.observe("a", 0.5).granted
    assert not money.observe("a", 0.6).granted
    assert money.observe("b", 0.5).granted  # though 1.10 are spent
    assert money.status().reserved_usd == pytest.approx(1.1)


def test_the_dearest_call_that_is_known_is_the_margin(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=4.0)
    reserve(money, "a", run="one", sharers=8)
    money.observe("a", 0.41, 0.41)
    second = reserve(money, "b", run="one", sharers=7)
    assert second.reserved_usd == 0.5
    assert second.allowance_usd == pytest.approx(0.000001)  # one call, and then it is settled
    money.observe("a", 0.7, 0.7)
    third = reserve(money, "c", run="one", sharers=1)
    assert third.reserved_usd >= 0.7
    assert third.allowance_usd == pytest.approx(max(0.000001, third.reserved_usd - 0.875))


def test_a_share_is_a_call_at_least(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=1.3)
    reserve(money, "a", run="one", sharers=1)
    money.observe("a", 0.7, 0.7)
    money.settle("a", 0.7)
    assert "has $0.60 left" in reserve(money, "b", run="one", sharers=1).reason
    assert not reserve(money, "c", run="one", sharers=1, continues_session=True).granted


def test_who_goes_on_may_do_so_with_less_than_a_whole_attempt_costs(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=0.6)
    reserve(money, "a", run="one", sharers=1)
    money.observe("a", 0.4, 0.04)
    money.settle("a", 0.4)
    assert not reserve(money, "b", run="one", sharers=1).granted
    continues_session = reserve(money, "c", run="one", sharers=1, continues_session=True)
    assert continues_session.reserved_usd == pytest.approx(0.2)
    assert continues_session.allowance_usd == pytest.approx(0.15)


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


def test_a_task_has_cost_what_all_its_attempts_have_once_they_are_settled(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert money.costs_of_tasks("r") == {}
    for token in ("a", "b", "c"):
        reserve(money, token)
    reserve(money, "other", run="another")
    money.settle("a", 0.25)
    assert money.costs_of_tasks("r") == {"1": None}
    money.settle("b", 0.5)
    money.release("c")
    assert money.costs_of_tasks("r") == {"1": 0.75}


def test_the_same_attempt_is_reserved_for_once(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert reserve(money, "a").granted
    assert reserve(money, "a").granted
    assert money.status().reserved_usd == 0.5


def test_a_run_has_a_limit_of_its_own(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=0.6)
    assert reserve(money, "a", run="one").granted
    assert "the budget of this run of $0.60" in reserve(money, "b", run="one").reason
    assert reserve(money, "c", run="two").granted


def test_from_the_warning_on_is_warned_and_what_is_beyond_may_be_allowed(tmp_path: Path) -> None:
    money = ledger(tmp_path, hard_action=HardLimitAction.WARN)
    assert reserve(money, "a").notices == ()
    assert reserve(money, "b").notices == ("the monthly budget of $1.00 is at 100 %, reservations included",)
    third = reserve(money, "c")
    assert third.granted
    assert "has $0.00 left" in third.notices[0]


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


@pytest.mark.parametrize(("told", "guessed"), [(4, 0.5), (5, 0.01)])
def test_estimates_are_not_guessed_from(tmp_path: Path, told: int, guessed: float) -> None:
    """They are not counted, and no cost among them is."""
    money = ledger(tmp_path, 100.0)
    for number in range(9):
        reserve(money, f"{number}")
        money.settle(f"{number}", None if number < 9 - told else 0.01)
    assert reserve(money, "next").reserved_usd == guessed


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


@settings(deadline=None, max_examples=examples(40))
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
    assert "is spent: $1.01 by this attempt" in refused.reason
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


def test_a_reset_gives_no_run_more_than_its_own_limit(tmp_path: Path) -> None:
    money = ledger(tmp_path, 100.0, per_run_usd=0.6)
    reserve(money, "a", run="one")
    money.settle("a", 0.5)
    money.reset()
    assert "the budget of this run of $0.60 has $0.10 left" in reserve(money, "b", run="one").reason
    assert reserve(money, "c", run="two").granted


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
    reserve(money, "a")
    with sqlite3.connect(money.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BudgetStoreError, match="newer Aurora"):
        money.status()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(BudgetStoreError, match=r"home/budget\.db"):
        reserve(ledger(tmp_path), "a")


def test_to_look_makes_no_ledger(tmp_path: Path) -> None:
    money = ledger(tmp_path)
    assert (money.status().total_entries, money.history(limit=9), money.open_reservations("r")) == (0, (), {})
    assert not money.path.parent.exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("before", ["nothing", "loose"])
def test_nobody_else_reads_the_ledger_whatever_the_umask(tmp_path: Path, umask: int, before: str) -> None:
    money = replace(ledger(tmp_path), path=tmp_path / ".aurora" / "budget.db")
    old = os.umask(umask)
    try:
        if before == "loose":
            money.path.parent.mkdir(mode=0o777)
            money.path.touch(0o666)
        with transaction(money.path):
            modes = {path.name: path.stat().st_mode & 0o777 for path in money.path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes["budget.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert money.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_use_stays_open_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with transaction(tmp_path / "budget.db"):
        pass
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "budget.db").stat().st_mode & 0o777 == 0o600


def filled(folder: Path) -> Ledger:
    """A ledger with an entry of each kind, limits and a reset."""
    money = ledger(folder, 100.0, per_run_usd=20.0)
    reserve(money, "open", model="m", sharers=3)
    money.observe("open", 0.2, 0.1)
    reserve(money, "settled")
    money.settle("settled", 0.3)
    reserve(money, "estimated")
    money.settle("estimated", None)
    reserve(money, "released")
    money.release("released")
    money.reset()
    reserve(money, "later")
    money.set_own_limits(OwnLimits(monthly_usd=9.0, warn_at_percent=50.0, hard_action=HardLimitAction.WARN))
    return money


COLUMNS = {
    "entries": (
        *("token", "run_id", "task_id", "agent", "model", "at", "month", "state", "first_reserved", "reserved"),
        *("spent", "cost", "estimated", "forgiven", "allowance", "step"),
    ),
    "limits": ("name", "value"),
    "resets": ("at", "month", "forgiven"),
}
WRONG = (
    None, -1, -1.5, 0.5, 2, 10**18, -(2**63), 2**63 - 1, float("nan"), float("inf"), -1e308, "", "abc", "-5", "nan",
    "1e999", "9" * 400, "2026-13x", b"", b"\x00\xff", "\x00", "réservé", "SETTLED",
)  # fmt: skip


def mutated(path: Path, table: str, column: str, row: int, value: object) -> bool:
    """Write a value into a row, past every constraint of the table; whether that could be done."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = ?", (table,))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        (rowid,) = database.execute(f"SELECT rowid FROM {table} LIMIT 1 OFFSET ?", (row,)).fetchone()
        try:
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
        except sqlite3.Error:
            return False
    return True


QUESTIONS: tuple[Callable[[Ledger], object], ...] = (
    lambda money: money.own_limits(),
    lambda money: money.status(),
    lambda money: money.history(limit=99),
    lambda money: money.estimate_usd("claude", "m"),
    lambda money: money.would_admit("claude", "m"),
    lambda money: money.open_reservations("r"),
    lambda money: reserve(money, "open", sharers=1),
    lambda money: reserve(money, "new", model="m", sharers=2),
    lambda money: money.observe("open", 0.4, 0.2),
    lambda money: money.settle("open", 0.4),
    lambda money: money.release("later"),
    lambda money: money.reset(),
)


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as database:
        return {
            table: database.execute(
                f"SELECT {', '.join(f'quote({each})' for each in columns)} FROM {table}"
            ).fetchall()
            for table, columns in COLUMNS.items()
        }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("table", few(sorted(COLUMNS, key="limits".__ne__), 1))
def test_wrong_values_are_typed_errors_that_name_the_row_and_nothing_is_lost(tmp_path: Path, table: str) -> None:
    """Each column of two rows takes each wrong value; every question is asked of what comes of it."""
    blank = filled(tmp_path / "blank").path
    with closing(sqlite3.connect(blank)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (many,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    money = ledger(tmp_path, 100.0, per_run_usd=20.0)
    money.path.parent.mkdir()
    refused = 0
    for column, row, value in itertools.product(COLUMNS[table], range(min(many, 2)), WRONG):
        for path in money.path.parent.iterdir():
            path.unlink()
        shutil.copy(blank, money.path)
        if not mutated(money.path, table, column, row, value):
            continue
        before, errors = rows(money.path), []
        for question in QUESTIONS:
            try:
                question(money)
            except BudgetStoreError as error:
                errors.append(str(error))
        told = [error for error in errors if f"table {table}, row" in error]
        if table == "entries":
            assert len(errors) == len(told)
            assert not told or all(column in error and str(money.path) in error for error in told), told
        if len(told) >= len(QUESTIONS) - 1:  # own limits are of another table
            assert rows(money.path) == before
            refused += 1
        elif told:
            assert rows(money.path)["limits"] == before["limits"]
            refused += 1
    assert refused >= {"entries": 250, "limits": 30, "resets": 0}[table]


@pytest.mark.parametrize("version", [-1, 3, 2**31 - 1])
def test_a_version_that_cannot_be_is_refused(tmp_path: Path, version: int) -> None:
    money = filled(tmp_path)
    with closing(sqlite3.connect(money.path)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(BudgetStoreError, match="newer Aurora"):
        money.status()


FIRST_SCHEMA = """
CREATE TABLE entries (
    token TEXT PRIMARY KEY, run_id TEXT NOT NULL, task_id TEXT NOT NULL, agent TEXT NOT NULL, model TEXT,
    at REAL NOT NULL, month TEXT NOT NULL, state TEXT NOT NULL, first_reserved INTEGER NOT NULL,
    reserved INTEGER NOT NULL, spent INTEGER NOT NULL DEFAULT 0, cost INTEGER,
    estimated INTEGER NOT NULL DEFAULT 0, forgiven INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE limits (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE resets (at REAL NOT NULL, month TEXT NOT NULL, forgiven INTEGER NOT NULL);
INSERT INTO entries VALUES
    ('a', 'r', '1', 'claude', NULL, 1764000000.0, '2026-11', 'reserved', 500000, 500000, 0, NULL, 0, 0),
    ('b', 'r', '2', 'claude', NULL, 1764000000.0, '2026-11', 'settled', 500000, 500000, 0, 200000, 0, 0);
PRAGMA user_version = 1;
"""


def test_a_ledger_of_the_first_version_goes_on(tmp_path: Path) -> None:
    money = ledger(tmp_path, 2.0)
    money.path.parent.mkdir()
    with closing(sqlite3.connect(money.path)) as database:
        database.executescript(FIRST_SCHEMA)
    assert (money.status().consumed_usd, money.status().reserved_usd) == (0.2, 0.5)
    assert money.observe("a", 0.3).granted
    money.settle("a", 0.3)
    assert reserve(money, "c", sharers=1).allowance_usd == 0.25
    assert money.status().total_entries == 3


@st.composite
def spending(draw: st.DrawFn) -> tuple[int, list[tuple[int, float, bool]]]:
    """A limit in reservations, and steps: which agent, how much of a reservation it spends, whether it then ends."""
    agents = draw(st.integers(1, 12))
    shares = st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)
    steps = st.tuples(st.integers(0, agents - 1), shares, st.booleans())
    return draw(st.integers(1, 6)), draw(st.lists(steps, max_size=60))


ALL_AT_ONCE = [(number % 3, 0.9, False) for number in range(9)]
"""Three agents, each of which begins, and spends most of a reservation at each step."""


@settings(max_examples=examples(60), deadline=None)
@given(spending(), st.sampled_from([0.05, 0.5]))
@example((3, ALL_AT_ONCE), 0.5)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """A run whose agents are dealt shares.

    Attributes:
        tasks: of each, what a call costs at first, and how many it needs.
        turns: the task whose agent begins or makes its next call.
        known: an earlier run has told what its calls cost, so that they may be dearer than the first guess.
        watched: each call is told when it is made.
        growth: from one call to the next, as far as the dearest one that is known allows.
    """

    limit: float
    tasks: list[tuple[float, int]]
    turns: list[int]
    known: bool = False
    watched: bool = True
    growth: float = 1.0
    at_once: int = 9


@st.composite
def dealing(draw: st.DrawFn) -> Dealing:
    known = draw(st.booleans())
    calls = st.floats(0.01, 1.5 if known else 0.5)
    tasks = draw(st.lists(st.tuples(calls, st.integers(1, 9)), min_size=1, max_size=9))
    return Dealing(
        limit=draw(st.floats(0.5, 9.0)),
        tasks=tasks,
        turns=draw(st.lists(st.integers(0, len(tasks) - 1), max_size=150)),
        known=known,
        watched=draw(st.booleans()),
        growth=draw(st.sampled_from([1.0, 1.25])),
        at_once=draw(st.integers(1, 9)),
    )


@settings(max_examples=examples(80), deadline=None)
@given(dealing())
@example(Dealing(limit=1.3, tasks=[(0.7, 9)], turns=[0] * 9, known=True))
@example(Dealing(limit=3.0, tasks=[(0.9, 9)], turns=[0] * 9, known=True, growth=1.25))
def test_shares_and_what_is_spent_never_exceed_the_limit(plan: Dealing) -> None:
    """Agents end by themselves after the call that passes their allowance, and go on with what others give back.

    However their calls and ends fall, with a watch that sees each call or none, and killed coordinators in between,
    which leave everything to the ledger: nothing that is not in it counts here. The dearest call that is known
    when a share is dealt may be passed by a quarter, but not by more than the whole share.
    """
    with tempfile.TemporaryDirectory() as folder:
        money = ledger(Path(folder), 1000.0, per_run_usd=plan.limit)
        running: dict[int, tuple[str, float, float]] = {}
        done: dict[int, int] = dict.fromkeys(range(len(plan.tasks)), 0)
        last = {task: call for task, (call, _) in enumerate(plan.tasks)}
        dearest, most = dict(last), dict(last)
        for task, call in last.items() if plan.known else ():
            assert reserve(money, f"known{task}", agent=f"a{task}", run=f"known{task}", sharers=1).granted
            money.observe(f"known{task}", call, call)
            money.settle(f"known{task}", call)
        before = money.status().consumed_usd
        spent = 0.0
        for number, task in enumerate(plan.turns):
            first, needed = plan.tasks[task]
            if done[task] == needed:
                continue
            if task not in running:
                wanting = sum(done[each] < plan.tasks[each][1] and each not in running for each in done)
                if len(running) < plan.at_once:
                    continues_session = done[task] > 0
                    grant = reserve(
                        money, f"t{number}", agent=f"a{task}", sharers=wanting, continues_session=continues_session
                    )
                    if grant.granted:
                        assert grant.allowance_usd is not None
                        running[task] = (f"t{number}", 0.0, grant.allowance_usd)
                        if plan.known or (plan.watched and continues_session):
                            most[task] = max(first, min(1.25 * dearest[task], grant.reserved_usd))
            else:
                token, so_far, allowance = running[task]
                call = min(last[task] if so_far == 0 else last[task] * plan.growth, most[task])
                so_far, spent = so_far + call, spent + call
                last[task] = call
                done[task] += 1
                running[task] = (token, so_far, allowance)
                if plan.watched:
                    assert money.observe(token, so_far, call).granted
                    dearest[task] = max(dearest[task], call)
                if so_far >= allowance or done[task] == needed:
                    money.settle(token, so_far)
                    del running[task]
            status = money.status()
            assert status.consumed_usd - before + status.reserved_usd <= plan.limit + 1e-4
            assert spent <= plan.limit + 1e-4


SPENDS = """
import sys
from pathlib import Path
from aurora_policies.budget import Ledger, Limits
path, name, noon = sys.argv[1:]
money = Ledger(path=Path(path), limits=Limits(monthly_usd=15.0), clock=lambda: float(noon))
asked = [money.reserve(token=f"{name}-{n}", run_id=name, task_id="1", agent="a", model=None) for n in range(40)]
print(sum(each.granted for each in asked))
"""


def test_processes_that_ask_at_once_never_share_the_same_money(tmp_path: Path) -> None:
    money = ledger(tmp_path, 15.0)
    processes = [
        WarmPopen([sys.executable, "-c", SPENDS, money.path, f"p{n}", str(NOON)], stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    counts = [int(process.communicate(timeout=50)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
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
        process = WarmPopen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
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


def test_a_second_thread_takes_no_lock_of_the_first_away(tmp_path: Path) -> None:
    """A process that closes any descriptor of a file loses all its locks of it; the next to close removes the log."""
    money = ledger(tmp_path)
    assert reserve(money, "a").granted
    log = money.path.with_name("budget.db-wal")
    reader = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM entries'); c.close()"
    with transaction(money.path) as connection:
        before = log.stat().st_ino
        second = threading.Thread(target=money.status)
        second.start()
        second.join(timeout=0.5)  # it waits for the first one to end
        assert second.is_alive()
        subprocess.run([sys.executable, "-c", reader, money.path], check=True)
        assert log.exists()
        assert log.stat().st_ino == before
        connection.execute("UPDATE entries SET task_id = 'written'")
    second.join()
    with closing(sqlite3.connect(money.path)) as fresh:
        assert fresh.execute("SELECT task_id FROM entries").fetchall() == [("written",)]
