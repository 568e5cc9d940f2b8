"""Errors of the entrances of the dashboard; with each of them nobody is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.errors import CliError
from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CertificateError",
    "NoAddressError",
    "OidcMissingError",
    "ProviderError",
    "RefusedSignInError",
    "UnprotectedError",
    "WeakPasswordError",
]


class OidcMissingError(CliError):
    """The library for OpenID Connect is not installed."""

    exit_code = ExitCode.ENVIRONMENT
    hint = "install it: pip install 'aurora-aur[oidc]'"

    def __init__(self) -> None:
        super().__init__("signing in by OpenID Connect (dashboard.oidc) needs authlib")


class ProviderError(CliError):
    """The provider cannot be reached, or not be used.

    Attributes:
        issuer: its address.
    """

    exit_code = ExitCode.ENVIRONMENT
    hint = "try again later, or correct `dashboard.oidc` in your configuration"

    def __init__(self, issuer: str, problem: str) -> None:
        self.issuer = issuer
        super().__init__(f"the sign-in provider {issuer} cannot be used: {problem}")


class RefusedSignInError(CliError):
    """A sign-in does not hold, or the user may not come in.

    Attributes:
        user: the user, as far as it is known for sure.
    """

    def __init__(self, problem: str, *, user: str = "") -> None:
        self.user = user
        super().__init__(problem)


class UnprotectedError(CliError):
    """The dashboard would be reached by other machines without protection."""

    def __init__(self, host: str, missing: str, hint: str) -> None:
        self.hint = hint
        super().__init__(f"other machines can reach the dashboard on {host}; that needs {missing}")


class NoAddressError(CliError):
    """The dashboard listens everywhere, and nothing says under which address browsers see it."""

    hint = "set dashboard.address in your own configuration, for example https://aurora.example.com:8766"

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} means all addresses of this machine, and a browser needs one")


class CertificateError(CliError):
    """The certificate of the dashboard cannot be used."""

    def __init__(self, chain: Path, key: Path, error: Exception) -> None:
        super().__init__(f"{chain}, {key}: these cannot be used as certificate and private key: {error}")
        self.hint = "both must be PEM files; the key must belong to the certificate and have no password"


class WeakPasswordError(CliError):
    """The password of the dashboard is too short."""

    hint = "a new one: python3 -c 'import secrets; print(secrets.token_urlsafe(18))'"

    def __init__(self, least: int) -> None:
        super().__init__(f"the key of dashboard.password must have at least {least} characters")
