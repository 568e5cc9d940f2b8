"""The cost of attempts: by the agent's report, else by its model's price, else at its provider's highest price."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.spending.prices import PriceTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.tasks.usage import Usage

REPORT_COST: Final = ("claude", "opencode", "cline", "aider")
"""Dialects of agents that report the cost of their use, if they know their model's price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of some use of a model.

    Attributes:
        assumed: True if it is computed with the highest price of the provider, since the model has no price.
    """

    usd: float
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Costing:
    """The prices of what the agents of a run use."""

    backends: Mapping[str, Backend]
    prices: PriceTable = field(default_factory=PriceTable)

    def cost(self, agent: str, usage: Usage | None, model: str | None) -> Cost | None:
        """Returns the cost of an agent's use of a model; None if there is no price to compute it with."""
        if usage is None:
            return None
        known = self.prices.priced(usage, model)
        if known is not None and known.cost_usd is not None:
            return Cost(usd=known.cost_usd)
        highest = self.prices.highest_price(model, self.provider(agent))
        if highest is None or not usage.believable:
            return None
        return Cost(usd=highest.cost_usd(usage), assumed=True)

    def provider(self, agent: str) -> str | None:
        """Returns the provider that sells the models of an agent; None if it is unknown."""
        backend = self.backends.get(agent)
        if backend is None:
            return None
        named: str | None = getattr(backend, "provider", None)
        profile = PROFILES.get(self.dialect(agent))
        return named or (profile.provider if profile else None)

    def unpriced_reason(self, agent: str, model: str | None) -> str | None:
        """Explains why the spending of a running agent cannot be measured; None if it can."""
        known = self.prices.price_of(model) or self.prices.highest_price(model, self.provider(agent))
        if known is not None or self.dialect(agent) in REPORT_COST:
            return None
        return self.no_price_message(agent, model)

    def no_price_message(self, agent: str, model: str | None) -> str:
        """Explains that a model has no price, with the next step."""
        seller = self.provider(agent)
        return (
            f"{agent}: spending cannot be measured: neither {model or 'its default model'} nor its provider"
            f"{f' {seller}' if seller else ''} has a price; name a model with a price, or add the price to "
            "~/.config/aurora/prices.yaml"
        )

    def dialect(self, agent: str) -> str:
        """Returns the name of an agent's dialect; "" for plain text."""
        backend = self.backends.get(agent)
        speaking = with_events(backend) if backend else None
        return speaking.dialect.name if speaking and speaking.dialect else ""
