"""What attempts cost: as the agent tells, else by its model's price, else at the dearest price of its provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.limits.prices import PriceTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.tasks.usage import Usage

TELL_MONEY: Final = ("claude", "opencode", "cline", "aider")
"""Dialects of agents that price their own use, if they know their model's price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What some use of a model costs.

    Attributes:
        assumed: at the dearest price of the model's provider, since the model has none of its own.
    """

    usd: float
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Costing:
    """Prices what the agents of a run use."""

    backends: Mapping[str, Backend]
    prices: PriceTable = field(default_factory=PriceTable)

    def cost(self, agent: str, usage: Usage | None, model: str | None) -> Cost | None:
        """Returns what an agent's use of a model costs; None if nothing tells and nothing can be assumed."""
        if usage is None:
            return None
        known = self.prices.priced(usage, model)
        if known is not None and known.cost_usd is not None:
            return Cost(usd=known.cost_usd)
        dearest = self.prices.dearest(model, self.provider(agent))
        if dearest is None or not usage.believable:
            return None
        return Cost(usd=dearest.cost_usd(usage), assumed=True)

    def provider(self, agent: str) -> str | None:
        """Returns who sells the models of an agent; None if that is not known."""
        backend = self.backends.get(agent)
        if backend is None:
            return None
        named: str | None = getattr(backend, "provider", None)
        profile = PROFILES.get(self.dialect(agent))
        return named or (profile.provider if profile else None)

    def unwatchable(self, agent: str, model: str | None) -> str | None:
        """Returns why nobody can see what an agent spends on a model before it ends; None if somebody can."""
        known = self.prices.price_of(model) or self.prices.dearest(model, self.provider(agent))
        if known is not None or self.dialect(agent) in TELL_MONEY:
            return None
        return self.priceless(agent, model)

    def priceless(self, agent: str, model: str | None) -> str:
        """Says that a model has no price, and what to do about it."""
        seller = self.provider(agent)
        return (
            f"what {agent} spends cannot be watched: neither {model or 'the model that it chooses'} nor its provider"
            f"{f' {seller}' if seller else ''} has a price; name a model that has one, or put its price into "
            "~/.config/aurora/prices.yaml"
        )

    def dialect(self, agent: str) -> str:
        """Returns the name of what an agent prints; "" for plain text."""
        backend = self.backends.get(agent)
        speaking = with_events(backend) if backend else None
        return speaking.dialect.name if speaking and speaking.dialect else ""
