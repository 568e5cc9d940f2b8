"""The provider gates of a pool: one for each account, kept in the database for all coordinators together.

A run asks its gates in the middle of its work, so it must never wait for the network. A thread of its own exchanges
with the database: it makes the changes that the run has reported there, and brings what others have changed. Between
two exchanges the run sees its own changes at once, and those of others after `LOOK_EVERY_S`.

What only one may have, a probe or the next place on a ramp, is given by the database: the run asks, is told to wait,
and has it when it asks again. All times in the database are those of its clock; the run sees them on its own.

While the database cannot be reached, what runs goes on, what it reports is kept for the database, and nothing begins:
whatever waits for a place cannot have one, and the queue is in the same database.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from aurora_spawner.distributed.clocks import ahead, gate_moved
from aurora_spawner.distributed.database import BROKEN, LOCK_ENDS, QueueUnavailableError, secured, unreached
from aurora_spawner.rate_limits.gate import GateAnswer, GateState, ProviderGate
from aurora_spawner.rate_limits.gate_store import ProviderStore

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from aurora_spawner.distributed.database import Database
    from aurora_spawner.tasks.usage_windows import UsageWindow

LOOK_EVERY_S: Final = 1.0
"""Time after which a change of another coordinator is seen."""
SHORTEST_PAUSE_S: Final = 0.05
"""Time between two exchanges while a run reports much."""
ASK_AGAIN_S: Final = 0.2
"""Time after which a run asks again for what the database has to give it."""
CLOSE_WITHIN_S: Final = 2.0
"""The longest time for which the end of a run waits until its last changes are made."""
MOST_KEPT: Final = 10_000
"""Reports that are kept while the database cannot be reached; the oldest go first."""
_GATES_LOCK: Final = 0x41555247
"""The advisory lock under which gates are changed: one that is not there yet cannot be locked by its row."""

_Change = Callable[[ProviderGate], ProviderGate]
_GO: Final = GateAnswer(go=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """A change of a gate that the database is to make."""

    provider: str
    change: _Change
    at: float | None
    """The moment of what has changed it, on the database's clock; None for that of the exchange."""


@dataclass(slots=True)
class _Seen:
    """The knowledge of a run about the database. Times are those of its clock."""

    gates: dict[str, ProviderGate] = field(default_factory=dict)
    known: bool = False
    """True after the first exchange."""
    ahead_s: float = 0.0
    """Seconds that this machine's clock shows more."""
    won: dict[str, tuple[GateState, float]] = field(default_factory=dict)
    """Places that the database has given to this run, with the state of the gate that they belong to."""


