"""The addresses of the dashboard: pages, what changes on them, and what is done from them."""

from __future__ import annotations

import asyncio
import hmac
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from aurora_cli.dashboard.access import Guard
from aurora_cli.dashboard.costs import costs_of
from aurora_cli.dashboard.pages import Pages
from aurora_cli.dashboard.stream import Hub
from aurora_cli.dashboard.tasks import task_values
from aurora_cli.error_messages import error_report
from aurora_cli.escapes import printable
from aurora_cli.render.pictures.documents import svg_file
from aurora_cli.watch.facts import Reader, Wanted
from aurora_cli.watch.steering import Steering
from aurora_core import AuroraCoreError
from aurora_soar.errors import SoarError
from aurora_spawner.control.approvals import find_approval
from aurora_spawner.control.follow import afollow_log
from aurora_spawner.control.timeline import run_timeline
from aurora_spawner.errors import SpawnerError, UnknownRunError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from aurora_cli.dashboard.access import Access
    from aurora_soar import Aurora

__all__ = ["application"]

STATIC: Final = Path(__file__).parent / "static"
LONGEST_LOG: Final = 4_000_000
"""Bytes of one output that are sent to a page; the rest is in `aur logs`."""
PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def application(aurora: Aurora, access: Access) -> ASGIApp:
    """Returns the dashboard of a project as an ASGI application."""
    dashboard = Dashboard(aurora, access)
    routes = [
        Route("/", dashboard.runs),
        Route("/runs/{run_id}", dashboard.run),
        Route("/runs/{run_id}/picture.svg", dashboard.picture),
        Route("/runs/{run_id}/tasks/{task_id:path}", dashboard.task),
        Route("/stream", dashboard.stream),
        Route("/stream/{run_id}", dashboard.stream),
        Route("/log/{run_id}/{task_id:path}", dashboard.log),
        Route("/search", dashboard.search),
        Route("/budget", dashboard.budget),
        Route("/act", dashboard.act, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await dashboard.hub.close()

    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Exception: _failed})
    for known in (SpawnerError, SoarError, AuroraCoreError):
        app.add_exception_handler(known, _failed)
    return Guard(app=app, access=access)


