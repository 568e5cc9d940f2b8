"""The entrances of a dashboard: where it listens, under which addresses it is seen, and who gets in how."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_cli.dashboard.access import Access, new_access
from aurora_cli.dashboard.sign_in import CALLBACK, SignIn
from aurora_cli.dashboard.sign_in_errors import (
    CertificateError,
    NoAddressError,
    OidcMissingError,
    UnprotectedError,
    WeakPasswordError,
)
from aurora_cli.dashboard.signed_in import SignedIn
from aurora_core.settings.secure_addresses import is_loopback, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_cli.dashboard.provider import Provider
    from aurora_core.settings.dashboard_config import DashboardConfig, OidcConfig
    from aurora_spawner.journal.approval_facts import SignInSeen

__all__ = ["Certificate", "Entrances", "check_host", "entrances"]

LEAST_PASSWORD: Final = 12
"""Characters of the shortest password."""
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 -- to tell them, not to listen there
PASSWORD_SESSION_S: Final = 8 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The files with which the server proves itself.

    Attributes:
        chain: the certificate, with those that vouch for it.
        key: its private key.
    """

    chain: Path
    key: Path

    def check(self) -> None:
        """Sees that the files can be used.

        Raises:
            CertificateError: they cannot.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise CertificateError(self.chain, self.key, error) from error


def _no_password() -> str:
    raise ValueError("the key has a password, and nobody can enter it here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrances:
    """The ways into a dashboard.

    Attributes:
        address: that under which browsers see the dashboard.
        sign_in: None if nobody can sign in.
    """

    address: str
    access: Access
    sign_in: SignIn | None


def check_host(host: str, certificate: Certificate | None, config: DashboardConfig) -> None:
    """Sees that a dashboard which other machines reach is protected.

    Raises:
        UnprotectedError: It would be reached without TLS, or by everybody who reads its address somewhere.
        NoAddressError: Nothing says under which address browsers see it.
        CertificateError: The certificate cannot be used.
    """
    if certificate is not None:
        certificate.check()
    if is_loopback(host):
        return
    if certificate is None:
        raise UnprotectedError(host, "TLS", "give --certificate and --private-key")
    if config.password is None and config.oidc is None:
        raise UnprotectedError(
            host, "a password of your own", "set dashboard.password, or dashboard.oidc, in your own configuration"
        )
    if host in _EVERYWHERE and config.address is None:
        raise NoAddressError(host)


def entrances(
    config: DashboardConfig,
    listening: tuple[str, int],
    *,
    tls: bool,
    key: Callable[[str], str],
    told: Callable[[str], None],
    record: Callable[[SignInSeen], None],
) -> Entrances:
    """Returns the entrances of a server.

    Args:
        listening: its host and port.
        tls: True if it has a certificate.
        key: returns the value of a key by its name.
        told: is told of each sign-in and refusal, in a line.
        record: writes each of them down, durably.

    Raises:
        WeakPasswordError: the password is too short.
        OidcMissingError: what OpenID Connect needs is not installed.
        UnknownKeyError, KeyStoreError: there is no such key.
    """
    origins = _origins(config, *listening, tls=tls)
    address = origins[0]
    password = key(config.password) if config.password is not None else None
    if password is not None and len(password) < LEAST_PASSWORD:
        raise WeakPasswordError(LEAST_PASSWORD)
    provider = _provider(config.oidc, address, key) if config.oidc is not None else None
    if password is None and provider is None:
        return Entrances(address=address, access=new_access(frozenset(origins)), sign_in=None)
    signed_in = SignedIn(length_s=config.oidc.session_minutes * 60.0 if config.oidc else PASSWORD_SESSION_S)
    access = new_access(frozenset(origins), signed_in=signed_in)
    sign_in = SignIn(
        signed_in=signed_in,
        place=access.place,
        cookie=access.cookie,
        secure=access.secure,
        told=told,
        record=record,
        provider=provider,
        password=password,
    )
    return Entrances(address=address, access=access, sign_in=sign_in)


def _origins(config: DashboardConfig, host: str, port: int, *, tls: bool) -> list[str]:
    """Returns the addresses under which the dashboard is seen; a configured one is the only one."""
    if config.address is not None:
        return [config.address]
    names = [f"[{host}]" if ":" in host else host, *(["localhost"] if is_loopback(host) else [])]
    return [origin_of(f"{'https' if tls else 'http'}://{name}:{port}") for name in dict.fromkeys(names)]


def _provider(config: OidcConfig, address: str, key: Callable[[str], str]) -> Provider:
    try:
        from aurora_cli.dashboard.provider import Provider
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("authlib", "joserfc", "httpx2"):
            raise
        raise OidcMissingError from error
    secret = None if config.client_secret is None else key(config.client_secret)
    return Provider(config, secret=secret, callback=f"{address}{CALLBACK}")
