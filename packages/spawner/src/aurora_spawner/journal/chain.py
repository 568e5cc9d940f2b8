"""The hash chain: an event's hash covers the event and the hash before it, so nothing can be changed unseen."""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring_ascii

GENESIS = bytes(32)
"""Stands before the first event."""


def payload_digest(payload: str) -> bytes:
    """The payload's own hash."""
    return hashlib.sha256(payload.encode("ascii")).digest()


def link(
    before: bytes, *, seq: int, at: float, run_id: str, task_id: str | None, kind: str, payload_hash: bytes
) -> bytes:
    """The hash of an event.

    The payload enters by its own hash, so that a cleaned run can lose its payloads and the chain still holds.
    """
    task = "null" if task_id is None else encode_basestring_ascii(task_id)
    head = f"[{seq},{at!r},{encode_basestring_ascii(run_id)},{task},{encode_basestring_ascii(kind)}]"  # as JSON
    return hashlib.sha256(before + payload_hash + head.encode("ascii")).digest()
