"""A real sign-in provider on loopback, oidc-provider, run by the Node that `tools/install_agents.py` brings."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ROOT / ".tools" / "agents" / "node_modules"
HOW: Final = "python tools/install_agents.py"


def need() -> None:
    """Skips a test where the provider is not installed, and says why; CI has it."""
    if (PACKAGES / "oidc-provider").exists():
        return
    note = PACKAGES.parent / "missing"
    if note.exists():
        pytest.skip(note.read_text(encoding="utf-8").strip())
    if os.environ.get("CI") == "true":
        pytest.fail(f"oidc-provider is not installed; `{HOW}` does that")
    pytest.skip(f"oidc-provider is not installed; `{HOW}` does that")


class RealProvider:
    """The provider as a process.

    Attributes:
        address: its issuer.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._line()

    def begin(self, callback: str) -> None:
        """Tells it where users come back to; returns once it takes them."""
        assert self._process.stdin is not None
        print(callback, file=self._process.stdin, flush=True)
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def real_provider() -> Iterator[RealProvider]:
    need()
    command = [PACKAGES / ".bin" / "node", Path(__file__).with_suffix(".mjs"), PACKAGES]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield RealProvider(process)
        finally:
            process.kill()
