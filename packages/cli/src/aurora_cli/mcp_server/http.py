"""Serves the MCP server over HTTP on loopback, to clients that hold its token."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HOST", "PATH", "TokenRequired", "application", "new_token"]

HOST: Final = "127.0.0.1"
PATH: Final = "/mcp"


def new_token() -> str:
    """Returns a token that nobody can guess."""
    return secrets.token_urlsafe(32)


def application(server: MCPServer[Any], *, port: int, token: str) -> ASGIApp:
    """Returns the ASGI application; only requests with the token, for this host and of no foreign page, reach it."""
    hosts = [f"{name}:{port}" for name in (HOST, "localhost")]
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts])
    return TokenRequired(
        app=server.streamable_http_app(streamable_http_path=PATH, transport_security=security), token=token
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequired:
    """Refuses requests without the token (401) before anything reads their body."""

    app: ASGIApp
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what has the token, and what is no request."""
        if scope["type"] != "http" or self._is_authorised(scope):
            with suppress(asyncio.CancelledError):  # the server ends while a client waits
                await self.app(scope, receive, send)
            return
        body = json.dumps({"error": "this server needs its token: Authorization: Bearer TOKEN"}).encode()
        headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _is_authorised(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        wanted = f"Bearer {self.token}".encode()
        return len(given) == 1 and hmac.compare_digest(given[0], wanted)
