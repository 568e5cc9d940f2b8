"""The hash chain: an event's hash covers the event and the hash before it, so that every change shows."""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring_ascii

GENESIS = bytes(32)
"""The hash before the first event."""


def payload_digest(payload: str) -> bytes:
    """Returns the hash of a payload."""
    return hashlib.sha256(payload.encode("ascii")).digest()


def link(
    before: bytes, *, seq: int, at: float, run_id: str, task_id: str | None, kind: str, payload_hash: bytes
) -> bytes:
    """Returns the hash of an event.

    The payload enters by its own hash, so that the chain holds after a clean-up has removed payloads.
    """
    task = "null" if task_id is None else encode_basestring_ascii(task_id)
    head = f"[{seq},{at!r},{encode_basestring_ascii(run_id)},{task},{encode_basestring_ascii(kind)}]"  # as JSON
    return hashlib.sha256(before + payload_hash + head.encode("ascii")).digest()