class SharedGates(ProviderStore):
    """The gates of a pool's database, as one run sees and changes them.

    Args:
        url: The database.
        holder: The run that asks; a probe belongs to its run.
        clock: Unix time on this machine.
        chance: From 0 to 1, for jitter.
    """

    def __init__(
        self,
        url: str,
        *,
        holder: str,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random,
    ) -> None:
        super().__init__(None, holder=holder, clock=self._moment, chance=chance)
        self._conninfo = secured(url)
        self._own_clock = clock
        self._seen = _Seen()
        self._reports: deque[_Report] = deque(maxlen=MOST_KEPT)
        self._asking: set[str] = set()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closing = False
        self._away_since: float | None = None
        self._away_s = 0.0
        self._of_thread = threading.local()
        self._thread: threading.Thread | None = None

    def _moment(self) -> float:
        """Returns the time on the database's clock: that of the report which is being made, else now."""
        at: float | None = getattr(self._of_thread, "at", None)
        return self._own_clock() - self._seen.ahead_s if at is None else at

    # What a run asks and reports.

    def ask(self, provider: str) -> GateAnswer:
        """Returns the answer to an attempt that wants to start; a place that only one may have takes two tries."""
        with self._lock:
            self._begin()
            now, gate = self._moment(), self._view(provider)
            if not self._seen.known:
                return self._later(now, "the gates of the pool are not known yet")
            if self._seen.won.pop(provider, None) == (gate.state, gate.since):
                return _GO
            answer, after = gate.ask(now, chance=self._chance(), asker=self._holder)
            if answer.go and after is not gate:
                self._ask_database(provider)
                return self._later(now, gate.reason)
            if answer.wait_until is None:
                return answer
            return GateAnswer(go=False, wait_until=answer.wait_until + self._seen.ahead_s, reason=answer.reason)

    def _later(self, now: float, reason: str) -> GateAnswer:
        return GateAnswer(go=False, wait_until=now + ASK_AGAIN_S + self._seen.ahead_s, reason=reason)

    def _ask_database(self, provider: str) -> None:
        if provider in self._asking:
            return
        self._asking.add(provider)

        def asked(gate: ProviderGate) -> ProviderGate:
            answer, after = gate.ask(self._moment(), chance=self._chance(), asker=self._holder)
            if answer.go and after is not gate:
                self._of_thread.won[provider] = (after.state, after.since)
            return after

        self._report(_Report(provider=provider, change=asked, at=None))

    def limited(
        self,
        provider: str,
        *,
        began: float,
        retry_after_s: float | None,
        reason: str,
        trouble: str = "",
        overloaded: bool = False,
        window: UsageWindow | None = None,
    ) -> ProviderGate:
        """Records a rate limit or an overload of an attempt that started at `began`, on this machine's clock."""
        return super().limited(
            provider,
            began=began - self._seen.ahead_s,
            retry_after_s=retry_after_s,
            reason=reason,
            trouble=trouble,
            overloaded=overloaded,
            window=window,
        )

    def gate(self, provider: str) -> ProviderGate:
        """Returns the gate of a provider as this run knows it, on this machine's clock."""
        with self._lock:
            self._begin()
            return gate_moved(self._view(provider), self._seen.ahead_s)

    def gates(self) -> list[ProviderGate]:
        """Returns the gates that are not open, by name of their provider."""
        with self._lock:
            found = [gate_moved(self._view(each), self._seen.ahead_s) for each in sorted(self._seen.gates)]
        return [gate for gate in found if gate.state is not GateState.OPEN]

    def _change(self, provider: str, change: _Change) -> ProviderGate:
        """Changes what this run sees at once, and has the database make the same change to what it has."""
        with self._lock:
            self._begin()
            self._report(_Report(provider=provider, change=change, at=self._moment()))
            after = self._seen.gates[provider] = change(self._view(provider))
            return gate_moved(after, self._seen.ahead_s)

    def _view(self, provider: str) -> ProviderGate:
        return self._seen.gates.get(provider) or ProviderGate(provider=provider)

    def _report(self, report: _Report) -> None:
        self._reports.append(report)
        self._wake.set()

    def close(self) -> None:
        """Gives back a place that was not used, and ends the exchange once the last changes are made."""
        with self._lock:
            for provider in self._seen.won:
                self._report(_Report(provider=provider, change=lambda gate: gate.unanswered(self._holder), at=None))
            self._seen.won.clear()
            self._closing = True
            self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_WITHIN_S)
            self._thread = None

    # The exchange, in a thread of its own.

    def _begin(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._exchange_on, name="gates of the pool", daemon=True)
            self._thread.start()

    def _exchange_on(self) -> None:
        connection: psycopg.Connection[DictRow] | None = None
        while not (self._closing and not self._reports):
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._conninfo, autocommit=True, row_factory=dict_row)
                self._exchange(connection)
                self._note_success()
            except psycopg.Error as error:
                self._note_failure(error)
                if connection is not None:
                    connection.close()
                if self._closing:
                    break
            time.sleep(SHORTEST_PAUSE_S)
            self._wake.wait(0.0 if self._closing else LOOK_EVERY_S)
            self._wake.clear()
        if connection is not None:
            connection.close()

    def _note_success(self) -> None:
        if self._away_since is not None:
            self._away_s += time.monotonic() - self._away_since
            self._away_since = None
        self.trouble = (
            f"the database of the pool was away for {max(1.0, self._away_s):.0f} s; meanwhile nothing began"
            if self._away_s
            else None
        )

    def _note_failure(self, error: psycopg.Error) -> None:
        """Notes an outage; a database that answers and refuses will say so to whatever is queued, so that may try."""
        self.trouble = f"the provider gates of the pool cannot be exchanged: {error}".strip()
        if isinstance(error, BROKEN) and isinstance(unreached(error), QueueUnavailableError):
            self._away_since = self._away_since or time.monotonic()
        else:
            self._seen.known = True

    def _exchange(self, connection: psycopg.Connection[DictRow]) -> None:
        """Makes the changes that were reported, and brings all gates."""
        with self._lock:
            reports = list(self._reports)
        gates, now = _stored(connection)
        self._of_thread.won = {}
        changed = {each.provider for each in reports if self._changes(each, gates, now)}
        if changed:
            self._of_thread.won = {}  # what was only tried does not count
            with connection.transaction():
                connection.execute(f"SELECT {LOCK_ENDS}, pg_advisory_xact_lock(%s)", (_GATES_LOCK,))
                for provider in sorted(changed):
                    self._make(connection, provider, [each for each in reports if each.provider == provider])
            gates, now = _stored(connection)
        made = set(map(id, reports))
        with self._lock:
            self._reports = deque((each for each in self._reports if id(each) not in made), maxlen=MOST_KEPT)
            self._seen.won.update(self._of_thread.won)
            self._asking.difference_update(each.provider for each in reports if each.at is None)
            fresh = {each.provider for each in self._reports}  # their changes are not in what was brought
            kept = {name: gate for name, gate in self._seen.gates.items() if name in fresh}
            self._seen.gates = {**gates, **kept}
            self._seen.ahead_s = ahead(self._own_clock(), now)
            self._seen.known = True

    def _changes(self, report: _Report, gates: dict[str, ProviderGate], now: float) -> bool:
        """Returns True if a report would change a gate; the gate is changed here so that the next report meets it."""
        before = gates.get(report.provider) or ProviderGate(provider=report.provider)
        gates[report.provider] = self._changed(report, before, now)
        return gates[report.provider] is not before

    def _changed(self, report: _Report, gate: ProviderGate, now: float) -> ProviderGate:
        self._of_thread.at = now if report.at is None else report.at
        try:
            return report.change(gate)
        finally:
            self._of_thread.at = None

    def _make(self, connection: psycopg.Connection[DictRow], provider: str, reports: list[_Report]) -> None:
        row = connection.execute(
            "SELECT gate FROM aurora_gates WHERE provider = %s FOR UPDATE", (provider,)
        ).fetchone()
        clock = connection.execute(f"SELECT {_NOW} AS now").fetchone()
        now = clock["now"] if clock else 0.0
        gate = before = _gate_in(provider, row, now)
        for report in reports:
            gate = self._changed(report, gate, now)
        if gate is not before:
            connection.execute(
                "INSERT INTO aurora_gates (provider, gate) VALUES (%s, %s)"
                " ON CONFLICT (provider) DO UPDATE SET gate = excluded.gate",
                (provider, json.dumps(gate.to_dict())),
            )


