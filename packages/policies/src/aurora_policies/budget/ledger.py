"""The ledger of a user: estimated and actual costs of attempts, for all projects and processes together.

Every change is one transaction that starts with the right to write, so that two processes cannot both use money that
is enough for one. A reservation is durable before its agent starts and carries the attempt's token, so that a resumed
run finds it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any, Final

from aurora_policies.budget.admission import (
    Grant,
    LimitUsage,
    admit,
    admit_more,
    limit_usages,
    micros,
    percentile_90,
    plausible_cost,
    usd,
)
from aurora_policies.budget.limits import Limits, OwnLimits
from aurora_policies.budget.statement import AgentSpending, BudgetStatus, Entry, EntryState
from aurora_policies.budget.tables import transaction, wrong_value
from aurora_policies.errors import BudgetStoreError
from aurora_policies.schema import HardLimitAction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["MIN_HISTORY", "Ledger"]

HISTORY: Final = 100
"""The number of latest measured attempts of a kind from which the next cost is estimated."""
MIN_HISTORY: Final = 5
MIN_FREE_HISTORY: Final = 20
"""The number of known attempts from which an agent is estimated at no cost."""
_TAKEN: Final = "coalesce(sum(CASE state WHEN 'reserved' THEN reserved WHEN 'settled' THEN cost ELSE 0 END), 0)"
_EXPECTED: Final = (
    "coalesce(sum(CASE WHEN state = 'settled' THEN cost WHEN state = 'released' THEN 0"
    " WHEN allowance IS NULL THEN reserved ELSE max(first_reserved, spent) END), 0)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger in one file; every method raises BudgetStoreError if the file cannot be used.

    Attributes:
        path: created when first needed.
        limits: the limits in force for the caller.
        clock: Unix time.
    """

    path: Path
    limits: Limits
    clock: Callable[[], float] = field(default=time.time)

    def reserve(
        self,
        *,
        token: str,
        run_id: str,
        task_id: str,
        agent: str,
        model: str | None,
        sharers: int = 0,
        continues_session: bool = False,
    ) -> Grant:
        """Reserves the estimated cost of an attempt; a second request for the same attempt gets the same answer.

        Args:
            sharers: for an agent that stops by itself at an allowance, the attempts of the run that still need money,
                this one included: it gets its share of what is left. 0 for other agents.
            continues_session: the attempt resumes the session of an earlier attempt and may need only a few steps.
        """
        now = self.clock()
        with transaction(self.path) as database:
            known = database.execute("SELECT reserved, allowance FROM entries WHERE token = ?", (token,)).fetchone()
            if known:
                allowance = None if known[1] is None else usd(known[1])
                return Grant(granted=True, reserved_usd=usd(known[0]), allowance_usd=allowance)
            steps = _steps(database, agent, model) if sharers else []
            amount = self._estimate(database, agent, model)
            if steps:
                step = percentile_90(steps)
                amount = max(step, min(amount, 2 * step) if continues_session else amount)
            on = _limit_usages(database, self.limits, _month(now), run_id, token, sharers=sharers)
            grant = admit(amount, on, self.limits, step=max(steps, default=0) if sharers else None)
            if grant.granted:
                database.execute(
                    "INSERT INTO entries (token, run_id, task_id, agent, model, at, month, state, first_reserved,"
                    " reserved, allowance) VALUES (?, ?, ?, ?, ?, ?, ?, 'reserved', ?, ?, ?)",
                    (
                        *(token, run_id, task_id, agent, model, now, _month(now), amount),
                        micros(grant.reserved_usd),
                        None if grant.allowance_usd is None else micros(grant.allowance_usd),
                    ),
                )
            return grant

    def would_admit(self, agent: str, model: str | None) -> Grant:
        """Returns the answer that an attempt of a new run would get now; reserves nothing."""
        with transaction(self.path) as database:
            amount = self._estimate(database, agent, model)
            return admit(amount, _limit_usages(database, self.limits, _month(self.clock()), "", ""), self.limits)

    def estimate_usd(self, agent: str, model: str | None) -> float:
        """Returns the estimated cost of an attempt; does not create a missing ledger."""
        if not self.path.exists():
            return self.limits.reservation_usd
        with transaction(self.path) as database:
            return usd(self._estimate(database, agent, model))

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> Grant:
        """Records what a running attempt has spent so far, and answers if it may continue.

        Args:
            step_usd: the highest cost of one of its model calls; 0 if unknown.
        """
        with transaction(self.path) as database:
            row = database.execute(
                "SELECT run_id, month, first_reserved, reserved, allowance IS NOT NULL FROM entries"
                " WHERE token = ? AND state = 'reserved'",
                (token,),
            ).fetchone()
            if row is None:
                return Grant(granted=True)
            run_id, month, first_reserved, reserved, has_share = row
            on = _limit_usages(database, self.limits, month, run_id, token)
            spent, step = plausible_cost(spent_usd) or 0, plausible_cost(step_usd) or 0
            grant = admit_more(
                spent,
                on,
                self.limits,
                reserved=reserved,
                first_reserved=first_reserved,
                has_share=bool(has_share),
            )
            wanted = max(reserved, micros(grant.reserved_usd))
            database.execute(
                "UPDATE entries SET reserved = ?, spent = max(spent, ?), step = max(step, ?) WHERE token = ?",
                (wanted, spent, step, token),
            )
            return grant

    def settle(self, token: str, cost_usd: float | None) -> None:
        """Replaces a reservation by the actual cost.

        If the cost is unknown or impossible (below 0, for example), it is the first reservation or the last observed
        spending, whichever is higher, and is marked as estimated.
        """
        cost = plausible_cost(cost_usd)
        with transaction(self.path) as database:
            database.execute(
                "UPDATE entries SET state = 'settled', cost = coalesce(?, max(first_reserved, spent)), estimated = ?"
                " WHERE token = ? AND state = 'reserved'",
                (cost, cost is None, token),
            )

    def release(self, token: str) -> None:
        """Releases the reservation of an attempt that never started."""
        with transaction(self.path) as database:
            database.execute("UPDATE entries SET state = 'released' WHERE token = ? AND state = 'reserved'", (token,))

    def open_reservations(self, run_id: str) -> Mapping[str, str]:
        """Returns the agents of a run's unsettled attempts by token; does not create a missing ledger."""
        if not self.path.exists():
            return {}
        with transaction(self.path) as database:
            rows = database.execute(
                "SELECT token, agent FROM entries WHERE run_id = ? AND state = 'reserved'", (run_id,)
            )
            return dict(rows.fetchall())

    def own_limits(self) -> OwnLimits:
        """Returns the limits that the user has set for all projects; does not create a missing ledger."""
        if not self.path.exists():
            return OwnLimits()
        with transaction(self.path) as database:
            rows = database.execute("SELECT name, value FROM limits ORDER BY name").fetchall()
        return OwnLimits(**{str(name): self._own_limit(name, value) for name, value in rows})

    def _own_limit(self, name: object, value: object) -> Any:
        """Returns one of the user's limits; a misread one would let more be spent than the user wants.

        Raises:
            BudgetStoreError: the stored value is one that Aurora does not write.
        """
        try:
            if name == "hard_action":
                return HardLimitAction(str(value))
            amount = float(value) if isinstance(value, str) else -1.0
        except ValueError:
            amount = -1.0
        most = {"monthly_usd": inf, "per_run_usd": inf, "warn_at_percent": 100.0}.get(str(name))
        if not isinstance(name, str) or most is None or not 0 <= amount <= most or amount == inf:
            raise BudgetStoreError(self.path, wrong_value("limits", repr(name)[:80], "value", repr(value)))
        return amount

    def set_own_limits(self, own: OwnLimits) -> None:
        """Sets all limits; None removes a limit."""
        values = {name: str(value) for name, value in asdict(own).items() if value is not None}
        with transaction(self.path) as database:
            database.execute("DELETE FROM limits")
            database.executemany("INSERT INTO limits (name, value) VALUES (?, ?)", values.items())

    def reset(self) -> float:
        """Stops counting all costs of this month so far, open reservations included; returns their sum in USD."""
        now = self.clock()
        with transaction(self.path) as database:
            ((forgiven, _), _run) = _taken(database, _month(now), "", "")
            database.execute("UPDATE entries SET forgiven = 1 WHERE month = ?", (_month(now),))
            database.execute(
                "INSERT INTO resets (at, month, forgiven) VALUES (?, ?, ?)", (now, _month(now), forgiven)
            )
        return usd(forgiven)

    def status(self) -> BudgetStatus:
        """Returns the status of this month; does not create a missing ledger."""
        month = _month(self.clock())
        rows = self._spenders(month) if self.path.exists() else []
        return BudgetStatus(
            period=month,
            limit_usd=self.limits.monthly_usd,
            consumed_usd=usd(sum(row[2] for row in rows)),
            estimated_usd=usd(sum(row[3] for row in rows)),
            reserved_usd=usd(sum(row[4] for row in rows)),
            warn_at_percent=self.limits.warn_at_percent,
            total_entries=sum(row[1] for row in rows),
            by_agent=tuple(
                AgentSpending(agent=row[0], attempts=row[1], cost_usd=usd(row[2]), estimated_usd=usd(row[3]))
                for row in rows
            ),
        )

    def _spenders(self, month: str) -> list[tuple[str, int, int, int, int]]:
        """Returns by agent: its attempts in a month, their cost, the estimated part of it, and reservations."""
        with transaction(self.path) as database:
            return database.execute(
                "SELECT agent, count(*), sum(CASE state WHEN 'settled' THEN cost ELSE 0 END),"
                " sum(CASE WHEN state = 'settled' AND estimated THEN cost ELSE 0 END),"
                " sum(CASE state WHEN 'reserved' THEN reserved ELSE 0 END)"
                " FROM entries WHERE month = ? AND NOT forgiven AND state != 'released'"
                " GROUP BY agent ORDER BY 3 DESC, agent",
                (month,),
            ).fetchall()

    def history(self, *, limit: int, run_id: str | None = None) -> tuple[Entry, ...]:
        """Returns the latest attempts, newest first; does not create a missing ledger."""
        if not self.path.exists():
            return ()
        with transaction(self.path) as database:
            rows = database.execute(
                "SELECT token, run_id, task_id, agent, model, at, state, reserved, cost, estimated FROM entries"
                " WHERE ? IS NULL OR run_id = ? ORDER BY at DESC, rowid DESC LIMIT ?",
                (run_id, run_id, limit),
            ).fetchall()
        return tuple(_entry(*row) for row in rows)

    def costs_of_tasks(self, run_id: str) -> dict[str, float | None]:
        """Returns what the attempts at each task of a run have cost; None while one is not settled.

        Tasks whose agents cost nothing are left out.
        """
        costs: dict[str, list[float | None]] = {}
        for entry in self.history(limit=-1, run_id=run_id):
            if entry.state is not EntryState.RELEASED:
                costs.setdefault(entry.task_id, []).append(entry.cost_usd)
        return {
            task_id: None if None in found else sum(cost for cost in found if cost is not None)
            for task_id, found in costs.items()
        }

    def _estimate(self, database: sqlite3.Connection, agent: str, model: str | None) -> int:
        """Returns the 90th percentile of the cost of similar attempts, or the configured default."""
        rows = database.execute(
            "SELECT cost FROM entries WHERE agent = ? AND model IS ? AND state = 'settled' AND NOT estimated"
            " ORDER BY at DESC LIMIT ?",
            (agent, model, HISTORY),
        ).fetchall()
        learned = percentile_90(cost for (cost,) in rows) if len(rows) >= MIN_HISTORY else 0
        if learned or len(rows) >= MIN_FREE_HISTORY:
            return learned
        return micros(self.limits.reservation_usd)


