"""The cost of attempts: reported, priced, assumed at the provider's highest price, or unknown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from aurora_spawner import CliBackend, CommandBackend
from aurora_spawner.backends.dialects import DIALECTS
from aurora_spawner.spending.costing import Cost, Costing
from aurora_spawner.spending.prices import Price, PriceTable
from aurora_spawner.tasks.usage import MOST_TOKENS, Usage

if TYPE_CHECKING:
    from aurora_spawner import Backend

TABLE = PriceTable(
    prices={
        "known": Price(input=1.0, output=1.0, provider="anthropic"),
        "dear": Price(input=10.0, output=20.0, provider="anthropic"),
    }
)
MILLION = Usage(input_tokens=1_000_000)


def costing() -> Costing:
    program = (sys.executable,)
    backends: dict[str, Backend] = {
        "claude": CliBackend(name="claude", kind="claude"),
        "opencode": CliBackend(name="opencode", kind="opencode"),
        "qwen": CliBackend(name="qwen", kind="qwen"),
        "elsewhere": CliBackend(name="elsewhere", kind="qwen", named_provider="anthropic"),
        "script": CommandBackend("script", program, dialect=DIALECTS["claude"]),
        "plain": CommandBackend("plain", program),
    }
    return Costing(backends=backends, prices=TABLE)


def test_the_reported_cost_comes_first_then_the_price_then_the_highest_of_the_provider() -> None:
    told = Usage(input_tokens=1_000_000, cost_usd=0.25)
    assert costing().cost("claude", told, "unknown") == Cost(usd=0.25)
    assert costing().cost("claude", MILLION, "known") == Cost(usd=1.0)
    assert costing().cost("claude", MILLION, "unknown") == Cost(usd=10.0, assumed=True)
    assert costing().cost("claude", MILLION, None) == Cost(usd=10.0, assumed=True)


@pytest.mark.parametrize(("agent", "usd"), [("script", 10.0), ("elsewhere", 10.0), ("qwen", None), ("plain", None)])
def test_the_provider_is_the_named_one_or_that_of_what_the_agent_prints(agent: str, usd: float | None) -> None:
    found = costing().cost(agent, MILLION, "unknown")
    assert (found.usd if found else None) == usd


def test_impossible_and_unreported_tokens_have_an_unknown_cost() -> None:
    assert costing().cost("claude", Usage(input_tokens=MOST_TOKENS), "unknown") is None
    assert costing().cost("claude", None, "known") is None


def test_the_agents_without_a_price_are_known_before_they_start() -> None:
    assert costing().unpriced_reason("claude", "unknown") is None
    assert (
        costing().unpriced_reason("opencode", "here/m") is None
    )  # it prices what it knows; the rest is seen on the way
    assert costing().unpriced_reason("qwen", "known") is None
    assert costing().unpriced_reason("qwen", "anthropic/anything") is None
    why = costing().unpriced_reason("qwen", None)
    assert why is not None
    assert "neither its default model nor its provider qwen has a price" in why
    assert "prices.yaml" in why
