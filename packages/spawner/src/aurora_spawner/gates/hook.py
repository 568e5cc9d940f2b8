"""The hook of the policy gate: takes a tool call from an agent's CLI to the coordinator, and the verdict back.

    python -I -S hook.py SOCKET TOKEN LIMIT_S REACH_S

The CLI starts this file before each tool call, with the call as JSON on stdin. It imports only what an interpreter
has loaded anyway or has built in, because each module of the standard library costs milliseconds of each call.

Exit status 0 with `{}` leaves the call to the CLI's own rules; 2 with a reason on stderr denies it, in all CLIs that
have such hooks. Whatever goes wrong here denies: no coordinator within REACH_S, no verdict within LIMIT_S, garbage as
a verdict. A coordinator that was killed may be followed by another one at the same SOCKET, so the hook asks again
until REACH_S have passed.
"""

# pathlib and socket would cost 10 ms of import:
# ruff: noqa: PTH120, PTH119
from __future__ import annotations

import _socket  # the public module adds enums and selectors
import os
import sys
import time

CALL_LIMIT_BYTES = 32 << 20
"""The longest call that is passed on; a longer one is denied."""
VERDICT_LIMIT_BYTES = 64 << 10
RETRY_EVERY_S = 0.05
HANG_UPS = 5
"""So often a coordinator may die or hang up while it judges one call."""
DENIED = 2
"""The exit status by which a hook denies a tool call."""
ALLOWED = b"allow\n"
"""The verdict that lets a call pass; any other denies it, and its second line says why."""


def main(arguments: list[str]) -> int:
    """Asks for a verdict, tells the CLI, and returns the exit status."""
    try:
        place, token, limit_s, reach_s = arguments
        verdict = ask(place, token, read_call(), limit_s=float(limit_s), reach_s=float(reach_s))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the call must not happen
        return deny(f"the policy gate failed ({type(error).__name__}: {error}); nothing may be done without it")
    if verdict == ALLOWED:
        os.write(1, b"{}\n")
        return 0
    first, _, reason = verdict.partition(b"\n")
    known = first == b"deny" and reason
    return deny(
        reason.decode("utf-8", "replace")
        if known
        else "the policy gate gave no answer, so this call is denied; do not try again"
    )


def deny(reason: str) -> int:
    """Gives the agent the reason, and returns the exit status that denies the call."""
    os.write(2, f"Aurora: {reason}\n".encode("utf-8", "replace"))
    return DENIED


def read_call() -> bytes:
    """Reads the call from stdin.

    Raises:
        ValueError: It is too long.
    """
    pieces, size = [], 0
    while piece := os.read(0, 1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > CALL_LIMIT_BYTES:
            raise ValueError(f"the call is longer than {CALL_LIMIT_BYTES >> 20} MB")
    return b"".join(pieces)


def ask(place: str, token: str, call: bytes, *, limit_s: float, reach_s: float) -> bytes:
    """Returns the verdict; asks again if a coordinator dies before it has given one.

    Raises:
        OSError: No coordinator could be reached in time, or none gave a verdict in time.
    """
    # The path of a socket is short, so it counts from the socket's folder.
    os.chdir(os.path.dirname(place))
    request = request_of(token, call)
    end = time.monotonic() + limit_s
    for _ in range(HANG_UPS):
        line = reach(os.path.basename(place), by=min(end, time.monotonic() + reach_s))
        try:
            if verdict := exchange(line, request, end):
                return verdict
        except ConnectionError:
            pass  # it died while it judged
        finally:
            line.close()
        time.sleep(RETRY_EVERY_S)
    raise ConnectionError("the coordinator of this run closes the connection")


def request_of(token: str, call: bytes) -> bytes:
    """Returns the request of a hook; `hook_request.py` reads it."""
    return b"%b %d\n%b" % (token.encode("ascii"), len(call), call)


def reach(name: str, *, by: float) -> _socket.socket:
    """Returns a connection to the coordinator that listens now, or to the next one.

    Raises:
        OSError: There was none until then.
    """
    while True:
        line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            line.settimeout(max(by - time.monotonic(), 0.001))
            line.connect(name)
        except OSError as error:
            line.close()
            if time.monotonic() > by:
                raise TimeoutError(f"the coordinator of this run cannot be reached: {error}") from error
        else:
            return line
        time.sleep(RETRY_EVERY_S)


def exchange(line: _socket.socket, request: bytes, end: float) -> bytes:
    """Sends one request; returns the verdict, which is empty if the coordinator hung up.

    This side stays open, so that the coordinator sees it if this process ends before the verdict.
    """
    line.settimeout(max(end - time.monotonic(), 0.001))
    line.sendall(request)
    verdict = b""
    while len(verdict) < VERDICT_LIMIT_BYTES:
        line.settimeout(max(end - time.monotonic(), 0.001))
        piece = line.recv(1 << 16)
        if not piece:
            break
        verdict += piece
    return verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
