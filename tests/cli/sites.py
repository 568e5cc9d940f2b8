"""A dashboard that is served to tests, over real HTTP."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx
import uvicorn
from tests.cli.waiting import wait_for

from aurora_cli.dashboard.access import COOKIE
from aurora_cli.dashboard.app import application
from aurora_cli.dashboard.entrances import entrances
from aurora_cli.dashboard.places import OneProject
from aurora_core.settings.dashboard_config import DashboardConfig
from aurora_soar.aurora.root import Aurora

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.finished_runs import Shed

    from aurora_cli.dashboard.access import Access
    from aurora_cli.dashboard.places import Places

PLACE = "/place"
HOSTILE = "<script src=/x></script><img src=x onerror=alert(1)>\"'&\x1b[31m"


@dataclass(frozen=True)
class Site:
    """A dashboard that is served.

    Attributes:
        told: the lines about sign-ins and refusals.
    """

    address: str
    access: Access
    told: list[str]

    @property
    def pages(self) -> str:
        return self.address + self.access.place

    def client(self, *, may_act: bool = True) -> httpx.Client:
        token = self.access.token if may_act else self.access.read_token
        # It is spared the certificates of all the world, which it would read and never need.
        return httpx.Client(base_url=self.pages, cookies={COOKIE: token}, timeout=20, verify=False)


@contextmanager
def served(shed: Shed, places: Places | None = None, config: DashboardConfig | None = None) -> Iterator[Site]:
    """Serves the dashboard of a project; with a configuration, users sign in, by the clients' secret `client secret`.

    The password is `correct horse battery`.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        told: list[str] = []
        key = {"dashboard": "correct horse battery", "client": "client secret"}.__getitem__
        places = places or OneProject(Aurora.open(shed.path, existing=True))
        listening = ("127.0.0.1", port)
        found = entrances(
            config or DashboardConfig(), listening, tls=False, key=key, told=told.append, record=places.record
        )
        access = replace(found.access, token="a" * 30, read_token="r" * 30)
        if config is None:
            access = replace(access, place=PLACE)
        app = application(places, access, found.sign_in)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield Site(f"http://127.0.0.1:{port}", access, told)
        finally:
            server.should_exit = True
            thread.join()
