"""The ledger of a user: what attempts may cost, and what they did cost, for all projects and processes together.

Every change is one transaction that begins with the right to write, so that two processes cannot both see room for
what only one of them may spend. A reservation is durable before its agent begins and carries the attempt's token; who
resumes the run finds it there.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_policies.budget.admission import Grant, admit, believed, go_on, micros, percentile_90, scales, usd
from aurora_policies.budget.limits import Limits, OwnLimits
from aurora_policies.budget.statement import BudgetStatus, Entry, EntryState, Spender
from aurora_policies.budget.tables import transaction
from aurora_policies.schema import HardLimitAction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["LEAST_HISTORY", "Ledger"]

HISTORY: Final = 100
"""The latest measured attempts of a kind that its next cost is guessed from."""
LEAST_HISTORY: Final = 5
LEAST_OF_NOTHING: Final = 20
"""So many have to be known before an agent is taken to cost nothing."""
_COUNTS: Final = "CASE state WHEN 'reserved' THEN reserved WHEN 'settled' THEN cost ELSE 0 END"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger in one file; every method raises BudgetStoreError where that cannot be used.

    Attributes:
        path: made when first needed.
        limits: those in force for whoever asks.
        clock: Unix time.
    """

    path: Path
    limits: Limits
    clock: Callable[[], float] = field(default=time.time)

    def reserve(self, *, token: str, run_id: str, task_id: str, agent: str, model: str | None) -> Grant:
        """Set aside what an attempt is taken to cost; asked again for the same attempt, it answers the same."""
        now = self.clock()
        with transaction(self.path) as database:
            known = database.execute("SELECT reserved FROM entries WHERE token = ?", (token,)).fetchone()
            if known:
                return Grant(granted=True, reserved_usd=usd(known[0]))
            amount = self._estimate(database, agent, model)
            taken, of_run = _taken(database, _month(now), run_id, token)
            grant = admit(amount, scales(self.limits, month_taken=taken, run_taken=of_run), self.limits)
            if grant.granted:
                database.execute(
                    "INSERT INTO entries (token, run_id, task_id, agent, model, at, month, state, first_reserved,"
                    " reserved) VALUES (?, ?, ?, ?, ?, ?, ?, 'reserved', ?, ?)",
                    (token, run_id, task_id, agent, model, now, _month(now), amount, amount),
                )
            return grant

    def would_admit(self, agent: str, model: str | None) -> Grant:
        """The answer that a new run's attempt would get now; nothing is set aside."""
        with transaction(self.path) as database:
            amount = self._estimate(database, agent, model)
            taken, _ = _taken(database, _month(self.clock()), "", "")
            return admit(amount, scales(self.limits, month_taken=taken, run_taken=0), self.limits)

    def estimate_usd(self, agent: str, model: str | None) -> float:
        """What an attempt is taken to cost before it starts; a ledger that is not there yet is not made for it."""
        if not self.path.exists():
            return self.limits.reservation_usd
        with transaction(self.path) as database:
            return usd(self._estimate(database, agent, model))

    def observe(self, token: str, spent_usd: float) -> Grant:
        """Note what a running attempt has spent so far, and say whether it may go on."""
        with transaction(self.path) as database:
            row = database.execute(
                "SELECT run_id, month, first_reserved, reserved FROM entries WHERE token = ? AND state = 'reserved'",
                (token,),
            ).fetchone()
            if row is None:
                return Grant(granted=True)
            run_id, month, first_reserved, reserved = row
            taken, of_run = _taken(database, month, run_id, token)
            on = scales(self.limits, month_taken=taken, run_taken=of_run)
            spent = believed(spent_usd) or 0
            grant = go_on(spent, first_reserved, on, self.limits)
            wanted = max(reserved, micros(grant.reserved_usd))
            database.execute(
                "UPDATE entries SET reserved = ?, spent = max(spent, ?) WHERE token = ?", (wanted, spent, token)
            )
            return grant

    def settle(self, token: str, cost_usd: float | None) -> None:
        """Replace a reservation by what was spent.

        Where that is not known, it is what was reserved at first, or what was spent by the last that was seen of it
        if that is more, and marked as estimated. A cost that cannot be, such as one below 0, is not known.
        """
        cost = believed(cost_usd)
        with transaction(self.path) as database:
            database.execute(
                "UPDATE entries SET state = 'settled', cost = coalesce(?, max(first_reserved, spent)), estimated = ?"
                " WHERE token = ? AND state = 'reserved'",
                (cost, cost is None, token),
            )

    def release(self, token: str) -> None:
        """Give back what was set aside for an attempt that never began."""
        with transaction(self.path) as database:
            database.execute("UPDATE entries SET state = 'released' WHERE token = ? AND state = 'reserved'", (token,))

    def open_reservations(self, run_id: str) -> Mapping[str, str]:
        """The agents of a run's attempts that are not settled, by token; no ledger is made to find none."""
        if not self.path.exists():
            return {}
        with transaction(self.path) as database:
            rows = database.execute(
                "SELECT token, agent FROM entries WHERE run_id = ? AND state = 'reserved'", (run_id,)
            )
            return dict(rows.fetchall())

    def own_limits(self) -> OwnLimits:
        """What the user has set for everything; a ledger that is not there yet is not made for it."""
        if not self.path.exists():
            return OwnLimits()
        with transaction(self.path) as database:
            stored = dict(database.execute("SELECT name, value FROM limits").fetchall())
        action = stored.get("hard_action")
        return OwnLimits(
            monthly_usd=_number(stored.get("monthly_usd")),
            per_run_usd=_number(stored.get("per_run_usd")),
            warn_at_percent=_number(stored.get("warn_at_percent")),
            hard_action=HardLimitAction(action) if action else None,
        )

    def set_own_limits(self, own: OwnLimits) -> None:
        """Set all of them; None takes a limit away."""
        values = {name: str(value) for name, value in asdict(own).items() if value is not None}
        with transaction(self.path) as database:
            database.execute("DELETE FROM limits")
            database.executemany("INSERT INTO limits (name, value) VALUES (?, ?)", values.items())

    def reset(self) -> float:
        """Count nothing of what this month has cost so far, open reservations included; returns that in USD."""
        now = self.clock()
        with transaction(self.path) as database:
            forgiven, _ = _taken(database, _month(now), "", "")
            database.execute("UPDATE entries SET forgiven = 1 WHERE month = ?", (_month(now),))
            database.execute(
                "INSERT INTO resets (at, month, forgiven) VALUES (?, ?, ?)", (now, _month(now), forgiven)
            )
        return usd(forgiven)

    def status(self) -> BudgetStatus:
        """How this month stands."""
        month = _month(self.clock())
        with transaction(self.path) as database:
            rows = database.execute(
                "SELECT agent, count(*), sum(CASE state WHEN 'settled' THEN cost ELSE 0 END),"
                " sum(CASE WHEN state = 'settled' AND estimated THEN cost ELSE 0 END),"
                " sum(CASE state WHEN 'reserved' THEN reserved ELSE 0 END)"
                " FROM entries WHERE month = ? AND NOT forgiven AND state != 'released'"
                " GROUP BY agent ORDER BY 3 DESC, agent",
                (month,),
            ).fetchall()
        return BudgetStatus(
            period=month,
            limit_usd=self.limits.monthly_usd,
            consumed_usd=usd(sum(row[2] for row in rows)),
            estimated_usd=usd(sum(row[3] for row in rows)),
            reserved_usd=usd(sum(row[4] for row in rows)),
            warn_at_percent=self.limits.warn_at_percent,
            total_entries=sum(row[1] for row in rows),
            by_agent=tuple(
                Spender(agent=row[0], attempts=row[1], cost_usd=usd(row[2]), estimated_usd=usd(row[3]))
                for row in rows
            ),
        )

    def history(self, *, limit: int, run_id: str | None = None) -> tuple[Entry, ...]:
        """The latest attempts, the newest first."""
        with transaction(self.path) as database:
            rows = database.execute(
                "SELECT token, run_id, task_id, agent, model, at, state, reserved, cost, estimated FROM entries"
                " WHERE ? IS NULL OR run_id = ? ORDER BY at DESC, rowid DESC LIMIT ?",
                (run_id, run_id, limit),
            ).fetchall()
        return tuple(_entry(*row) for row in rows)

    def _estimate(self, database: sqlite3.Connection, agent: str, model: str | None) -> int:
        """The 90th percentile of what such attempts have cost, else the stated default."""
        rows = database.execute(
            "SELECT cost FROM entries WHERE agent = ? AND model IS ? AND state = 'settled' AND NOT estimated"
            " ORDER BY at DESC LIMIT ?",
            (agent, model, HISTORY),
        ).fetchall()
        learned = percentile_90(cost for (cost,) in rows) if len(rows) >= LEAST_HISTORY else 0
        if learned or len(rows) >= LEAST_OF_NOTHING:
            return learned
        return micros(self.limits.reservation_usd)


