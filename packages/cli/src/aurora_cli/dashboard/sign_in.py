"""Signing in to the dashboard: by an OpenID Connect provider, or with the password of whoever runs it.

These pages have fixed addresses, which a provider can be told, and need no cookie. Nothing of a request says where to
go afterwards: it is always the first page.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jinja2
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from aurora_cli.dashboard.forms import FormError, form_of
from aurora_cli.dashboard.sign_in_errors import ProviderError, RefusedSignInError
from aurora_cli.dashboard.visitors import Role, Visitor
from aurora_cli.render.words import one_line, printable
from aurora_spawner.errors import JournalError
from aurora_spawner.journal.approval_facts import SignInSeen

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from aurora_cli.dashboard.provider import Provider
    from aurora_cli.dashboard.signed_in import SignedIn

__all__ = ["CALLBACK", "PREFIX", "SignIn"]

PREFIX: Final = "/sign-in"
CALLBACK: Final = f"{PREFIX}/callback"
BEGUN_COOKIE: Final = "aurora_sign_in"
PASSWORD_USER: Final = "password"  # noqa: S105 -- the name under which its holder appears
WRONG_PER_MINUTE: Final = 10
"""Wrong passwords in a minute, from wherever, after which no other is looked at for a while."""
RECORDED_PER_MINUTE: Final = 20
"""Refusals in a minute that are written down: anybody can cause them, and the journal only grows."""
_TEMPLATES: Final = Path(__file__).parent / "templates"
_STATIC: Final = Path(__file__).parent / "static"


@dataclass(slots=True, kw_only=True)
class SignIn:
    """The ways in beside the addresses with a token.

    Attributes:
        signed_in: the sessions that this opens.
        place: the path below which the pages are.
        cookie: returns the cookie of a session, by its token.
        secure: True if browsers reach this server by https.
        told: is told of each sign-in and refusal, in a line.
        record: writes them down, durably; may raise JournalError.
        provider: None without one.
        password: None without one.
    """

    signed_in: SignedIn
    place: str
    cookie: Callable[[str], str]
    secure: bool
    told: Callable[[str], None]
    record: Callable[[SignInSeen], None]
    provider: Provider | None = None
    password: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = time.monotonic
    _refusals: deque[float] = field(default_factory=lambda: deque(maxlen=RECORDED_PER_MINUTE))
    _unrecorded: int = 0
    _wrong: deque[float] = field(default_factory=lambda: deque(maxlen=WRONG_PER_MINUTE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request of somebody who has not signed in."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ProviderError as error:
            self._tell(f"sign-in failed: {error}")
            answer = self._page(f"{error}; {error.hint}.", status=502)
        except RefusedSignInError as error:
            self._tell(f"sign-in refused: {error}")
            await self._record_refusal(str(error))
            answer = self._page(f"You were not signed in: {error}.", status=403)
        except JournalError as error:
            self._tell(f"sign-in failed: {error}")
            answer = self._page("You were not signed in: that could not be written down here.", status=503)
        await answer(scope, receive, send)

    async def signed_out(self, visitor: Visitor) -> Response:
        """Returns the page after a user has signed out, which holds even if it cannot be written down."""
        self._tell(f"{visitor.user} has signed out")
        try:
            await self._record("out", visitor)
        except JournalError as error:
            self._tell(f"the sign-out could not be written down: {error}")
        elsewhere = self.provider.sign_out_address if self.provider is not None and visitor.issuer else ""
        return self._page("You are signed out here.", status=200, elsewhere=elsewhere)

    async def _answer(self, request: Request) -> Response:
        match request.method, request.url.path:
            case "GET", "/sign-in" if self.provider is not None:
                answer = await self._begin(self.provider, request)
            case "GET", "/sign-in/callback" if self.provider is not None:
                answer = await self._finish(self.provider, request)
            case "POST", "/sign-in/password" if self.password is not None:
                answer = await self._by_password(request, self.password)
            case "GET", ("/sign-in/dashboard.css" | "/sign-in/icon.svg") as path:
                answer = FileResponse(_STATIC / path.rpartition("/")[2])
            case _:
                answer = self._page("Sign in to see this page.", status=401)
        return answer

    async def _begin(self, provider: Provider, request: Request) -> Response:
        begun = await provider.begin()
        answer = RedirectResponse(begun.address, status_code=303)
        token = self.signed_in.begin(begun, "" if request.client is None else request.client.host)
        answer.headers.append("set-cookie", self._begun_cookie(token, "Max-Age=600"))
        return answer

    async def _finish(self, provider: Provider, request: Request) -> Response:
        """Lets in a user whom the provider has sent back, once, in the browser in which the sign-in began."""
        begun = self.signed_in.take(request.cookies.get(BEGUN_COOKIE, ""))
        given = request.query_params
        if begun is None:
            raise RefusedSignInError("this browser did not start a sign-in, or it took too long; sign in again")
        if not hmac.compare_digest(given.get("state", "").encode(), begun.state.encode()):
            raise RefusedSignInError("the provider's answer belongs to another sign-in; sign in again")
        if given.get("iss", provider.issuer) != provider.issuer:
            raise RefusedSignInError("the answer comes from another provider")
        if "error" in given:
            words = ": ".join(filter(None, (given["error"], given.get("error_description", ""))))
            raise RefusedSignInError(f"the provider says {words}")
        if not given.get("code"):
            raise RefusedSignInError("the provider did not send a code")
        visitor = await provider.finish(begun, code=given["code"], session=secrets.token_urlsafe(9))
        return await self._entered(visitor)

    async def _by_password(self, request: Request, password: str) -> Response:
        try:
            given = (await form_of(request)).get("password", "")
        except FormError as error:
            raise RefusedSignInError(str(error)) from error
        now = self.clock()  # from here on nothing waits: of guesses at once, none is looked at before it counts
        if len(self._wrong) == WRONG_PER_MINUTE and now - self._wrong[0] < 60:
            self._tell("sign-in refused: too many wrong passwords in a minute")
            return self._page("Too many wrong passwords; wait a minute.", status=429)
        if not hmac.compare_digest(given.encode(), password.encode()):
            self._wrong.append(now)
            raise RefusedSignInError("the password is wrong")
        session = secrets.token_urlsafe(9)
        return await self._entered(Visitor(role=Role.ADMIN, user=PASSWORD_USER, session=session))

    async def _entered(self, visitor: Visitor) -> Response:
        """Returns the page that leads on: a redirection would be the provider's, and leave out strict cookies."""
        await self._record("in", visitor)
        self._tell(f"{visitor.user} has signed in as {visitor.role}")
        answer = self._page(f"Signed in as {visitor.user}.", status=200, goes_on=f"{self.place}/")
        answer.headers.append("set-cookie", self.cookie(self.signed_in.enter(visitor)))
        answer.headers.append("set-cookie", self._begun_cookie("", "Max-Age=0"))
        return answer

    async def _record(self, outcome: str, visitor: Visitor | None, why: str = "", unrecorded: int = 0) -> None:
        seen = SignInSeen(
            outcome=outcome,
            user=visitor.user if visitor else "",
            role=visitor.role.value if visitor else "",
            issuer=visitor.issuer if visitor else "",
            subject=visitor.subject if visitor else "",
            why=why,
            unrecorded=unrecorded,
        )
        await asyncio.to_thread(self.record, seen)

    async def _record_refusal(self, why: str) -> None:
        """Writes a refusal down, or counts it for the next one: anybody can cause as many as they like."""
        now = self.clock()
        if len(self._refusals) == RECORDED_PER_MINUTE and now - self._refusals[0] < 60:
            self._unrecorded += 1
            return
        self._refusals.append(now)
        unrecorded, self._unrecorded = self._unrecorded, 0  # others come while it is written
        try:
            await self._record("refused", None, why, unrecorded)
        except JournalError as error:
            self._unrecorded += unrecorded + 1
            self._tell(f"the refusal could not be written down: {error}")

    def _begun_cookie(self, token: str, age: str) -> str:
        """Returns the cookie of a sign-in that has begun: a provider's redirection brings back a lax one alone."""
        secure = "; Secure" if self.secure else ""
        return f"{BEGUN_COOKIE}={token}; HttpOnly; SameSite=Lax; Path={PREFIX}; {age}{secure}"

    def _page(self, said: str, *, status: int, goes_on: str = "", elsewhere: str = "") -> HTMLResponse:
        html = _PAGE.render(
            said=printable(said),
            issuer="" if self.provider is None else self.provider.issuer,
            by_password=self.password is not None,
            goes_on=goes_on,
            elsewhere=elsewhere,
        )
        return HTMLResponse(html, status_code=status)

    def _tell(self, line: str) -> None:
        self.told(one_line(line, 600))


_PAGE: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
).get_template("sign_in.html")
