"""Names of keys in config.yaml, which holds no key itself."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

__all__ = ["named_key"]


def named_key(text: str) -> str:
    """Returns the name in `keys:NAME`; refuses a key itself, which must not be in a file or in a message."""
    scheme, _, name = text.partition(":")
    if scheme != "keys" or not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name):
        raise PydanticCustomError(
            "key",
            "must name a key, like keys:openai; the key itself is kept by `aur keys set openai`, not written here",
        )
    return name
