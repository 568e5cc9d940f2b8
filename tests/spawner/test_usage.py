"""Usage as agents report it: only possible values are accepted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.backends.reply_builder import Digest
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.spending.prices import Price, PriceTable
from aurora_spawner.tasks.usage import MOST_TOKENS, MOST_USD, Usage, usage_from_json

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
numbers = st.one_of(st.integers(), st.floats(), st.none(), st.integers(10**11, 10**400), st.text(max_size=3))


def told_by_claude(result: dict[str, object]) -> Usage:
    dialect = DIALECTS["claude"]
    stream, digest = EventStream(dialect), Digest(dialect)
    digest.take(
        stream.feed(json.dumps({"type": "result", "is_error": False, "result": "", **result}).encode() + b"\n")
    )
    used = digest.reply().usage
    assert used is not None
    return used


@pytest.mark.parametrize("cost", [-0.01, -50.0, MOST_USD * 1.01, 1e13, float("inf"), float("nan")])
def test_a_cost_that_cannot_be_is_unknown(cost: float) -> None:
    assert Usage(cost_usd=cost).cost_usd is None
    assert told_by_claude({"usage": {}, "total_cost_usd": cost}).cost_usd is None
    models = {"m": {"costUSD": cost}, "n": {"costUSD": 60.0}}
    assert told_by_claude({"usage": {}, "model_usage_since_last_result": models}).cost_usd is None


@pytest.mark.parametrize("cost", [0.0, 0.000001, MOST_USD])
def test_a_cost_that_can_be_is_believed(cost: float) -> None:
    assert told_by_claude({"usage": {}, "total_cost_usd": cost}).cost_usd == cost


def test_tokens_that_cannot_be_are_cut_down_and_not_priced() -> None:
    used = told_by_claude({"usage": {"input_tokens": 10**300, "output_tokens": 3}})
    assert (used.input_tokens, used.output_tokens, used.believable) == (MOST_TOKENS, 3, False)
    table = PriceTable(prices={"m": Price(input=1e-9, output=1.0)})
    assert table.priced(used, "m") == used
    assert (table.priced(Usage(output_tokens=3), "m") or Usage()).cost_usd == 3e-6


@given(
    st.fixed_dictionaries(dict.fromkeys(("input_tokens", "output_tokens", "cache_read_input_tokens"), numbers)),
    numbers,
)
def test_whatever_is_told_comes_to_amounts_that_can_be(used: dict[str, object], cost: object) -> None:
    found = told_by_claude({"usage": used, "total_cost_usd": cost})
    priced = PriceTable(prices={"m": Price(input=1e300, output=2.0)}).priced(found + found, "m")
    assert priced is not None
    for each in (found, priced, found.since(found)):
        assert all(0 <= getattr(each, name) <= MOST_TOKENS for name in TOKENS)
        assert each.cost_usd is None or 0 <= each.cost_usd <= MOST_USD


def test_what_is_stored_without_a_number_is_as_if_it_were_not_there() -> None:
    assert usage_from_json({"input_tokens": None, "output_tokens": 2, "cost_usd": -1.0}) == Usage(output_tokens=2)
