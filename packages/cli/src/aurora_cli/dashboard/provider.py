"""The OpenID Connect provider: finds its addresses, sends users there, and checks what it says of them.

Code flow with PKCE. Each sign-in has a state, a nonce and a verifier of its own; a token counts only with a signature
by a key of the provider, in an algorithm with a public key, for this client, from this issuer, and in time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet

from aurora_cli.dashboard.sign_in_errors import ProviderError, RefusedSignInError
from aurora_cli.dashboard.visitors import Role, Visitor
from aurora_core.settings.secure_addresses import is_secure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from joserfc.jwk import Key

    from aurora_core.settings.dashboard_config import OidcConfig

__all__ = ["Begun", "Provider"]

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are believed: those with a public key. `none` and those with a shared secret are not among them."""
KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})
TIMEOUT_S: Final = 10.0
FRESH_S: Final = 3600.0
"""The age at which addresses and keys of the provider are asked for again."""
LEEWAY_S: Final = 60
"""The difference of two clocks that is no reason to refuse a token."""
NAME_CHARS: Final = 200
_NAMES: Final = ("preferred_username", "email", "name", "sub")
_ADDRESSES: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that has begun: what the answer of the provider must fit.

    Attributes:
        address: the provider's page to which the user goes.
    """

    address: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Provider:
    """The provider of one configuration.

    Args:
        secret: the client's secret; None for a client without one.
        callback: the address to which the provider sends users back.
    """

    def __init__(self, config: OidcConfig, *, secret: str | None, callback: str) -> None:
        self._config = config
        self._secret = secret
        self._callback = callback
        self._found: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._asked = 0.0
        self._lock = asyncio.Lock()

    @property
    def issuer(self) -> str:
        """Its address."""
        return self._config.issuer

    @property
    def sign_out_address(self) -> str:
        """Its page on which users sign out of everything; "" if it has named none, or was not asked yet."""
        found = self._found.get("end_session_endpoint")
        return found if isinstance(found, str) and is_secure(found) else ""

    async def begin(self) -> Begun:
        """Returns a new sign-in.

        Raises:
            ProviderError: the provider cannot be reached or used.
        """
        found = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        async with self._client() as client:
            address, _ = client.create_authorization_url(
                found["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return Begun(address=address, state=state, nonce=nonce, verifier=verifier)

    async def finish(self, begun: Begun, *, code: str, session: str) -> Visitor:
        """Returns the user whom the provider has sent back with a code.

        Args:
            session: names the session that the user gets.

        Raises:
            ProviderError: the provider cannot be reached or used.
            RefusedSignInError: the code or the token does not hold, or the user has no role here.
        """
        found = await self._metadata()
        with self._told("redeem a code"):
            async with self._client() as client:
                try:
                    token = await client.fetch_token(found["token_endpoint"], code=code, code_verifier=begun.verifier)
                except OAuthError as error:
                    raise RefusedSignInError(f"the provider did not redeem the code: {error}") from error
                claims = await self._claims(token, begun.nonce)
                said = await self._said_of_roles(client, token, claims)
        role = self._role(said)
        name = next((value for key in _NAMES if isinstance(value := {**said, **claims}.get(key), str) and value), "")
        if role is None:
            raise RefusedSignInError(
                f"{name[:NAME_CHARS]} has no role here: the claim {self._config.claim!r} has no value that"
                " `dashboard.oidc.roles` lists; ask the admin of this dashboard to add one",
                user=name[:NAME_CHARS],
            )
        return Visitor(role=role, user=name[:NAME_CHARS], issuer=self.issuer, subject=claims["sub"], session=session)

    # What the provider says of itself.

    async def _metadata(self) -> Mapping[str, Any]:
        async with self._lock:
            if not self._found or time.monotonic() - self._asked > FRESH_S:
                address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                with self._told("be asked for its addresses"):
                    async with self._client() as client:
                        found = await _document(client, address)
                self._check(found)
                self._found, self._keys, self._asked = found, None, time.monotonic()
        return self._found

    def _check(self, found: Mapping[str, Any]) -> None:
        if found.get("issuer") != self.issuer:
            raise ProviderError(
                self.issuer, f"its issuer is {str(found.get('issuer'))!r:.200}, not the one that is configured"
            )
        for name in _ADDRESSES:
            if not (isinstance(found.get(name), str) and is_secure(found[name])):
                raise ProviderError(self.issuer, f"its {name} is not an https address")
        methods = found.get("code_challenge_methods_supported")
        if isinstance(methods, list) and "S256" not in methods:
            raise ProviderError(self.issuer, "it does not support PKCE with S256")

    async def _key_set(self, client: AsyncOAuth2Client, *, anew: bool = False) -> KeySet:
        if self._keys is None or anew:
            found = (await _document(client, self._found["jwks_uri"])).get("keys")
            keys = map(_key, found if isinstance(found, list) else [])
            self._keys = KeySet([each for each in keys if each is not None])
        return self._keys

    # What it says of a user.

    async def _claims(self, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Returns the claims of a token, all of them checked."""
        given = token.get("id_token")
        if not isinstance(given, str):
            raise RefusedSignInError("the provider did not send an ID token")
        try:
            async with self._client() as client:
                try:
                    read = jwt.decode(given, await self._key_set(client), algorithms=ALGORITHMS)
                except (InvalidKeyIdError, BadSignatureError):  # the provider has new keys, perhaps without names
                    read = jwt.decode(given, await self._key_set(client, anew=True), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "values": [self.issuer]},
                    "aud": {"essential": True, "value": self._config.client_id},
                },
                {"nonce": nonce, "client_id": self._config.client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise RefusedSignInError(f"the ID token is not valid: {str(error) or type(error).__name__}") from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise RefusedSignInError("the ID token names no user")
        return dict(claims)

    async def _said_of_roles(
        self, client: AsyncOAuth2Client, token: Mapping[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Returns the claims, with those of the user-info address if the one for roles is not among them."""
        address = self._found.get("userinfo_endpoint")
        if _value(claims, self._config.claim) is not None or not (isinstance(address, str) and is_secure(address)):
            return claims
        bearer = {"authorization": f"Bearer {token.get('access_token')}"}
        found = await _document(client, address, headers=bearer)
        if found.get("sub") != claims["sub"]:
            raise RefusedSignInError("the provider's user info is about another user")
        return {**found, **claims}

    def _role(self, said: Mapping[str, Any]) -> Role | None:
        value = _value(said, self._config.claim)
        values = value if isinstance(value, list) else [value]
        roles = {self._config.roles.get(each) for each in values if isinstance(each, str)}
        return next((role for role in reversed(Role) if role.value in roles), None)

    # Requests.

    def _client(self) -> AsyncOAuth2Client:
        methods = self._found.get("token_endpoint_auth_methods_supported")
        by_post = isinstance(methods, list) and "client_secret_basic" not in methods
        method = "client_secret_post" if by_post else "client_secret_basic"
        return AsyncOAuth2Client(
            client_id=self._config.client_id,
            client_secret=self._secret,
            token_endpoint_auth_method=method if self._secret else "none",
            scope=" ".join(self._config.scopes),
            redirect_uri=self._callback,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turns what goes wrong on the way into an error about the provider."""
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise ProviderError(self.issuer, f"it could not {what}: {str(error) or type(error).__name__}") from error


async def _document(client: AsyncOAuth2Client, address: str, **more: Any) -> dict[str, Any]:
    answer = await client.request("GET", address, withhold_token=True, **more)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError(f"{address} did not send a JSON object")  # noqa: TRY004 -- what was sent is wrong, not a type
    return found


def _key(found: Any) -> Key | None:
    """Returns a key that signs; None for all others, which a provider may have beside it."""
    if not isinstance(found, dict) or found.get("kty") not in KEY_TYPES or found.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(found)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):  # of a curve, for example, that is unknown
        return None


def _value(said: Mapping[str, Any], claim: str) -> Any:
    """Returns a claim by its name, or by the dotted way to it, as in `realm_access.roles`."""
    if claim in said:
        return said[claim]
    found: Any = said
    for name in claim.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
