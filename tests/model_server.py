"""A model's API on the loopback: the last words of the user decide what it answers.

`count` tells the messages that it was sent, `recall` the first words of each, `slow` answers in many pieces, `cut`
ends in the middle, `noise` is no stream, `limit:N:S` is refused with 429 and a wait of S seconds N times, `no:STATUS`
is refused. Other words are said again.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class ModelServer(ThreadingHTTPServer):
    """The server, with what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.refused: Counter[str] = Counter()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class calls it so
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        verb, _, rest = asked["messages"][-1]["content"].split()[-1].partition(":")
        with suppress(ConnectionError):
            getattr(self, f"do_{verb}", self.do_say)(asked["messages"], rest or verb)

    def do_say(self, _messages: list[Any], text: str) -> None:
        self.stream(text)

    def do_count(self, messages: list[Any], _rest: str) -> None:
        self.stream(str(len(messages)))

    def do_recall(self, messages: list[Any], _rest: str) -> None:
        self.stream(" ".join(f"{each['role'][0]}:{each['content'].split()[0]}" for each in messages))

    def do_slow(self, _messages: list[Any], _rest: str) -> None:
        self.begin()
        for number in range(400):
            self.event(f"{number},")
            time.sleep(0.05)

    def do_cut(self, _messages: list[Any], _rest: str) -> None:
        self.begin()
        self.event("half of")

    def do_noise(self, _messages: list[Any], _rest: str) -> None:
        self.begin()
        self.wfile.write(b"<html>\x00 nothing of the kind</html>")

    def do_limit(self, _messages: list[Any], rest: str) -> None:
        times, wait = rest.split(":")
        self.server.refused[rest] += 1
        if self.server.refused[rest] > int(times):
            self.stream("at last")
            return
        self.refuse(429, {"retry-after": wait})

    def do_no(self, _messages: list[Any], status: str) -> None:
        self.refuse(int(status), {})

    def refuse(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b'{"error": {"message": "not now", "type": "refused"}}')

    def begin(self) -> None:
        self.send_response(200)
        self.end_headers()

    def event(self, text: str, **more: Any) -> None:
        choice = {"delta": {"content": text}, **more}
        self.wfile.write(f"data: {json.dumps({'model': 'gpt-5', 'choices': [choice]})}\n\n".encode())

    def stream(self, text: str) -> None:
        self.begin()
        self.event(text[:3])
        self.event(text[3:], finish_reason="stop")
        usage = {"prompt_tokens": 100_000, "completion_tokens": 0}
        self.wfile.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode())


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serves while this is open."""
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
