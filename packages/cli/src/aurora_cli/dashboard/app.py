"""The addresses of the dashboard: pages, what changes on them, and what is done from them."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from aurora_cli.dashboard.access import Guard
from aurora_cli.dashboard.costs import NO_COSTS, costs_of
from aurora_cli.dashboard.forms import FormError, form_of
from aurora_cli.dashboard.logs import log_events
from aurora_cli.dashboard.pages import Pages
from aurora_cli.dashboard.pictures import Pictures
from aurora_cli.dashboard.stream import Hub
from aurora_cli.dashboard.talks import session_row
from aurora_cli.dashboard.tasks import task_values
from aurora_cli.dashboard.visitors import may
from aurora_cli.dashboard.work import work_values
from aurora_cli.error_messages import error_report
from aurora_cli.errors import CliError, WorkspaceUnusableError
from aurora_cli.watch.steering import NOT_DONE
from aurora_core import AuroraCoreError
from aurora_core.errors import UnknownWorkspaceError
from aurora_soar.errors import SoarError
from aurora_spawner.control.lookup import check_task, is_held
from aurora_spawner.errors import SpawnerError, UnknownRunError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from aurora_cli.dashboard.access import Access
    from aurora_cli.dashboard.places import Places
    from aurora_cli.dashboard.sign_in import SignIn
    from aurora_cli.dashboard.visitors import Visitor
    from aurora_soar import Aurora

__all__ = ["application"]

STATIC: Final = Path(__file__).parent / "static"
FRESH_S: Final = 0.5
"""The age of a view that is good enough for a page that loads: its stream brings what is newer."""
MOST_STREAMS: Final = 200
"""Streams at once, of all pages together."""
_LOAD_ANEW: Final = b"event: reload\ndata:\n\n"
"""The last event of a stream whose session is over: the page then shows how to sign in."""
_UNKNOWN: Final = (UnknownRunError, UnknownTaskError, UnknownWorkspaceError, WorkspaceUnusableError)
PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def application(places: Places, access: Access, sign_in: SignIn | None = None) -> ASGIApp:
    """Returns the dashboard of a project, or of all workspaces, as an ASGI application.

    Args:
        sign_in: the ways in beside the addresses with a token; None without any.
    """
    dashboard = Dashboard(places, access, sign_in)
    routes = [
        Route("/", dashboard.runs),
        Route("/runs/{run_id}", dashboard.run),
        Route("/runs/{run_id}/picture.svg", dashboard.picture),
        Route("/runs/{run_id}/work", dashboard.work),
        Route("/runs/{run_id}/tasks/{task_id:path}", dashboard.task),
        Route("/stream", dashboard.stream),
        Route("/stream/{run_id}", dashboard.stream),
        Route("/log/{run_id}/{task_id:path}", dashboard.log),
        Route("/sessions", dashboard.sessions),
        Route("/search", dashboard.search),
        Route("/budget", dashboard.budget),
        Route("/act", dashboard.act, methods=["POST"]),
        Route("/sign-out", dashboard.sign_out, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await dashboard.hub.close()

    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Exception: dashboard.failed})
    for known in (SpawnerError, SoarError, AuroraCoreError, CliError):
        app.add_exception_handler(known, dashboard.failed)
    return Guard(app=app, access=access, sign_in=sign_in)


class Dashboard:
    """The pages and actions."""

    def __init__(self, places: Places, access: Access, sign_in: SignIn | None) -> None:
        self._places = places
        self._access = access
        self._sign_in = sign_in
        self._form_key = access.form_key(access.token)
        self._pages = Pages(project=places.title, place=access.place, form_key=self._form_key)
        self._pictures = Pictures()
        self._streams: set[_Stream] = set()
        self._pages.prepare()
        self.hub = Hub(places, self._pages)

    async def runs(self, request: Request) -> Response:
        """Returns the page of all runs."""
        view = self.hub.view(None)
        await view.refresh(within_s=FRESH_S)
        if view.at_work is not None:
            self.hub.prepare(view.at_work)
        parts = view.seen(may_act=self._may_act(request)).html
        return self._html(request, "runs", parts=parts, after=view.version)

    async def run(self, request: Request) -> Response:
        """Returns the page of one run, which may be a session."""
        run_id = request.path_params["run_id"]
        await self._check(run_id)
        view = self.hub.view(run_id)
        await view.refresh(within_s=FRESH_S)
        parts = view.seen(may_act=self._may_act(request)).html
        if view.is_session:
            turns = [(name, html) for name, html in parts.items() if name.startswith("turn-")]
            return self._html(request, "session", parts=parts, turns=turns, run_id=run_id, after=view.version)
        rows = [(name, html) for name, html in parts.items() if name.startswith("task-")]
        return self._html(request, "run", parts=parts, rows=rows, run_id=run_id, after=view.version)

    async def sessions(self, request: Request) -> Response:
        """Returns the list of the sessions in which the user talks with agents."""
        found, problems = await asyncio.to_thread(self._places.sessions)
        return self._html(request, "sessions", sessions=[session_row(each) for each in found], problems=problems)

    async def picture(self, request: Request) -> Response:
        """Returns the graph and timeline of a run."""
        run_id = request.path_params["run_id"]
        aurora, own_id = await self._of_run(run_id)
        svg = await self._pictures.of(run_id, aurora.project.runs_db, own_id)
        return Response(svg, media_type="image/svg+xml", headers={"content-security-policy": PICTURE_POLICY})

    async def work(self, request: Request) -> Response:
        """Returns the work of a run: what is merged, what waits for it, and what will conflict."""
        run_id = request.path_params["run_id"]
        aurora, own_id = await self._of_run(run_id)
        values = await asyncio.to_thread(work_values, aurora.project.runs_db, own_id, shown_as=run_id)
        return self._html(request, "work", run_id=run_id, **values)

    async def task(self, request: Request) -> Response:
        """Returns the page of one task."""
        run_id, task_id = request.path_params["run_id"], request.path_params["task_id"]
        may_comment = may(request.scope["visitor"].role, "comment")
        aurora, own_id = await self._of_run(run_id)
        values = await asyncio.to_thread(task_values, aurora, own_id, task_id, may_comment=may_comment)
        return self._html(request, "task", run_id=run_id, **values)

    async def stream(self, request: Request) -> Response:
        """Streams what changes on a page; a page that was cut off says by Last-Event-ID where it stands."""
        after = request.headers.get("last-event-id") or request.query_params.get("after", "0")
        run_id = request.path_params.get("run_id")
        if run_id is not None:
            await self._check(run_id)
        return self._streamed(request, self.hub.follow(run_id, after=_number(after), may_act=self._may_act(request)))

    async def log(self, request: Request) -> Response:
        """Streams the output of a task from its beginning."""
        run_id, task_id = request.path_params["run_id"], request.path_params["task_id"]
        aurora, own_id = await self._of_run(run_id)
        await asyncio.to_thread(check_task, aurora.project.runs_db, own_id, task_id)
        return self._streamed(request, log_events(aurora.project.runs_db, own_id, task_id))

    async def search(self, request: Request) -> Response:
        """Returns what the memory has for a query."""
        query, hits, problem = request.query_params.get("q", "").strip()[:2_000], [], ""
        names, name = self._places.searched(), request.query_params.get("workspace", "")
        if query:
            try:
                aurora = await asyncio.to_thread(self._places.project, name)
                if aurora is not None:
                    with aurora.open_memory() as memory:
                        hits = await memory.asearch(query, 20)
            except (AuroraCoreError, CliError) as error:
                problem = error_report(error).message
        return self._html(request, "search", query=query, hits=hits, problem=problem, names=names, searched=name)

    async def budget(self, request: Request) -> Response:
        """Returns the costs by day, agent and model."""
        return self._html(request, "budget", **await asyncio.to_thread(self._costs))

    def _costs(self) -> dict[str, Any]:
        aurora = self._places.project("")
        return NO_COSTS if aurora is None else costs_of(aurora)

    async def act(self, request: Request) -> Response:
        """Does what a form asks for, as the commands do, if the visitor's role may do it."""
        visitor: Visitor = request.scope["visitor"]
        try:
            given = await form_of(request)
        except FormError as error:
            return PlainTextResponse(f"{error}\n", status_code=413, headers={"connection": "close"})
        if not may(visitor.role, given.get("do", "")):
            said = await asyncio.to_thread(self._places.refuse, given, visitor)
            return PlainTextResponse(f"{said}\n", status_code=403)
        if not hmac.compare_digest(given.get("key", "").encode(), self._form_key.encode()):
            return PlainTextResponse("The form is not one of this server's; load the page again.\n", status_code=403)
        said = await asyncio.to_thread(self._places.act, given, visitor)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"said": said, "done": not said.startswith(NOT_DONE)})
        done = not said.startswith(NOT_DONE)
        run_id = given.get("run", "")
        return self._html(request, "message", heading="Done" if done else "Not done", said=[said], run_id=run_id)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Says what went wrong: to a browser that loads a page on a page, to all others in plain text."""
        report = error_report(error)
        unknown = isinstance(error, _UNKNOWN)
        status = 404 if unknown else 500
        lines = [*filter(None, (report.message, report.hint))]
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("\n".join(lines) + "\n", status_code=status)
        heading = "Not found" if unknown else "Not shown"
        page = self._html(request, "message", heading=heading, said=lines, run_id="")
        page.status_code = status
        return page

    async def sign_out(self, request: Request) -> Response:
        """Ends the session of a user who has signed in, with all streams of it."""
        visitor: Visitor = request.scope["visitor"]
        if self._sign_in is None or not visitor.session:
            return PlainTextResponse(
                "Nobody has signed in here; the address with the token stays.\n", status_code=409
            )
        self._sign_in.signed_in.leave(request.scope["token"])
        for each in [each for each in self._streams if each.session == visitor.session]:
            each.end()
        return await self._sign_in.signed_out(visitor)

    async def _check(self, run_id: str) -> None:
        """Refuses a run that the journal does not have.

        Raises:
            UnknownRunError: it is such a run.
            WorkspaceUnusableError: its workspace cannot be used.
        """
        if run_id not in self.hub:
            aurora, own_id = await self._of_run(run_id)
            await asyncio.to_thread(is_held, aurora.project.runs_db, own_id)

    async def _of_run(self, run_id: str) -> tuple[Aurora, str]:
        return await asyncio.to_thread(self._places.of_run, run_id)

    def _streamed(self, request: Request, events: AsyncGenerator[bytes, None]) -> Response:
        if len(self._streams) >= MOST_STREAMS:
            return PlainTextResponse("Too many pages are open; close some of them.\n", status_code=503)
        signed_in, visitor = self._access.signed_in, request.scope["visitor"]
        left_s = signed_in.left_s(request.scope["token"]) if signed_in is not None and visitor.session else None
        if left_s == 0:  # it ended while this request was looked at
            return Response(_LOAD_ANEW, media_type="text/event-stream")
        return _Stream(events, self._streams, session=visitor.session, left_s=left_s)

    def _html(self, request: Request, name: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._pages.page(name, visitor=request.scope["visitor"], **values))

    def _may_act(self, request: Request) -> bool:
        return bool(request.scope["visitor"].may_act)


class _Stream(StreamingResponse):
    """Server-sent events; one of the open streams as long as it lasts, and never longer than its session.

    Attributes:
        session: names the session of a user who has signed in; "" without one.
    """

    def __init__(
        self, events: AsyncGenerator[bytes, None], streams: set[_Stream], *, session: str, left_s: float | None
    ) -> None:
        super().__init__(events, media_type="text/event-stream")
        self.session = session
        self._events = events
        self._streams = streams
        self._left = asyncio.timeout(left_s)

    def end(self) -> None:
        """Ends the stream: its session is over."""
        self._left.reschedule(asyncio.get_running_loop().time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._left, aclosing(self._events):
                self._streams.add(self)
                await super().__call__(scope, receive, send)
        except TimeoutError:
            if not self._left.expired():
                raise
            await send({"type": "http.response.body", "body": _LOAD_ANEW, "more_body": False})
        finally:
            self._streams.discard(self)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0
