"""A sign-in provider on loopback that says whatever a test wants it to: what is true, or an attack."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENT = "aurora"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
Claims = dict[str, Any]


@dataclass
class ForgingProvider:
    """What it says, which a test may change between two requests."""

    address: str = ""
    claims: Claims = field(default_factory=dict)
    """Added to those of a good token, or in their place; those that are None are left out."""
    sign: Callable[[Claims], str] = field(default_factory=lambda: signed)
    metadata: Claims = field(default_factory=dict)
    userinfo: Claims | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    """The parameters of each request to sign a user in."""
    redeemed: list[dict[str, str]] = field(default_factory=list)
    keys: list[Claims] = field(default_factory=lambda: [public(KEY)])

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, Claims | str]:
        """The answer to a request: a document, or the address of a redirection."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/.well-known/openid-configuration":
                ends = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "keys"}
                found = {name: f"{self.address}/{end}" for name, end in ends.items()}
                more = {} if self.userinfo is None else {"userinfo_endpoint": f"{self.address}/me"}
                return 200, {"issuer": self.address, **found, **more, **self.metadata}
            case "/auth":
                self.asked.append(query)
                given = {"code": f"code-{len(self.asked)}", "state": query["state"]}
                return 302, f"{query['redirect_uri']}?{urlencode(given)}"
            case "/token":
                return self._redeem(form)
            case "/keys":
                return 200, {"keys": self.keys}
            case "/me" if self.userinfo is not None:
                return 200, self.userinfo
            case _:
                return 404, {}

    def _redeem(self, form: dict[str, str]) -> tuple[int, Claims]:
        """A code counts once, and with the verifier of the challenge alone."""
        asked = self.asked[int(form["code"].removeprefix("code-")) - 1]
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(challenge).decode().rstrip("=") == asked.get("code_challenge")
        if not proven or form["code"] in [each["code"] for each in self.redeemed]:
            return 400, {"error": "invalid_grant"}
        self.redeemed.append(form)
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "sub": "blue-1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce"),
            "preferred_username": "blue",
            "groups": ["operators"],
            **self.claims,
        }
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return 200, {"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": token}


def public(key: RSAKey) -> Claims:
    return dict(key.as_dict(private=False))


def signed(claims: Claims, *, key: RSAKey = KEY, **header: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one", **header}, claims, key)


def unsigned(claims: Claims) -> str:
    return f"{_part({'alg': 'none', 'kid': 'one'})}.{_part(claims)}."


def changed_after_signing(claims: Claims) -> str:
    header, _body, signature = signed(claims).split(".")
    return f"{header}.{_part({**claims, 'groups': ['owners']})}.{signature}"


def signed_with_public_key(claims: Claims) -> str:
    """HS256, with the text of the public key as the secret: what a verifier falls for that believes the header."""
    text = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
    digest = hmac.new(KEY.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _part(value: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@contextmanager
def forging_provider() -> Iterator[ForgingProvider]:
    found = ForgingProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._send({name: values[0] for name, values in parse_qs(body).items()})

        def _send(self, form: dict[str, str]) -> None:
            status, said = found.answer(self.path, form)
            self.send_response(status)
            if isinstance(said, str):
                self.send_header("location", said)
                said = {}
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
