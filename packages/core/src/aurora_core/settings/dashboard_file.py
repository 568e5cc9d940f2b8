"""The schema of `dashboard:` and `audit:` in the user's own config.yaml."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from aurora_core.settings.key_names import named_key
from aurora_core.settings.secure_addresses import is_secure, origin_of

__all__ = ["AuditFile", "DashboardFile", "OidcFile", "RolesFile"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Word = Annotated[str, Field(min_length=1, max_length=500)]


def _secure_address(text: str) -> str:
    """Refuses an address that others could read, or stand in for."""
    parts = urlsplit(text)
    if not is_secure(text) or "@" in parts.netloc or parts.query or parts.fragment or not text.isprintable():
        raise PydanticCustomError("address", "must be https://…, or http://… on this machine, without user or query")
    return text


def _origin(text: str) -> str:
    """Returns the origin of an address that has no path."""
    if urlsplit(_secure_address(text)).path not in ("", "/"):
        raise PydanticCustomError("address", "must have no path: the dashboard is at the root of its address")
    return origin_of(text)


class RolesFile(_Strict):
    """The role of each user: values of a claim that the provider makes."""

    claim: _Word = "groups"
    viewer: list[_Word] = Field(default_factory=list)
    operator: list[_Word] = Field(default_factory=list)
    admin: list[_Word] = Field(default_factory=list)

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> RolesFile:
        if not (self.viewer or self.operator or self.admin):
            raise PydanticCustomError(
                "roles", "must have a value for viewer, operator or admin; otherwise nobody can sign in"
            )
        return self


class OidcFile(_Strict):
    """The provider with which users sign in."""

    issuer: Annotated[_Word, AfterValidator(_secure_address)]
    client_id: _Word
    client_secret: Annotated[str, AfterValidator(named_key)] | None = None
    scopes: Annotated[list[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]], Field(max_length=30)] = (
        Field(default=["openid", "profile", "email"])
    )
    roles: RolesFile
    session_minutes: Annotated[int, Field(ge=1, le=1440)] = 480


class DashboardFile(_Strict):
    """The address of the dashboard, and who gets in."""

    address: Annotated[_Word, AfterValidator(_origin)] | None = None
    password: Annotated[str, AfterValidator(named_key)] | None = None
    oidc: OidcFile | None = None


class AuditFile(_Strict):
    """The time for which the journal keeps the content of runs."""

    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
