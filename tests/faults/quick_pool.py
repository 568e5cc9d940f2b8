"""`aur` with leases of seconds instead of a minute, in a network namespace of its own where the system allows one.

python -m tests.faults.quick_pool WORDS…
AURORA_ALONE=1      leave the network: only sockets that are files can be reached
AURORA_AHEAD_S=N    this program's clock is ahead by N seconds
AURORA_SLOWER=N     all times of leases are N times as long
"""

import ctypes
import os
import time
from pathlib import Path
from typing import Final

from aurora_cli.entry import main
from aurora_spawner.distributed import lease

TIMES: Final = {"LEASE_S": 8.0, "BEAT_EVERY_S": 0.5, "LOST_AFTER_S": 4.0}
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000


def leave_network() -> None:
    """Moves into an empty network namespace; stays where it is if the system does not allow that."""
    ids = os.geteuid(), os.getegid()
    flags = _NEW_NET if ids[0] == 0 else _NEW_NET | _NEW_USER
    if ctypes.CDLL(None).unshare(flags) == 0 and ids[0] != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{ids[0]} {ids[0]} 1")
        Path("/proc/self/gid_map").write_text(f"{ids[1]} {ids[1]} 1")


def set_clock(ahead_s: float) -> None:
    now = time.time
    time.time = lambda: now() + ahead_s


if __name__ == "__main__":
    slower = float(os.environ.pop("AURORA_SLOWER", "1"))
    vars(lease).update({name: slower * each for name, each in TIMES.items()})  # before anybody reads them
    set_clock(float(os.environ.pop("AURORA_AHEAD_S", "0")))
    if os.environ.pop("AURORA_ALONE", ""):
        leave_network()
    raise SystemExit(main())
