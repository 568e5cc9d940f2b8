"""The sandbox's mechanism in tests: each of both, and none, whatever this machine has."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from aurora_spawner.sandbox import profile
from aurora_spawner.sandbox.launcher import NETWORK_ABI, landlock_abi
from aurora_spawner.sandbox.mechanisms import Mechanism

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = {"bubblewrap": "EROFS", "landlock": "EACCES"}


def use(name: str) -> Callable[..., Mechanism]:
    """Returns what stands in for `find_mechanism`; skips where the machine does not have it."""
    program = shutil.which("bwrap")
    if name == "bubblewrap" and program is None:
        pytest.skip("bubblewrap is not installed: apt-get install bubblewrap")
    if name == "landlock" and landlock_abi() < NETWORK_ABI:
        pytest.skip(f"the kernel has version {landlock_abi()} of Landlock, and {NETWORK_ABI} is needed")
    missing = "nothing that could be one is installed" if name == "none" else ""
    return lambda **_: Mechanism(name=name, program=program or "", missing=missing)


def force(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Lets profiles name this mechanism."""
    monkeypatch.setattr(profile, "find_mechanism", use(name))
