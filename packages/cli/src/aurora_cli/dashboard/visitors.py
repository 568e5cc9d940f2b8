"""Visitors of the dashboard: who sends a request, in which role, and what each role may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["OWNER", "READER", "Role", "Visitor", "may"]


class Role(StrEnum):
    """The rights of a visitor; each has those of the one before, too."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_ORDER: Final = tuple(Role)
_OF_OPERATORS: Final = frozenset({"pause", "resume", "cancel", "interrupt", "retry", "approve", "deny", "answer"})
"""Acts that keep a run going or end it, or answer a single question; all else takes the owner's rights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The sender of a request.

    Attributes:
        user: the name of a user who has signed in; "" for the holder of an address with a token.
        issuer: the provider that vouches for the user; "" if it was the password.
        subject: the provider's own id of the user.
        session: names the session of a user who has signed in; "" without one.
    """

    role: Role
    user: str = ""
    issuer: str = ""
    subject: str = ""
    session: str = ""

    @property
    def may_act(self) -> bool:
        """True if the visitor may change anything."""
        return self.role is not Role.VIEWER


OWNER: Final = Visitor(role=Role.ADMIN)
READER: Final = Visitor(role=Role.VIEWER)
"""Holders of the two addresses that `aur dashboard` prints."""


def may(role: Role, act: str) -> bool:
    """Returns True if visitors of a role may do what a form asks for."""
    return _ORDER.index(role) >= _ORDER.index(Role.OPERATOR if act in _OF_OPERATORS else Role.ADMIN)
