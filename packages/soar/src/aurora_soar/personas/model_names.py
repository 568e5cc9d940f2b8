"""Check of model names: a persona's model becomes an argument of an agent's command, so it must not be prose."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_model_name"]

# A provider's prefix, a version and a variant in brackets occur: "openrouter/x-ai/grok-4:free", "opus[1m]".
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}(?:\[[A-Za-z0-9]{1,9}\])?")


def is_model_name(text: str) -> bool:
    """Returns True if a text is one word of the characters that model names consist of."""
    return _MODEL.fullmatch(text) is not None
