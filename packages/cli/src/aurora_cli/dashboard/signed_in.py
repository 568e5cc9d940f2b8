"""The sessions of users who have signed in, and the sign-ins that have begun; kept by the server, in memory alone."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_cli.dashboard.provider import Begun
    from aurora_cli.dashboard.visitors import Visitor

__all__ = ["SignedIn"]

BEGUN_S: Final = 600.0
"""Time for a user to come back from the provider."""
MOST_BEGUN: Final = 1_000
MOST_SESSIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Session:
    visitor: Visitor
    until: float


@dataclass(frozen=True, slots=True)
class _Begun:
    begun: Begun
    until: float
    network: str


@dataclass(slots=True, kw_only=True)
class SignedIn:
    """The users who have signed in, by the token of the cookie; nothing of it survives the server.

    Attributes:
        length_s: time after which a user has to sign in again.
    """

    length_s: float
    clock: Callable[[], float] = time.monotonic
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _begun: dict[str, _Begun] = field(default_factory=dict)

    def begin(self, begun: Begun, address: str) -> str:
        """Keeps a sign-in that has begun; returns the token by which it is found, once.

        Of too many, the oldest from the network with the most of them ends: whoever begins a thousand ends their own.

        Args:
            address: that from which it was begun; "" if it is not known.
        """
        now = self.clock()
        self._begun = {key: each for key, each in self._begun.items() if each.until > now}
        while len(self._begun) >= MOST_BEGUN:
            ((most, _times),) = Counter(each.network for each in self._begun.values()).most_common(1)
            del self._begun[next(key for key, each in self._begun.items() if each.network == most)]
        token = secrets.token_urlsafe(32)
        self._begun[token] = _Begun(begun, now + BEGUN_S, _network_of(address))
        return token

    def take(self, token: str) -> Begun | None:
        """Returns a sign-in that has begun, and forgets it; None if there is none, or it took too long."""
        found = self._begun.pop(token, None)
        return found.begun if found is not None and found.until > self.clock() else None

    def enter(self, visitor: Visitor) -> str:
        """Opens a session; returns the token of its cookie. Of too many, the oldest ends."""
        now = self.clock()
        self._sessions = {key: each for key, each in self._sessions.items() if each.until > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        token = secrets.token_urlsafe(32)
        self._sessions[token] = _Session(visitor, now + self.length_s)
        return token

    def visitor(self, token: str) -> Visitor | None:
        """Returns who has signed in; None if nobody has, or the session is over."""
        found = self._sessions.get(token)
        return found.visitor if found is not None and found.until > self.clock() else None

    def left_s(self, token: str) -> float:
        """Returns the seconds that a session lasts from now on; 0 if it is over."""
        found = self._sessions.get(token)
        return 0.0 if found is None else max(0.0, found.until - self.clock())

    def leave(self, token: str) -> None:
        """Ends a session."""
        self._sessions.pop(token, None)


def _network_of(address: str) -> str:
    """Returns the network that one machine may have to itself: of IPv6 the first half of the address."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(known) if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))