def _taken(database: sqlite3.Connection, month: str, run_id: str, token: str) -> tuple[int, int]:
    """What everybody but one attempt has spent and reserved, of a month and of a run."""
    of_month = f"SELECT coalesce(sum({_COUNTS}), 0) FROM entries WHERE month = ? AND NOT forgiven AND token != ?"  # noqa: S608 - a constant
    of_run = f"SELECT coalesce(sum({_COUNTS}), 0) FROM entries WHERE run_id = ? AND token != ?"  # noqa: S608 - a constant
    (month_taken,) = database.execute(of_month, (month, token)).fetchone()
    (run_taken,) = database.execute(of_run, (run_id, token)).fetchone()
    return int(month_taken), int(run_taken)


def _month(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _entry(  # noqa: PLR0917 - a row of the table
    token: str,
    run_id: str,
    task_id: str,
    agent: str,
    model: str | None,
    at: float,
    state: str,
    reserved: int,
    cost: int | None,
    estimated: int,
) -> Entry:
    return Entry(
        token=token,
        run_id=run_id,
        task_id=task_id,
        agent=agent,
        model=model,
        at=at,
        state=EntryState(state),
        reserved_usd=usd(reserved),
        cost_usd=None if cost is None else usd(cost),
        estimated=bool(estimated),
    )
