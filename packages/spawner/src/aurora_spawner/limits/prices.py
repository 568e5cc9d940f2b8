"""What models cost: tokens → US dollars, by a table that users can edit. A model that is not in it costs unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_spawner.errors import PriceFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.storage.plain_yaml import PlainYaml
    from aurora_spawner.tasks.usage import Usage

MAX_BYTES: Final = 256_000
"""Of a table of some thousand models."""
_MILLION: Final = 1_000_000
# claude-sonnet-4-5-20250929, gpt-5-2025-08-07, gemini-2.5-pro-latest: the same model at some date.
_EDITION: Final = re.compile(r"[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|latest|preview(?:-\d{2}-\d{2})?)$")
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _PriceFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: _Amount
    output: _Amount
    cache_read: _Amount | None = None
    cache_write: _Amount | None = None
    provider: str = ""


class _TableFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: str = ""
    source: str = ""
    models: dict[str, _PriceFile] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one model, in US dollars for a million tokens of each kind."""

    input: float
    output: float
    cache_read: float | None = None
    """None: like fresh input, which is not less."""
    cache_write: float | None = None
    provider: str = field(default="", compare=False)
    """Who sells the model; "" if the table does not say."""

    def cost_usd(self, usage: Usage) -> float:
        """What these tokens cost."""
        cache_read = self.input if self.cache_read is None else self.cache_read
        cache_write = self.input if self.cache_write is None else self.cache_write
        micros = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * cache_read
            + usage.cache_write_tokens * cache_write
        )
        return micros / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by model."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    as_of: str = ""
    """When the prices were true, as the file says."""

    def price_of(self, model: str | None) -> Price | None:
        """Of a model as agents call it: `anthropic/claude-sonnet-4-5-20250929`; None where it is not known."""
        if not model:
            return None
        name = model.lower()
        for each in (name, name.rpartition("/")[2]):
            found = self.prices.get(each) or self.prices.get(_EDITION.sub("", each))
            if found:
                return found
        return None

    def dearest(self, model: str | None, provider: str | None) -> Price | None:
        """Returns the highest price of each kind of tokens that a provider asks for any model; None if it has none.

        Args:
            model: as agents call it; of `openai/gpt-x` the provider is OpenAI, whoever runs the agent.
        """
        maker, slash, _name = (model or "").lower().partition("/")
        for seller in (maker if slash else "", (provider or "").lower()):
            sold = [price for price in self.prices.values() if seller and price.provider == seller]
            if sold:
                return Price(
                    input=max(each.input for each in sold),
                    output=max(each.output for each in sold),
                    cache_read=max(each.input if each.cache_read is None else each.cache_read for each in sold),
                    cache_write=max(each.input if each.cache_write is None else each.cache_write for each in sold),
                    provider=seller,
                )
        return None

    def priced(self, usage: Usage | None, model: str | None) -> Usage | None:
        """The usage with its cost, where the agent tells none, but tokens that can be, and the price is known."""
        price = self.price_of(model)
        if usage is None or usage.cost_usd is not None or price is None or not usage.believable:
            return usage
        return replace(usage, cost_usd=price.cost_usd(usage))


def load_prices(own: Path | None = None) -> PriceTable:
    """The table that comes with the package, with a user's own prices over it.

    Args:
        own: The user's file, of the same form; one that is not there changes nothing.

    Raises:
        PriceFileError: The user's file cannot be understood.
    """
    from aurora_spawner.storage.plain_yaml import PlainYamlError, parse_plain_yaml, read_plain_yaml

    packaged = files("aurora_spawner.limits").joinpath("prices.yaml")
    table = _table(parse_plain_yaml(packaged.read_text(encoding="utf-8")), packaged)
    if own is None:
        return table
    try:
        mine = _table(read_plain_yaml(own, max_bytes=MAX_BYTES), own)
    except FileNotFoundError:
        return table
    except PlainYamlError as error:
        raise PriceFileError(own, error.line, "", error.reason) from error
    own_prices = {
        name: price
        if price.provider or name not in table.prices
        else replace(price, provider=table.prices[name].provider)
        for name, price in mine.prices.items()
    }
    return PriceTable(prices={**table.prices, **own_prices}, as_of=mine.as_of or table.as_of)


def _table(document: PlainYaml, path: object) -> PriceTable:
    if document.repeated:
        again = document.repeated[0]
        field = ".".join(map(str, again.place))
        raise PriceFileError(path, again.line, field, f"is given twice, first in line {again.first_line}; keep one")
    try:
        found = _TableFile.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PriceFileError(
            path, _line_of(first["loc"], document), ".".join(map(str, first["loc"])), first["msg"]
        ) from error
    prices = {
        name.lower(): Price(
            input=each.input,
            output=each.output,
            cache_read=each.cache_read,
            cache_write=each.cache_write,
            provider=each.provider.lower(),
        )
        for name, each in found.models.items()
    }
    return PriceTable(prices=prices, as_of=found.as_of)


def _line_of(place: tuple[int | str, ...], document: PlainYaml) -> int | None:
    return next((line for end in range(len(place), 0, -1) if (line := document.lines.get(place[:end]))), None)
