"""A run on three workers in a storm, by seed; `benchmarks/recovery/pool.py` tries many, and larger ones."""

from __future__ import annotations

import pytest
from tests.faults.pool_storm import storm_of, weather
from tests.postgres import PostgresServer


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [2, 9])
def test_a_run_comes_through_a_storm(server: PostgresServer, seed: int) -> None:
    with storm_of(seed, 6, server) as storm:
        try:
            found = weather(storm, 8)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{storm.said()}") from error
    assert found["tasks"] == {"succeeded": 6}
