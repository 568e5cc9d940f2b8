"""The codes of JSON-RPC that Aurora answers with, in whatever protocol stands on it."""

from __future__ import annotations

from typing import Final

UNKNOWN_METHOD: Final = -32601
"""Nobody answers such a request here."""
INVALID_PARAMETERS: Final = -32602
