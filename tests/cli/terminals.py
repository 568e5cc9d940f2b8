"""`aur` on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import termios
from pathlib import Path

from tests.warm_python import WarmPopen

AUR = Path(sys.executable).with_name("aur")
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def on_terminal(*args: str, typed: str = "", **environ: str) -> tuple[int, str]:
    """Run `aur` on a terminal of its own; return its status and all that it wrote there."""
    ours, its = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **environ}
    with WarmPopen([AUR, *args], stdin=its, stdout=its, stderr=its, env={**os.environ, **settings}) as process:
        os.close(its)
        os.write(ours, typed.encode())
        written = read_all(ours)
    os.close(ours)
    return process.returncode, written


class Terminal:
    """A terminal with one `aur` on it, which goes on while the test does other things."""

    def __init__(self) -> None:
        self._ours, self._its = pty.openpty()
        self._shown = b""
        self._process: WarmPopen[bytes] | None = None

    def start(self, *args: str) -> None:
        """Start `aur`."""
        settings = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        its = self._its
        self._process = WarmPopen([AUR, *args], stdin=its, stdout=its, stderr=its, env={**os.environ, **settings})
        os.close(its)

    def type(self, keys: str) -> None:
        """Type at it."""
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        """Send what Ctrl-C sends: this is no terminal that controls a process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)

    def wait_for(self, text: str) -> None:
        """Read until a text is shown."""
        while text.encode() not in self._shown:
            assert select.select([self._ours], [], [], 50)[0], self._shown
            self._shown += os.read(self._ours, 65536)

    @property
    def modes(self) -> list[object]:
        """The modes of the terminal."""
        return termios.tcgetattr(self._ours)

    def kill(self) -> None:
        """Kill it as nothing can be prevented."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the status of `aur` and all that it has shown."""
        assert self._process is not None
        self._shown += read_all(self._ours).encode()
        return self._process.wait(50), self._shown.decode()

    def close(self) -> None:
        """End what still runs, and close the terminal."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)


def read_all(terminal: int) -> str:
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()
