"""The hash chain: an event's hash covers the event and the hash before it, so nothing can be changed unseen."""

from __future__ import annotations

import hashlib
import json

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True)

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
    head = _ENCODER.encode([seq, at, run_id, task_id, kind])
    return hashlib.sha256(before + payload_hash + head.encode("ascii")).digest()
