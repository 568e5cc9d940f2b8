"""Sign-ins under way: whoever begins many of them ends their own, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_cli.dashboard.provider import Begun
from aurora_cli.dashboard.signed_in import BEGUN_S, MOST_BEGUN, SignedIn

if TYPE_CHECKING:
    from collections.abc import Callable

FLOODS: dict[str, Callable[[int], str]] = {
    "one address": lambda _number: "203.0.113.7",
    "one network of IPv6": lambda number: f"2001:db8:1:2::{number:x}",
    "an unknown address": lambda _number: "",
}


def begun(state: str) -> Begun:
    return Begun(address="https://id.example", state=state, nonce="", verifier="")


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_sign_ins_ends_none_of_others(flood: str) -> None:
    signed_in = SignedIn(length_s=60)
    others = [signed_in.begin(begun(address), address) for address in ("198.51.100.1", "2001:db8:9::1")]
    for number in range(2 * MOST_BEGUN):
        last = signed_in.begin(begun(str(number)), FLOODS[flood](number))
    assert [found and found.state for found in map(signed_in.take, others)] == ["198.51.100.1", "2001:db8:9::1"]
    newest = signed_in.take(last)
    assert newest is not None
    assert newest.state == str(2 * MOST_BEGUN - 1)
    assert signed_in.take(last) is None, "each counts once"


def test_of_many_from_one_network_alone_the_oldest_ends() -> None:
    """As behind a proxy, where all have its address."""
    now = 0.0
    signed_in = SignedIn(length_s=60, clock=lambda: now)
    first, second, *_rest, last = [signed_in.begin(begun("x"), "10.0.0.1") for _ in range(MOST_BEGUN + 1)]
    assert signed_in.take(first) is None
    assert signed_in.take(second) is not None
    now = BEGUN_S + 1
    assert signed_in.take(last) is None, "it took too long"
