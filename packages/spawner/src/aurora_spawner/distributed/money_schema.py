"""The tables of the budget that all coordinators of a pool share. Amounts are whole millionths of a US dollar."""

from __future__ import annotations

from typing import Final

MOST_MICROS: Final = 1_000_000_000_000_000
"""The largest amount."""

MONEY_TABLES: Final = f"""
CREATE TABLE aurora_budgets (
    pool text PRIMARY KEY CHECK (length(pool) BETWEEN 1 AND 200),
    monthly bigint NOT NULL CHECK (monthly BETWEEN 0 AND {MOST_MICROS})
);
CREATE TABLE aurora_reservations (
    token text PRIMARY KEY CHECK (octet_length(token) <= 200),
    pool text NOT NULL, run_id text NOT NULL, agent text NOT NULL,
    CHECK (greatest(octet_length(pool), octet_length(run_id), octet_length(agent)) <= 4000),
    month text NOT NULL CHECK (month ~ '^[0-9]{{4}}-[0-9]{{2}}$'),
    state text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'settled', 'released')),
    first bigint NOT NULL CHECK (first BETWEEN 0 AND {MOST_MICROS}),
    reserved bigint NOT NULL CHECK (reserved BETWEEN 0 AND {MOST_MICROS}),
    spent bigint NOT NULL DEFAULT 0 CHECK (spent BETWEEN 0 AND {MOST_MICROS}),
    cost bigint CHECK (cost BETWEEN 0 AND {MOST_MICROS}), estimated boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX aurora_reservations_of_month ON aurora_reservations (pool, month);
"""
