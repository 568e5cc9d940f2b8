"""What stands on the screen of a textual application, and of a program in tmux."""

from __future__ import annotations

import html
import itertools
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

TEXT = re.compile(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>')
CELL_PX = 12.2
_NUMBERS = itertools.count()
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def text_of(app: App[Any]) -> str:
    """The text of the screen, from textual's own picture of it."""
    lines: dict[float, str] = {}
    for x, y, words in TEXT.findall(app.export_screenshot()):
        line = lines.get(float(y), "")
        lines[float(y)] = line.ljust(round(float(x) / CELL_PX)) + html.unescape(words).replace("\xa0", " ")
    return "\n".join(lines[y].rstrip() for y in sorted(lines))


class Tmux:
    """A program on a terminal of tmux, in a server of its own."""

    def __init__(self, *command: object, columns: int = 80, rows: int = 24) -> None:
        self._name = f"aurora-{os.getpid()}-{next(_NUMBERS)}"
        inner = " ".join(f"'{each}'" for each in command)
        size = ("-x", str(columns), "-y", str(rows))
        self._call("-f", "/dev/null", "new-session", "-d", *size, f"{inner}; echo status $?; cat")

    def _call(self, *words: str) -> str:
        command = ["tmux", "-L", self._name, *words]
        environ = {name: value for name, value in os.environ.items() if name != "TMUX"}
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout

    def press(self, *keys: str) -> None:
        self._call("send-keys", *keys)

    def screen(self, *options: str) -> str:
        return self._call("capture-pane", "-p", *options)

    def resize(self, columns: int, rows: int) -> None:
        self._call("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, *words: str | Callable[[str], bool], limit_s: float = 40.0) -> str:
        """Waits until all words stand on the screen; returns it."""
        until = time.monotonic() + limit_s
        while True:
            screen = self.screen()
            if all(each in screen if isinstance(each, str) else each(screen) for each in words):
                return screen
            assert time.monotonic() < until, f"{words} did not come:\n{screen}"
            time.sleep(0.05)

    def kill(self) -> None:
        self._call("kill-server")
