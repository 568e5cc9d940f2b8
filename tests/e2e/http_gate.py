"""A gate that Claude Code asks over HTTP, in place of the hook that Aurora starts: what is known of that form.

python http_gate.py MANNER PORT
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cut_off import Cell

DANGERS: Final = ("rm -rf", "--force", ".env")
MANNERS: Final = ("judges", "allows", "killed", "slow", "gone", "taken", "4xx", "5xx", "redirect", "garbage", "half")
"""It judges, allows all, ends without an answer, gives none for long, is not there; or another program has its port,
and answers 200 without a word to whatever it is asked; or it answers something else, of which no call may pass."""


@contextmanager
def http_gate(manner: str, port: int, cell: Cell) -> Iterator[str]:
    """Has such a gate in a namespace; yields the settings of Claude Code that name it."""
    hook = {"type": "http", "url": f"http://127.0.0.1:{port}/", "timeout": 1, "onFailure": "block"}
    settings = json.dumps({"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [hook]}]}})
    if manner == "gone":
        yield settings
        return
    command = cell.inside(sys.executable, __file__, manner, str(port))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gate:
        try:
            assert gate.stdout
            assert gate.stdout.readline() == "ready\n"
            yield settings
        finally:
            gate.kill()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    manner: str

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as the library has it
        """Says nothing."""

    def do_POST(self) -> None:
        """Answers a call of the agent."""
        call = self.rfile.read(int(self.headers["Content-Length"])).decode()
        match self.manner:
            case "killed":
                os._exit(9)
            case "slow":
                time.sleep(60)
            case "taken":
                self._answer(b"")
            case "4xx":
                self._answer(b"{}", 403)
            case "5xx":
                self._answer(b"{}", 503)
            case "redirect" if self.path == "/":
                self._answer(b"{}", 307)
            case "garbage":
                self._answer(b"<html>{")
            case "half":
                self._answer(b'{"hookSpecificOutput": {"permissionDecision": "al', missing=100)
            case "judges" if any(each in call for each in DANGERS):
                said = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": "no"}
                self._answer(json.dumps({"hookSpecificOutput": said}).encode())
            case _:
                self._answer(b"{}")

    def _answer(self, content: bytes, status: int = 200, *, missing: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) + missing))
        if status == 307:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = missing > 0


def main(manner: str, port: int) -> None:
    """Serves until it is killed."""
    Handler.manner = manner
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
