"""Settings of the dashboard in the user's own configuration: its address, and who gets in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core.settings.dashboard_file import DashboardFile, OidcFile

__all__ = ["USER_ONLY", "DashboardConfig", "OidcConfig", "dashboard_config"]

USER_ONLY: Final = ("dashboard", "audit")
"""Sections that a project's file must not have, trusted or not: they say who may act, and what is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """The OpenID Connect provider with which users sign in.

    Attributes:
        issuer: the provider's address, as its tokens name it.
        client_id: the name under which the provider knows the dashboard.
        client_secret: the name of the key with the secret; None for a client without one.
        scopes: what is asked for; openid is always.
        claim: the claim that says what a user is.
        roles: the role that each value of the claim gives; of several, the one with the most rights counts.
        session_minutes: time after which a user has to sign in again.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...]
    claim: str
    roles: Mapping[str, str] = field(default_factory=dict)
    session_minutes: int = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    """The address of the dashboard, and the ways in.

    Attributes:
        address: the origin under which browsers see it; None for the one that it listens on.
        password: the name of the key with the owner's password; None without one.
        oidc: None without a provider.
    """

    address: str | None = None
    password: str | None = None
    oidc: OidcConfig | None = None


def dashboard_config(found: DashboardFile | None) -> DashboardConfig:
    """Returns the settings of a file; the defaults for None."""
    if found is None:
        return DashboardConfig()
    return DashboardConfig(
        address=found.address, password=found.password, oidc=None if found.oidc is None else _oidc(found.oidc)
    )


def _oidc(found: OidcFile) -> OidcConfig:
    named = found.roles
    ascending = (("viewer", named.viewer), ("operator", named.operator), ("admin", named.admin))
    return OidcConfig(
        issuer=found.issuer,
        client_id=found.client_id,
        client_secret=found.client_secret,
        scopes=tuple(dict.fromkeys(("openid", *found.scopes))),
        claim=named.claim,
        roles={value: role for role, values in ascending for value in values},
        session_minutes=found.session_minutes,
    )