def _limit_usages(
    database: sqlite3.Connection, limits: Limits, month: str, run_id: str, token: str, *, sharers: int = 1
) -> tuple[LimitUsage, ...]:
    """Returns the limits that apply to an attempt, and how much of them other attempts use."""
    of_month, of_run = _taken(database, month, run_id, token)
    return limit_usages(limits, month=of_month, run=of_run, sharers=sharers)


def _taken(
    database: sqlite3.Connection, month: str, run_id: str, token: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns what all other attempts have taken and are expected to spend, of a month and of a run."""
    of_month = f"SELECT {_TAKEN}, {_EXPECTED} FROM entries WHERE month = ? AND NOT forgiven AND token != ?"  # noqa: S608 - constants
    of_run = f"SELECT {_TAKEN}, {_EXPECTED} FROM entries WHERE run_id = ? AND token != ?"  # noqa: S608 - constants
    return (
        database.execute(of_month, (month, token)).fetchone(),
        database.execute(of_run, (run_id, token)).fetchone(),
    )


def _steps(database: sqlite3.Connection, agent: str, model: str | None) -> list[int]:
    """Returns the most expensive call of each of the latest attempts of a kind."""
    rows = database.execute(
        "SELECT step FROM entries WHERE agent = ? AND model IS ? AND step > 0 ORDER BY at DESC LIMIT ?",
        (agent, model, HISTORY),
    )
    return [step for (step,) in rows]


def _month(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


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
