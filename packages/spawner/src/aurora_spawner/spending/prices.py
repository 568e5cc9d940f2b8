"""Prices of models: tokens → US dollars, by a table that users can edit. The cost of other models is unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_spawner.errors import PriceFileError
from aurora_spawner.storage.problem_words import problem_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.storage.plain_yaml import PlainYaml
    from aurora_spawner.tasks.usage import Usage

MAX_BYTES: Final = 256_000
"""The largest table: some thousand models."""
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
    """The price of one model, in US dollars for a million tokens of each kind."""

    input: float
    output: float
    cache_read: float | None = None
    """None for the price of fresh input, which is not lower."""
    cache_write: float | None = None
    provider: str = field(default="", compare=False)
    """The seller of the model; "" if the table does not name it."""

    def cost_usd(self, usage: Usage) -> float:
        """Returns the cost of some use."""
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
    """The date of the prices, as the file gives it."""

    def price_of(self, model: str | None) -> Price | None:
        """Returns the price of a model such as `anthropic/claude-sonnet-4-5-20250929`; None if it is unknown."""
        if not model:
            return None
        name = model.lower()
        for each in (name, name.rpartition("/")[2]):
            found = self.prices.get(each) or self.prices.get(_EDITION.sub("", each))
            if found:
                return found
        return None

    def highest_price(self, model: str | None, provider: str | None) -> Price | None:
        """Returns the highest price of a provider for each kind of tokens; None if the table has none.

        Args:
            model: The agent's name for it; the maker in `openai/gpt-x` counts before `provider`.
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
        """Returns the usage with its cost, computed if the agent reports only tokens and the price is known."""
        price = self.price_of(model)
        if usage is None or usage.cost_usd is not None or price is None or not usage.believable:
            return usage
        return replace(usage, cost_usd=price.cost_usd(usage))


def load_prices(own: Path | None = None) -> PriceTable:
    """Returns the table of the package, with a user's own prices over it.

    Args:
        own: The user's file, in the form of the package's table; a missing file changes nothing.

    Raises:
        PriceFileError: The user's file is malformed.
    """
    from aurora_spawner.storage.plain_yaml import PlainYamlError, parse_plain_yaml, read_plain_yaml

    packaged = files("aurora_spawner.spending").joinpath("prices.yaml")
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
            path, _line_of(first["loc"], document), ".".join(map(str, first["loc"])), problem_words(first)
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
