"""Access to the dashboard: a token in the address, or a sign-in; then a cookie. This host and this origin only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from aurora_cli.dashboard.sign_in import CALLBACK
from aurora_cli.dashboard.visitors import OWNER, READER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from aurora_cli.dashboard.sign_in import SignIn
    from aurora_cli.dashboard.signed_in import SignedIn
    from aurora_cli.dashboard.visitors import Visitor

__all__ = ["Access", "Guard", "new_access"]

COOKIE: Final = "aurora_dashboard"
READ: Final = frozenset({"GET", "HEAD"})
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # without one, a form that is sent has no origin to check
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rights of requests, by their token.

    Attributes:
        token: opens everything.
        read_token: opens everything that changes nothing; for a link that is passed on.
        origins: the addresses of this server, as browsers name them.
        place: the path below which all pages are, and to which alone browsers send the cookie. Cookies know no ports:
            without it, each server on this machine that a browser visits would be sent the token.
        signed_in: the users who have signed in; None if nobody can.
    """

    token: str
    read_token: str
    origins: frozenset[str]
    place: str
    signed_in: SignedIn | None = None

    @property
    def hosts(self) -> frozenset[str]:
        """The values of `Host` that are this server."""
        return frozenset(each.partition("://")[2] for each in self.origins)

    @property
    def secure(self) -> bool:
        """True if browsers reach this server by https alone, so that cookies are never sent otherwise."""
        return all(each.startswith("https://") for each in self.origins)

    def visitor(self, token: str) -> Visitor | None:
        """Returns who holds a token; None for a wrong one."""
        if hmac.compare_digest(token.encode(), self.token.encode()):
            return OWNER
        if hmac.compare_digest(token.encode(), self.read_token.encode()):
            return READER
        return None if self.signed_in is None else self.signed_in.visitor(token)

    def form_key(self, token: str) -> str:
        """Returns the key that a form must carry, so that no other page can send it."""
        return hmac.new(self.token.encode(), f"form {token}".encode(), hashlib.sha256).hexdigest()

    def cookie(self, token: str) -> str:
        """Returns the cookie that holds a token."""
        secure = "; Secure" if self.secure else ""
        return f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path={self.place}/{secure}"


def new_access(origins: frozenset[str], *, signed_in: SignedIn | None = None) -> Access:
    """Returns an access with fresh tokens for a server with these addresses."""
    token, read_token, place = (secrets.token_urlsafe(24) for _ in range(3))
    return Access(token=token, read_token=read_token, origins=origins, place=f"/{place}", signed_in=signed_in)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The outermost layer: refuses foreign hosts, origins and tokens, and sets the headers of every answer.

    Attributes:
        sign_in: answers those who have no token; None if nobody can sign in.
    """

    app: ASGIApp
    access: Access
    sign_in: SignIn | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on requests that may come in; their sender is in `scope["visitor"]`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, location = self._judged(scope)
        if status is None:
            await self.app(scope, receive, _with_headers(send))
            return
        if status == 401 and self.sign_in is not None:
            await self.sign_in(scope, receive, _with_headers(send))
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if location is not None:
            headers.append((b"location", location.encode("latin-1")))
            headers.append((b"set-cookie", self.access.cookie(_token_in_address(scope)).encode("latin-1")))
        guarded = _with_headers(send)
        await guarded({"type": "http.response.start", "status": status, "headers": headers})
        await guarded({"type": "http.response.body", "body": _WORDS[status].encode()})

    def _judged(self, scope: Scope) -> tuple[int | None, str | None]:
        """Returns the status of a refusal, or of the redirection that sets the cookie; None for a welcome request."""
        if _header(scope, b"host") not in self.access.hosts:
            return 421, None
        if self._is_foreign(scope):
            return 403, None
        given = _token_in_address(scope)
        if given:
            holder = self.access.visitor(given)
            return (303, f"{self.access.place}/") if holder in (OWNER, READER) else (401, None)
        token = _cookie_of(scope)
        visitor = self.access.visitor(token) if scope["path"].startswith(f"{self.access.place}/") else None
        if visitor is None:
            return 401, None
        if scope["method"] not in READ and visitor == READER:
            return 403, None
        scope.update(visitor=visitor, token=token, root_path=self.access.place)
        return None, None

    def _is_foreign(self, scope: Scope) -> bool:
        """Returns True if a page of another origin sends the request; a provider sends users to one page alone."""
        if self.sign_in is not None and scope["path"] == CALLBACK and scope["method"] == "GET":
            return False
        origin = _header(scope, b"origin")
        site = _header(scope, b"sec-fetch-site")  # "same-site" is another port of this machine
        return (bool(origin) and origin not in self.access.origins) or site in ("cross-site", "same-site")


_WORDS: Final = {
    303: "",
    401: "This page needs its token. Open the address that `aur dashboard` has printed.\n",
    403: "This request is not allowed.\n",
    421: "This server is not known by that name.\n",
}


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(each for each in _HEADERS if each[0] not in own)]
            if b"content-security-policy" not in own:
                message["headers"].append((b"content-security-policy", POLICY.encode()))
        await send(message)

    return guarded


def _token_in_address(scope: Scope) -> str:
    query: str = scope["query_string"].decode("latin-1")
    return parse_qs(query).get("token", [""])[0]


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _cookie_of(scope: Scope) -> str:
    try:
        found = SimpleCookie(_header(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
