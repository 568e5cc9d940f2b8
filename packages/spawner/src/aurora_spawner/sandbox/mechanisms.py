"""The mechanisms of a sandbox on this machine: bubblewrap where it works, else Landlock, else none."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Final

from aurora_spawner.sandbox.launcher import BUBBLEWRAP, NETWORK_ABI, SMALLEST_ABI, landlock_abi
from aurora_spawner.supervision.programs import find_on_path

TRY_LIMIT_S: Final = 10.0
_TRUE: Final = "/bin/true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """A means of putting up a sandbox."""

    name: str
    """`bubblewrap`, `landlock` or `none`."""
    program: str = ""
    """The path of bubblewrap."""
    missing: str = ""
    """The reason why those before it in the order are not used."""


@cache
def find_mechanism(*, own_network: bool = False) -> Mechanism:
    """Returns the first mechanism that works here.

    Args:
        own_network: The sandbox is to have a network of its own, which some machines let nobody make.
    """
    program = find_on_path("bwrap", None)
    problem = "bubblewrap (bwrap) is not installed" if program is None else _problem_of(program, own_network)
    if program is not None and not problem:
        return Mechanism(name="bubblewrap", program=program)
    abi = landlock_abi()
    if abi >= (NETWORK_ABI if own_network else SMALLEST_ABI):
        return Mechanism(name="landlock", missing=problem)
    found = f"has version {abi} of Landlock, and {SMALLEST_ABI} is needed" if abi else "has no Landlock, or it is off"
    return Mechanism(name="none", missing=f"{problem}; the kernel {found}")


def _problem_of(program: str, own_network: bool) -> str:
    """Tries bubblewrap; returns why it does not work here, "" if it does."""
    network = ["--unshare-net"] if own_network else []
    try:
        done = subprocess.run(
            [program, *BUBBLEWRAP, *network, "--", _TRUE],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRY_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"bubblewrap does not work here: {error}"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if done.returncode == 0 else f"bubblewrap does not work here: {said[-1] if said else done.returncode}"
