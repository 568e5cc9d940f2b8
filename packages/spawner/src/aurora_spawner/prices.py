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

    from aurora_spawner.usage import Usage

MAX_BYTES: Final = 1_000_000
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
    packaged = files("aurora_spawner").joinpath("prices.yaml")
    table = _parsed(packaged.read_text(encoding="utf-8"), packaged)
    text = None if own is None else _text(own)
    if own is None or text is None:
        return table
    mine = _parsed(text, own)
    return PriceTable(prices={**table.prices, **mine.prices}, as_of=mine.as_of or table.as_of)


def _text(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PriceFileError(path, None, "", f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise PriceFileError(path, None, "", f"is larger than {MAX_BYTES // _MILLION} MB; this is no table of prices")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PriceFileError(path, line, "", "is not UTF-8 text; save it as UTF-8") from error


def _parsed(text: str, path: object) -> PriceTable:
    import yaml

    try:
        found = _TableFile.model_validate(yaml.safe_load(text) or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PriceFileError(path, None, ".".join(map(str, first["loc"])), first["msg"]) from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise PriceFileError(path, mark.line + 1 if mark else None, "", f"is not valid YAML: {reason}") from error
    prices = {
        name.lower(): Price(
            input=each.input, output=each.output, cache_read=each.cache_read, cache_write=each.cache_write
        )
        for name, each in found.models.items()
    }
    return PriceTable(prices=prices, as_of=found.as_of)
