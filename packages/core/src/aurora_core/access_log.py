"""The record of accesses, and the activation that follows from it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.activation import ActivationInputs, activation_score, decay_of, total_activation
from aurora_core.index.graph import read_graph
from aurora_core.store.accesses import last_symbols, read_histories, record_accesses, symbol_of
from aurora_core.store.database import BUSY_TIMEOUT_S, generation, is_read_only, transaction
from aurora_core.store.files import file_ids
from aurora_core.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aurora_core.activation import ActivationSettings
    from aurora_core.index.graph import FileGraph
    from aurora_core.store.files import DescribedChunk

__all__ = ["AccessLog"]

# What was used within this time is in focus, and activation spreads from it; so many symbols at most.
FOCUS_S: Final = 3600.0
MAX_FOCUS: Final = 10


@dataclass(slots=True)
class _Pending:
    """Accesses that are not written yet."""

    symbols: frozenset[str]
    at: float


class AccessLog:
    """Records the accesses of one memory and computes activation from them.

    A search never waits for an indexer: its accesses are written as soon as no other process writes, and at the
    latest when the memory is closed.
    """

    def __init__(self, connection: sqlite3.Connection, settings: ActivationSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._pending: list[_Pending] = []
        self._graph: tuple[int, FileGraph] | None = None

    def activations(self, chunks: Mapping[int, DescribedChunk], query: str, now: float) -> dict[int, float]:
        """Returns the activation of chunks as a share, by chunk id."""
        histories = read_histories(self._connection, {symbol_of(c.file, c.name) for c in chunks.values()})
        spread = self._spreading(now)
        if not histories and not spread:
            return dict.fromkeys(chunks, 0.0)
        wanted = frozenset(terms(query))
        return {
            number: activation_score(
                total_activation(
                    ActivationInputs(
                        history=histories.get(symbol_of(chunk.file, chunk.name)),
                        decay=decay_of(chunk.kind, chunk.symbol_type, chunk.commits),
                        spreading=spread.get(chunk.file_id, 0.0),
                        overlap=_overlap(chunk, wanted),
                    ),
                    now,
                    self._settings,
                )
            )
            for number, chunk in chunks.items()
        }

    def _spreading(self, now: float) -> Mapping[int, float]:
        """Returns the activation that reaches each file from the files in focus."""
        symbols = last_symbols(self._connection, since=now - FOCUS_S, limit=MAX_FOCUS)
        if not symbols:
            return {}
        focus = file_ids(self._connection, {symbol.partition("::")[0] for symbol in symbols})
        at = generation(self._connection)
        if self._graph is None or self._graph[0] != at:
            self._graph = (at, read_graph(self._connection))
        return self._graph[1].spread(focus, factor=self._settings.factor, hops=self._settings.hops)

    def record(self, symbols: Iterable[str], now: float) -> None:
        """Records one access of each symbol; does nothing if the memory is read-only."""
        if not is_read_only(self._connection):
            self._pending.append(_Pending(frozenset(symbols), now))
            self._write(wait_s=0.0)

    def flush(self) -> None:
        """Writes all recorded accesses; waits for other writers."""
        self._write(wait_s=BUSY_TIMEOUT_S)

    def _write(self, wait_s: float) -> None:
        if not self._pending:
            return
        self._connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        try:
            with transaction(self._connection):
                for noted in self._pending:
                    record_accesses(self._connection, noted.symbols, noted.at)
            self._pending.clear()
        except sqlite3.OperationalError as error:
            if wait_s or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")


def _overlap(chunk: DescribedChunk, wanted: frozenset[str]) -> float:
    return len(wanted & set(terms(chunk.name))) / len(wanted) if wanted else 0.0