class Dashboard:
    """The pages and actions of one project."""

    def __init__(self, aurora: Aurora, access: Access) -> None:
        self._aurora = aurora
        self._journal = aurora.project.runs_db
        self._access = access
        self._pages = Pages(aurora.project.root.name)
        self.hub = Hub(aurora, self._pages, access)

    async def runs(self, request: Request) -> Response:
        """Returns the page of all runs."""
        view = self.hub.view(None)
        await view.refresh(within_s=0.5)
        parts = view.seen(may_act=self._may_act(request)).html
        return self._html("runs", parts=parts, after=view.version)

    async def run(self, request: Request) -> Response:
        """Returns the page of one run."""
        run_id = request.path_params["run_id"]
        view = self.hub.view(run_id)
        await view.refresh(within_s=0.5)
        parts = view.seen(may_act=self._may_act(request)).html
        rows = [(name, html) for name, html in parts.items() if name.startswith("task-")]
        return self._html("run", parts=parts, rows=rows, run_id=run_id, after=view.version)

    async def picture(self, request: Request) -> Response:
        """Returns the graph and timeline of a run."""
        timeline = await asyncio.to_thread(run_timeline, self._journal, request.path_params["run_id"])
        svg = await asyncio.to_thread(svg_file, timeline)
        return Response(svg, media_type="image/svg+xml", headers={"content-security-policy": PICTURE_POLICY})

    async def task(self, request: Request) -> Response:
        """Returns the page of one task."""
        run_id, task_id = request.path_params["run_id"], request.path_params["task_id"]
        values = await asyncio.to_thread(task_values, self._aurora, run_id, task_id)
        return self._html("task", run_id=run_id, **values, **self._form(request))

    async def stream(self, request: Request) -> Response:
        """Streams what changes on a page; a page that was cut off says by Last-Event-ID where it stands."""
        after = request.headers.get("last-event-id") or request.query_params.get("after", "0")
        run_id = request.path_params.get("run_id")
        may_act = self._may_act(request)

        async def events() -> AsyncIterator[bytes]:
            async for version, parts in self.hub.follow(run_id, after=_number(after), may_act=may_act):
                if parts is None:
                    yield _event("reload", "", version)
                elif parts:
                    yield _event("parts", json.dumps(parts), version)
                else:
                    yield b": nothing new\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def log(self, request: Request) -> Response:
        """Streams the output of a task from its beginning."""
        run_id, task_id = request.path_params["run_id"], request.path_params["task_id"]

        async def events() -> AsyncIterator[bytes]:
            yield _event("anew", "")
            sent = 0
            pieces = afollow_log(self._journal, run_id, task_id, transcript=True)
            async for piece in pieces:
                if sent > LONGEST_LOG:
                    yield _event("text", json.dumps("\n[the rest is in `aur logs`]\n"))
                    break
                sent += len(piece)
                if piece:
                    yield _event("text", json.dumps(printable(piece.decode(errors="replace"))))
            await pieces.aclose()
            yield _event("end", "")

        return StreamingResponse(events(), media_type="text/event-stream")

    async def search(self, request: Request) -> Response:
        """Returns what the memory has for a query."""
        query, hits, problem = request.query_params.get("q", "").strip()[:2_000], [], ""
        if query:
            try:
                with self._aurora.open_memory() as memory:
                    hits = await memory.asearch(query, 20)
            except AuroraCoreError as error:
                problem = error_report(error).message
        return self._html("search", query=query, hits=hits, problem=problem)

    async def budget(self, _request: Request) -> Response:
        """Returns the costs by day and agent."""
        return self._html("budget", **await asyncio.to_thread(costs_of, self._aurora))

    async def act(self, request: Request) -> Response:
        """Pauses, continues, cancels or answers, as the commands do."""
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        wanted = self._access.form_key(self._access.token)
        if not hmac.compare_digest(given.get("key", "").encode(), wanted.encode()):
            return PlainTextResponse("The form is not one of this server's; load the page again.\n", status_code=403)
        said = await asyncio.to_thread(self._act, given)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"said": said})
        run_id = given.get("run", "")
        return self._html("message", said=said, back=f"/runs/{quote(run_id, safe='')}" if run_id else "/")

    def _act(self, given: dict[str, str]) -> str:
        steering = Steering(self._aurora)
        run_id, task_id = given.get("run", ""), given.get("task") or None
        match given.get("do"):
            case "pause":
                return steering.pause(run_id)
            case "cancel":
                return steering.cancel(run_id, task_id)
            case "resume":
                return self._resume(steering, run_id)
            case "approve" | "deny" | "always" as answer:
                asked = find_approval(self._journal, given.get("question", ""))
                note, always = given.get("note", ""), answer == "always"
                return steering.answer(asked, approved=answer != "deny", note=note, always=always)
        return "nothing was done: the page asked for something that this server does not know"

    def _resume(self, steering: Steering, run_id: str) -> str:
        reader = Reader(self._aurora, only=run_id)
        try:
            live = reader.look(Wanted(run_id=run_id)).selected
        finally:
            reader.close()
        if live is None:
            raise UnknownRunError(run_id)
        return steering.resume(live)

    def _html(self, name: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._pages.page(name, **values))

    def _may_act(self, request: Request) -> bool:
        return self._access.may_act(request.scope["token"])

    def _form(self, request: Request) -> dict[str, object]:
        may_act = self._may_act(request)
        return {"may_act": may_act, "form_key": self._access.form_key(self._access.token) if may_act else ""}


async def _failed(_request: Request, error: Exception) -> Response:
    report = error_report(error)
    unknown = isinstance(error, (UnknownRunError, UnknownTaskError))
    text = "\n".join(filter(None, (report.message, report.hint)))
    return PlainTextResponse(text + "\n", status_code=404 if unknown else 500)


def _event(kind: str, data: str, version: int | None = None) -> bytes:
    number = f"id: {version}\n" if version is not None else ""
    return f"{number}event: {kind}\ndata: {data}\n\n".encode()


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0