_NOW: Final = "extract(epoch FROM clock_timestamp())::float8"


async def shut_gates(database: Database) -> list[ProviderGate]:
    """Returns the gates of a database that are not open, on its clock; errors as of `Database.all`."""
    rows = await database.all(f"SELECT provider, gate, {_NOW} AS now FROM aurora_gates ORDER BY provider")  # noqa: S608 -- constants
    found = [_gate_in(row["provider"], row, row["now"]) for row in rows]
    return [gate for gate in found if gate.state is not GateState.OPEN]


def _stored(connection: psycopg.Connection[DictRow]) -> tuple[dict[str, ProviderGate], float]:
    """Returns all gates of the database by provider, and its time."""
    rows = connection.execute(
        f"SELECT {_NOW} AS now, provider, gate FROM (SELECT 1) one LEFT JOIN aurora_gates ON true"  # noqa: S608 -- constants
    ).fetchall()
    now = rows[0]["now"]
    return {row["provider"]: _gate_in(row["provider"], row, now) for row in rows if row["provider"]}, now


def _gate_in(provider: str, row: dict[str, Any] | None, now: float) -> ProviderGate:
    """Returns the gate of a row; one that cannot be read is open, as one that is not there."""
    if row is None:
        return ProviderGate(provider=provider)
    try:
        return ProviderGate.from_dict({**row["gate"], "provider": provider}).plausible(now)
    except (KeyError, TypeError, ValueError):
        return ProviderGate(provider=provider)
