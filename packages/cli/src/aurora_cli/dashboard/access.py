"""Access to the dashboard: a token in the address once, then a cookie; this host and this origin only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    (b"referrer-policy", b"no-referrer"),
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
        hosts: values of `Host` that are this server.
        place: the path below which all pages are, and to which alone browsers send the cookie. Cookies know no ports:
            without it, each server on this machine that a browser visits would be sent the token.
    """

    token: str
    read_token: str
    hosts: frozenset[str]
    place: str

    def may_act(self, token: str) -> bool:
        """Returns True for the token that opens everything."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def may_read(self, token: str) -> bool:
        """Returns True for each of the tokens."""
        return self.may_act(token) or hmac.compare_digest(token.encode(), self.read_token.encode())

    def form_key(self, token: str) -> str:
        """Returns the key that a form must carry, so that no other page can send it."""
        return hmac.new(self.token.encode(), f"form {token}".encode(), hashlib.sha256).hexdigest()


def new_access(host: str, port: int) -> Access:
    """Returns an access with fresh tokens for a server on this machine."""
    hosts = frozenset(f"{name}:{port}" for name in (host, "localhost"))
    token, read_token, place = (secrets.token_urlsafe(24) for _ in range(3))
    return Access(token=token, read_token=read_token, hosts=hosts, place=f"/{place}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The outermost layer: refuses foreign hosts, origins and tokens, and sets the headers of every answer."""

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on requests that may come in; their token is in `scope["token"]`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, location = self._judged(scope)
        if status is None:
            await self.app(scope, receive, _with_headers(send))
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if location is not None:
            headers.append((b"location", location.encode("latin-1")))
            headers.append((b"set-cookie", self._cookie(scope).encode("latin-1")))
        guarded = _with_headers(send)
        await guarded({"type": "http.response.start", "status": status, "headers": headers})
        await guarded({"type": "http.response.body", "body": _WORDS[status].encode()})

    def _judged(self, scope: Scope) -> tuple[int | None, str | None]:
        """Returns the status of a refusal, or of the redirection that sets the cookie; None for a welcome request."""
        if _header(scope, b"host") not in self.access.hosts:
            return 421, None
        if self._is_foreign(scope):
            return 403, None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given:
            return (303, f"{self.access.place}/") if self.access.may_read(given) else (401, None)
        token = _cookie_of(scope)
        if not (scope["path"].startswith(f"{self.access.place}/") and self.access.may_read(token)):
            return 401, None
        if scope["method"] not in READ and not self.access.may_act(token):
            return 403, None
        scope.update(token=token, root_path=self.access.place)
        return None, None

    def _is_foreign(self, scope: Scope) -> bool:
        """Returns True if a page of another origin sends the request."""
        origin = _header(scope, b"origin")
        ours = {f"http://{host}" for host in self.access.hosts}
        site = _header(scope, b"sec-fetch-site")  # "same-site" is another port of this machine
        return (bool(origin) and origin not in ours) or site in ("cross-site", "same-site")

    def _cookie(self, scope: Scope) -> str:
        token = parse_qs(scope["query_string"].decode("latin-1"))["token"][0]
        return f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path={self.access.place}/"


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


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _cookie_of(scope: Scope) -> str:
    try:
        found = SimpleCookie(_header(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
