"""`aur` on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import sys
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
