"""The store of all provider gates of one user, in a file that all runs share."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.errors import ProviderStateError
from aurora_spawner.rate_limits.gate import CLOCK_SLACK_S, GateAnswer, GateState, ProviderGate
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.storage.write_ahead import use_write_ahead_log
from aurora_spawner.tasks.usage_windows import last_reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aurora_spawner.tasks.usage_windows import UsageWindow

FILE_NAME: Final = "providers.db"
BUSY_WAIT_S: Final = 5.0
"""The longest wait of a change for another process; a change takes less than a millisecond."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS gates (provider TEXT PRIMARY KEY, gate TEXT NOT NULL) WITHOUT ROWID"


def default_state_dir() -> Path:
    """Returns the folder of a user's own state, shared by all projects."""
    return Path.home() / ".aurora"


class ProviderStore:
    """A store that asks and changes gates, each in one transaction; an open gate costs one read and no write.

    Args:
        folder: The folder of the file; created if missing. None keeps the gates in memory, for this run alone.
        tolerant: Continues in memory if the file cannot be used; `trouble` then says why.
        holder: The run that asks; a probe belongs to its run.
        clock: Unix time.
        chance: From 0 to 1, for jitter.

    Every method raises ProviderStateError if the file cannot be used.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        tolerant: bool = False,
        holder: str = "",
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._path = None if folder is None else folder / FILE_NAME
        self._tolerant = tolerant
        self._holder = holder
        self.trouble: str | None = None
        """The problem with the file: the reason why it is no longer used, or the row that could not be read."""
        self._clock = clock
        self._chance = chance
        self._known: dict[str, ProviderGate] = {}
        self._version: int | None = None
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        """Opens the file and creates it if missing; called only if there is something to store or read."""
        if self._connection is None:
            if self._path is not None:
                make_private_folder(self._path.parent)
                make_private_file(self._path)
            connection = sqlite3.connect(self._path or ":memory:", timeout=BUSY_WAIT_S, isolation_level=None)
            self._connection = connection
            use_write_ahead_log(connection, wait_s=BUSY_WAIT_S)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
        return self._connection

    @property
    def _anything_known(self) -> bool:
        return self._connection is not None or (self._path is not None and self._path.exists())

    def ask(self, provider: str) -> GateAnswer:
        """Returns the answer to an attempt that wants to start at a provider; `go` uses up its place."""
        answer = GateAnswer(go=True)

        def asked(gate: ProviderGate) -> ProviderGate:
            nonlocal answer
            answer, after = gate.ask(self._clock(), chance=self._chance(), asker=self._holder)
            return after

        self._change(provider, asked)
        return answer

    def succeeded(self, provider: str) -> ProviderGate:
        """Records that a provider answered an attempt."""
        return self._change(provider, lambda gate: gate.succeeded(self._clock()))

    def answered(self, provider: str) -> ProviderGate:
        """Records that a provider has just answered a running attempt."""
        return self._change(provider, lambda gate: gate.answered(self._clock()))

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
        """Records a rate limit or an overload of an attempt that started at `began`; see `ProviderGate.limited`."""
        chance = self._chance()
        return self._change(
            provider,
            lambda gate: gate.limited(
                self._clock(),
                began=began,
                retry_after_s=retry_after_s,
                reason=reason,
                chance=chance,
                trouble=trouble,
                overloaded=overloaded,
                window=window,
            ),
        )

    def report_windows(
        self, provider: str, windows: Iterable[UsageWindow], *, threshold: float | None
    ) -> ProviderGate:
        """Records usage windows of the account; a window used beyond the threshold (per cent) pauses the provider."""
        now, chance = self._clock(), self._chance()
        window = last_reset(windows, now, threshold)
        reset = window.reset_after(now) if window else None
        if window is None or reset is None:
            return self.gate(provider)
        reason = "used up" if window.used_percent is None else f"{window.used_percent:.0f} % used"
        return self._change(
            provider, lambda gate: gate.closed_until(now, reset, window=window, reason=reason, chance=chance)
        )

    def refused(self, provider: str, *, reason: str) -> ProviderGate:
        """Records that a provider rejects the account's credentials."""
        return self._change(provider, lambda gate: gate.refused(self._clock(), reason=reason))

    def unanswered(self, provider: str) -> ProviderGate:
        """Records that an attempt ended without an answer of its provider."""
        return self._change(provider, lambda gate: gate.unanswered(self._holder))

    def allow_probe(self, provider: str) -> ProviderGate:
        """Lets a starting run probe a stopped provider once."""
        return self._change(provider, lambda gate: gate.allow_probe(self._clock()))

    def open(self, provider: str) -> ProviderGate:
        """Opens a gate at the user's request."""
        return self._change(provider, lambda gate: gate.opened(self._clock()))

    def gate(self, provider: str) -> ProviderGate:
        """Returns the gate of a provider."""
        try:
            return self._current(provider)
        except ProviderStateError as error:
            self._fall_back_to_memory(error)
            return self._current(provider)

    def _fall_back_to_memory(self, error: ProviderStateError) -> None:
        """Keeps the gates of this run in memory from here on; raises the error unless the store is tolerant."""
        if not self._tolerant or self._path is None:
            raise error
        self.trouble = str(error)
        self.close()
        self._path = None
        self._version = None

    def _current(self, provider: str) -> ProviderGate:
        with self._translated():
            if not self._anything_known:
                return self._known.setdefault(provider, ProviderGate(provider=provider))
            self._refresh()
            if provider not in self._known:
                self._known[provider] = self._read(provider)
            if self._known[provider].since > self._clock() + CLOCK_SLACK_S:
                self._known[provider] = self._read(provider)
        return self._known[provider]

    def gates(self) -> list[ProviderGate]:
        """Returns the gates that are not open, by name of their provider."""
        found = [self.gate(provider) for provider in self._providers()]
        return [gate for gate in found if gate.state is not GateState.OPEN]

    def _providers(self) -> list[str]:
        try:
            with self._translated():
                if not self._anything_known:
                    return []
                rows = self._connect().execute("SELECT provider FROM gates ORDER BY provider").fetchall()
        except ProviderStateError as error:
            self._fall_back_to_memory(error)
            return []
        return [provider for (provider,) in rows if isinstance(provider, str)]

    def _change(self, provider: str, change: Callable[[ProviderGate], ProviderGate]) -> ProviderGate:
        before = self.gate(provider)
        after = change(before)
        if after is before:
            return before
        try:
            after = self._change_durably(provider, change)
        except ProviderStateError as error:
            self._fall_back_to_memory(error)
            after = self._change_durably(provider, change)
        self._known[provider] = after
        return after

    def _change_durably(self, provider: str, change: Callable[[ProviderGate], ProviderGate]) -> ProviderGate:
        with self._translated(), self._transaction():
            # Another process may have been faster: what counts is the gate as it is stored now.
            before = self._read(provider)
            after = change(before)
            if after is not before:
                self._write(after)
        return after

    def _refresh(self) -> None:
        """Drops cached gates if another process has written since they were read."""
        version = self._connect().execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._known.clear()

    def _read(self, provider: str) -> ProviderGate:
        row = self._connect().execute("SELECT gate FROM gates WHERE provider = ?", (provider,)).fetchone()
        if row is None:
            return ProviderGate(provider=provider)
        try:
            stored = {**json.loads(row[0]), "provider": provider}
            gate, now = ProviderGate.from_dict(stored), self._clock()
        except (ValueError, TypeError, KeyError, RecursionError):
            self.trouble = (
                f"{self._path}: the row of provider {provider} cannot be read; the provider is probed again"
            )
            return ProviderGate(provider=provider)
        sound = gate.plausible(now)
        if gate.since > now + CLOCK_SLACK_S:  # entered by a clock that was ahead: the rest of its wait starts once
            self._connect().execute(
                "UPDATE gates SET gate = ? WHERE provider = ? AND gate = ?",
                (json.dumps(sound.to_dict()), provider, row[0]),
            )
        return sound

    def _write(self, gate: ProviderGate) -> None:
        stored: dict[str, Any] = gate.to_dict()
        self._connect().execute(
            "INSERT INTO gates VALUES (?, ?) ON CONFLICT DO UPDATE SET gate = excluded.gate",
            (gate.provider, json.dumps(stored)),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeError) as error:
            raise ProviderStateError(self._path or Path(":memory:"), str(error)) from error
        except OSError as error:
            raise ProviderStateError(self._path or Path(":memory:"), error.strerror or str(error)) from error
