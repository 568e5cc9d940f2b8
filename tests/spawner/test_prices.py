"""Prices: the packaged table, a user's own over it, and what is not known stays unknown."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.errors import PriceFileError
from aurora_spawner.spending.prices import Price, PriceTable, load_prices
from aurora_spawner.tasks.usage import Usage


def test_the_packaged_table_says_when_it_was_true_and_where_it_is_from() -> None:
    table = load_prices()
    assert table.as_of
    assert table.price_of("claude-sonnet-4-5") == Price(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-5",
        "GPT-5",
        "openai/gpt-5",
        "gpt-5-2025-08-07",
        "openrouter/openai/gpt-5-latest",
    ],
)
def test_a_model_is_known_under_all_its_names(name: str) -> None:
    assert load_prices().price_of(name) == Price(input=1.25, output=10.0, cache_read=0.125)


@pytest.mark.parametrize("name", ["gpt-5-turbo", "gpt", "my-gpt-5", "", None, "claude-sonnet-4-5-beta", "/"])
def test_a_model_that_is_not_in_the_table_has_no_price(name: str | None) -> None:
    assert load_prices().price_of(name) is None


def test_the_models_that_claude_code_charges_for_have_the_prices_that_it_charges() -> None:
    """Measured with a stand-in that reports a million tokens of one kind at a time."""
    table = load_prices()
    assert table.price_of("claude-opus-5-5") == Price(input=4.0, output=20.0, cache_read=0.2, cache_write=5.0)
    assert table.price_of("claude-sonnet-5") == Price(input=2.0, output=10.0, cache_read=0.2, cache_write=2.5)


def test_every_packaged_model_names_its_provider() -> None:
    assert {price.provider for price in load_prices().prices.values()} == {"anthropic", "openai", "google"}


def test_the_highest_price_of_a_provider_is_found_for_each_kind_of_tokens() -> None:
    table = PriceTable(
        prices={
            "a-1": Price(input=1, output=9, cache_write=4, provider="a"),
            "a-2": Price(input=3, output=2, cache_read=0.5, provider="a"),
            "b-1": Price(input=50, output=50, provider="b"),
        }
    )
    highest = Price(input=3, output=9, cache_read=1, cache_write=4)
    assert (
        table.highest_price("a-9", "a")
        == table.highest_price(None, "A")
        == table.highest_price("a/a-9", "elsewhere")
        == highest
    )
    assert (
        table.highest_price("c-1", "c") is table.highest_price("c-1", None) is table.highest_price(None, "") is None
    )


def test_a_users_own_price_of_a_known_model_keeps_its_provider(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("models:\n  gpt-5: {input: 900, output: 9}\n  mine: {input: 1, output: 1, provider: Me}\n")
    table = load_prices(own)
    highest = table.highest_price("gpt-99", "openai")
    assert highest is not None
    assert highest.input == 900
    assert table.highest_price(None, "me") == Price(input=1, output=1, cache_read=1, cache_write=1)


def test_unknown_is_never_nothing() -> None:
    usage = Usage(input_tokens=1000)
    assert load_prices().priced(usage, "no-such-model") == usage
    assert load_prices().priced(None, "gpt-5") is None


def test_each_kind_of_token_has_its_price() -> None:
    million = 1_000_000
    usage = Usage(input_tokens=million, output_tokens=million, cache_read_tokens=million, cache_write_tokens=million)
    assert Price(input=1, output=10, cache_read=0.5, cache_write=2).cost_usd(usage) == 13.5
    assert Price(input=1, output=10).cost_usd(usage) == 13.0


def test_a_cost_that_an_agent_reports_itself_is_kept() -> None:
    usage = Usage(input_tokens=1000, cost_usd=0.5)
    assert load_prices().priced(usage, "gpt-5") == usage


def test_a_users_own_prices_come_first(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("as_of: '2026-11'\nmodels:\n  gpt-5: {input: 9, output: 9}\n  Mine: {input: 0, output: 0}\n")
    table = load_prices(own)
    assert table.as_of == "2026-11"
    assert table.price_of("gpt-5") == Price(input=9.0, output=9.0)
    free = table.priced(Usage(input_tokens=5), "mine")
    assert free is not None
    assert free.cost_usd == 0.0
    assert table.price_of("gpt-5-mini") is not None
    assert load_prices(tmp_path / "none.yaml").as_of == load_prices().as_of


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("models: [", 1, ""),
        ("models:\n  a: {input: -1, output: 1}\n", 2, "models.a.input"),
        ("models:\n  a: {input: 1}\n", 2, "models.a.output"),
        ("modls: {}\n", 1, "modls"),
        ("models:\n  a: {input: 1, output: 1}\n  a: {input: 2, output: 2}\n", 3, "models.a"),
        ("as_of: !!timestamp 1\nmodels: !!int x\n", 2, ""),
        ("models:\n  a: {input: .inf, output: 1}\n", 2, "models.a.input"),
    ],
)
def test_a_file_that_cannot_be_meant_is_named_with_its_field(
    tmp_path: Path, text: str, line: int, field: str
) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text(text)
    with pytest.raises(PriceFileError) as raised:
        load_prices(own)
    assert (raised.value.field, str(raised.value).startswith(str(own))) == (field, True)
    assert raised.value.line == line


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    own = tmp_path_factory.mktemp("prices") / "prices.yaml"
    own.write_bytes(content)
    with suppress(PriceFileError):
        assert load_prices(own).prices.keys() >= load_prices().prices.keys()


@given(st.integers(0, 10**8), st.integers(0, 10**8), st.floats(0, 1000), st.floats(0, 1000))
def test_more_tokens_never_cost_less(one: int, more: int, price_in: float, price_out: float) -> None:
    table = PriceTable(prices={"m": Price(input=price_in, output=price_out)})
    less, all_of_it = (
        table.priced(Usage(input_tokens=count, output_tokens=count), "m") for count in (one, one + more)
    )
    assert less is not None
    assert all_of_it is not None
    assert (all_of_it.cost_usd or 0) >= (less.cost_usd or 0) >= 0
